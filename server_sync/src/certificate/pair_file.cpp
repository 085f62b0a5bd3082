// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/pair_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "backplane/core/fd.hpp"
#include "certificate/pem_pair.hpp"

namespace backplane::sync {
namespace {

std::string reason(int error) {
    return std::generic_category().message(error);
}

core::Unexpected<core::Error> not_written(const std::string& path, int error) {
    return core::failure("certificate.not_written",
                         "cannot write " + path + ": " + reason(error) +
                             "; see that the disk is neither full nor read-only and that the "
                             "folder belongs to this service");
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

core::Result<std::string> read_text_file(const std::string& path) {
    // O_NONBLOCK: a named pipe in its place must not hold the box up.
    const core::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!fd) {
        const int error = errno;
        return core::failure(error == ENOENT ? "certificate.missing" : "certificate.unreadable",
                             "cannot read " + path + ": " + reason(error) +
                                 "; see that it is there and readable for this service");
    }
    struct stat facts {};
    if (::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return core::failure("certificate.unreadable",
                             "cannot read " + path + ": it is not an ordinary file");
    }
    std::string text;
    std::array<char, 8192> piece;
    for (;;) {
        const auto n = ::read(fd.get(), piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            return core::failure("certificate.unreadable",
                                 "cannot read " + path + ": " + reason(errno));
        }
        if (n == 0) return text;
        text.append(piece.data(), static_cast<std::size_t>(n));
        if (text.size() > k_most_pem_bytes) {
            return core::failure("certificate.unreadable",
                                 "cannot read " + path + ": it is larger than 256 kB");
        }
    }
}

core::Result<core::TlsIdentity> read_pair_file(const std::string& path) {
    auto text = read_text_file(path);
    if (!text) return core::Unexpected<core::Error>{text.error()};
    // "-----BEGIN PRIVATE KEY-----", or with "RSA" or "EC" in it.
    const auto word = text->find("PRIVATE KEY-----");
    const auto key = word == std::string::npos ? word : text->rfind("-----BEGIN ", word);
    if (key == std::string::npos) {
        return core::failure("certificate.unreadable",
                             path + " cannot be used: it is damaged (there is no key in it)");
    }
    return core::TlsIdentity{text->substr(0, key), text->substr(key)};
}

core::Result<void> write_pair_file(const std::string& folder, const std::string& name,
                                   const core::TlsIdentity& identity) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return not_written(folder, errno);
    const core::Fd directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) return not_written(folder, errno);
    // It may be older than this rule; that others can read it is no reason to have no certificate.
    (void)::fchmod(directory.get(), 0700);

    const std::string path = folder + "/" + name;
    const std::string temporary = "." + name + ".new";
    if (::unlinkat(directory.get(), temporary.c_str(), 0) != 0 && errno != ENOENT)
        return not_written(path, errno);
    core::Fd file{::openat(directory.get(), temporary.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!file) return not_written(path, errno);
    const bool written = write_all(file.get(), identity.certificates_pem) &&
                         write_all(file.get(), identity.key_pem) && ::fsync(file.get()) == 0;
    if (!written ||
        ::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()) != 0) {
        const int error = errno;
        (void)::unlinkat(directory.get(), temporary.c_str(), 0);
        return not_written(path, error);
    }
    if (::fsync(directory.get()) != 0) return not_written(path, errno);
    return {};
}

}  // namespace backplane::sync
