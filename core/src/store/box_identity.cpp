// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/box_identity.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"

namespace backplane::core {
namespace {

constexpr std::size_t k_digits = 32;

std::string reason(int error) {
    return std::generic_category().message(error);
}

bool is_identity(std::string_view text) noexcept {
    return text.size() == k_digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

std::string random_identity() {
    std::array<unsigned char, k_digits / 2> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        // Kernels without the call: the same source through its file.
        std::random_device source;
        for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(source());
    }
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);  // RFC 9562: version 4,
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);  // variant 10
    std::string text;
    for (const unsigned char byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 0xF];
    }
    return text;
}

/// nullopt: there is no such file. Otherwise its content as far as it can matter.
std::optional<std::string> read_start(const std::string& path) {
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file) return std::nullopt;
    std::array<char, k_digits + 2> buffer{};
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    std::string text{buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

/// All or nothing, also when the power is cut: written beside, synced, renamed, and the folder
/// synced. Empty, or the reason.
std::string write_durably(const std::string& folder, const std::string& path,
                          const std::string& content) {
    const std::string temporary = path + ".new";
    {
        const Fd file{
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
        if (!file) return reason(errno);
        const ssize_t count = ::write(file.get(), content.data(), content.size());
        if (count != static_cast<ssize_t>(content.size()))
            return count < 0 ? reason(errno) : "the disk is full";
        if (::fsync(file.get()) != 0) return reason(errno);
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) return reason(errno);
    const Fd directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory || ::fsync(directory.get()) != 0) return reason(errno);
    return {};
}

}  // namespace

std::string load_or_make_box_identity(const std::string& state_dir) {
    const std::string path = state_dir + "/box-id";
    const std::optional<std::string> known = read_start(path);
    if (known && is_identity(*known)) return *known;
    if (known) {
        log_error("store", "box_id.damaged",
                  {{"file", path},
                   {"what", "it does not hold 32 hexadecimal digits"},
                   {"done", "the box gets a new identifier and must be paired again"}});
    }
    std::error_code ignored;
    std::filesystem::create_directories(state_dir, ignored);
    std::string made = random_identity();
    if (const std::string why = write_durably(state_dir, path, made + '\n'); !why.empty()) {
        log_error("store", "box_id.not_kept",
                  {{"file", path},
                   {"reason", why},
                   {"effect",
                    "the box has another identifier after each start: make the folder writable"}});
    }
    return made;
}

}  // namespace backplane::core
