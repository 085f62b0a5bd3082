// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/memory_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backplane::core {
namespace {

constexpr int k_all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Unexpected<Error> failed(std::string_view what, std::string_view name, int error) {
    return failure("memory_file.failed", std::string{"cannot "} + std::string{what} +
                                             " the memory file " + std::string{name} + ": " +
                                             std::strerror(error));
}

Result<Fd> create(std::string_view name) {
    // The kernel takes at most 249 bytes; the name is for people who look into /proc.
    const std::string shown{name.substr(0, 200)};
    Fd file{::memfd_create(shown.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!file) return failed("create", name, errno);
    return file;
}

Result<void> write_all(const Fd& file, std::string_view name, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return failed("write", name, written < 0 ? errno : ENOSPC);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<Fd> seal(Fd file, std::string_view name) {
    if (::fcntl(file.get(), F_ADD_SEALS, k_all_seals) != 0) return failed("seal", name, errno);
    return file;
}

}  // namespace

Result<Fd> sealed_memory_file_of(std::string_view name,
                                 std::span<const std::span<const std::byte>> pieces) {
    auto file = create(name);
    if (!file) return file;
    for (const auto piece : pieces) {
        if (auto written = write_all(*file, name, piece); !written)
            return Unexpected<Error>{written.error()};
    }
    return seal(std::move(*file), name);
}

Result<Fd> sealed_memory_file(std::string_view name, std::span<const std::byte> bytes) {
    return sealed_memory_file_of(name, std::array{bytes});
}

Result<Fd> sealed_memory_file_from(const std::string& path, std::size_t most) {
    // O_NONBLOCK: somebody's FIFO at this path must not stop us before we have seen what it is.
    const Fd source{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!source)
        return failure("file.unreadable", "cannot open " + path + ": " + std::strerror(errno));
    struct stat info {};
    if (::fstat(source.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return failure("file.unreadable", "cannot read " + path + ": it is not a regular file");
    }
    const auto too_large = [&] {
        return failure("file.too_large", "cannot read " + path + ": it is larger than " +
                                             std::to_string(most) + " bytes");
    };
    if (static_cast<std::uintmax_t>(info.st_size) > most) return too_large();

    auto file = create(path);
    if (!file) return file;
    std::vector<std::byte> buffer(std::size_t{64} << 10);
    std::size_t total = 0;
    for (;;) {
        const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return failure("file.unreadable", "cannot read " + path + ": " + std::strerror(errno));
        if (got == 0) break;
        total += static_cast<std::size_t>(got);
        if (total > most) return too_large();  // it has grown since we asked for its size
        const auto piece = std::span<const std::byte>{buffer}.first(static_cast<std::size_t>(got));
        if (auto written = write_all(*file, path, piece); !written)
            return Unexpected<Error>{written.error()};
    }
    return seal(std::move(*file), path);
}

}  // namespace backplane::core
