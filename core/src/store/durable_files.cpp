// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/durable_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>

#include "backplane/core/fd.hpp"

namespace backplane::core {
namespace {

Unexpected<Error> failed(std::string_view attempted, const std::string& path, int error) {
    std::string text = "cannot " + std::string{attempted} + ' ' + path + ": ";
    switch (error) {
        case ENOSPC:
        case EDQUOT:
            return failure("store.full", text + "the disk is full: make room on it");
        case EROFS:
            return failure("store.read_only",
                           text + "the disk is read-only: check it, and mount it for writing");
        case ENOENT:
        case ENOTDIR:
            return failure("store.missing",
                           text + "it is not there: check that nobody else removes files here");
        case EEXIST:
        case ENOTEMPTY:
            return failure("store.exists", text + "something of this name is there: remove it");
        case EACCES:
        case EPERM:
            return failure("store.io", text + std::strerror(error) +
                                           ": give the box the right to write to its folder");
        default:
            return failure("store.io", text + std::strerror(error) + ": check the disk");
    }
}

std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixNewFile final : public DurableFiles::NewFile {
public:
    PosixNewFile(Fd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

    Result<void> write(std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return failed("write", path_, written < 0 ? errno : ENOSPC);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
        return {};
    }

    Result<void> sync() override {
        // Not tried again after an error: the kernel may have dropped the pages by then, and the second call would claim
        // success (PostgreSQL's "fsyncgate", 2018).
        if (::fsync(file_.get()) != 0) return failed("write to the disk", path_, errno);
        return {};
    }

private:
    Fd file_;
    std::string path_;
};

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

class PosixFiles final : public DurableFiles {
public:
    Result<std::unique_ptr<NewFile>> create(const std::string& path) override {
        Fd file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (!file) return failed("create", path, errno);
        return std::unique_ptr<NewFile>{std::make_unique<PosixNewFile>(std::move(file), path)};
    }

    Result<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0)
            return failed("rename " + from + " to", to, errno);
        return {};
    }

    Result<void> unlink(const std::string& path) override {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path, errno);
        return {};
    }

    Result<void> make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) == 0) return {};
        if (errno == ENOENT && parent_of(path) != path) {
            if (auto made = make_directory(parent_of(path)); !made) return made;
            if (::mkdir(path.c_str(), 0700) == 0) return {};
        }
        const int error = errno;
        // Also on a read-only disk: mkdir() of a folder that is there may say EROFS.
        struct stat info {};
        if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
        return failed("make the folder", path, error);
    }

    Result<void> remove_directory(const std::string& path) override {
        if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
            return failed("remove the folder", path, errno);
        return {};
    }

    Result<void> sync_directory(const std::string& path) override {
        const Fd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (!folder) return failed("open the folder", path, errno);
        // EINVAL: a file system whose folders need no sync says it so.
        if (::fsync(folder.get()) != 0 && errno != EINVAL)
            return failed("write to the disk the folder", path, errno);
        return {};
    }

    Result<std::vector<std::string>> list(const std::string& path) override {
        const std::unique_ptr<DIR, CloseFolder> folder{::opendir(path.c_str())};
        if (!folder) return failed("list the folder", path, errno);
        std::vector<std::string> names;
        for (;;) {
            errno = 0;
            const dirent* const entry = ::readdir(folder.get());
            if (entry == nullptr) break;
            const std::string_view name{entry->d_name};
            if (name != "." && name != "..") names.emplace_back(name);
        }
        if (errno != 0) return failed("list the folder", path, errno);
        std::sort(names.begin(), names.end());
        return names;
    }

    Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) override {
        // O_NONBLOCK: somebody's FIFO at this path must not stop us before we have seen what it is.
        const Fd file{
            ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
        if (!file) return failed("read", path, errno);
        struct stat info {};
        if (::fstat(file.get(), &info) != 0) return failed("read", path, errno);
        if (!S_ISREG(info.st_mode))
            return failure("store.io", "cannot read " + path + ": it is not a regular file");
        const auto too_large = [&] {
            return failure("store.io", "cannot read " + path + ": it is larger than " +
                                           std::to_string(most) + " bytes");
        };
        if (info.st_size < 0 || static_cast<std::uintmax_t>(info.st_size) > most)
            return too_large();

        std::vector<std::byte> bytes(static_cast<std::size_t>(info.st_size));
        std::size_t have = 0;
        for (;;) {
            if (have == bytes.size()) {
                // One byte more than it had when we asked shows a file that grows.
                std::byte more{};
                const ssize_t got = ::read(file.get(), &more, 1);
                if (got < 0 && errno == EINTR) continue;
                if (got < 0) return failed("read", path, errno);
                if (got == 0) return bytes;
                if (bytes.size() == most) return too_large();
                bytes.push_back(more);
                ++have;
                continue;
            }
            const ssize_t got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return failed("read", path, errno);
            if (got == 0) {
                bytes.resize(have);
                return bytes;
            }
            have += static_cast<std::size_t>(got);
        }
    }

    Result<std::uint64_t> free_space(const std::string& path) override {
        struct statvfs info {};
        if (::statvfs(path.c_str(), &info) != 0)
            return failed("ask for the free space of", path, errno);
        const std::uint64_t blocks = info.f_bavail;
        const std::uint64_t size = info.f_frsize;
        constexpr std::uint64_t k_most = std::numeric_limits<std::uint64_t>::max();
        return size != 0 && blocks > k_most / size ? k_most : blocks * size;
    }
};

}  // namespace

std::unique_ptr<DurableFiles> DurableFiles::posix() {
    return std::make_unique<PosixFiles>();
}

}  // namespace backplane::core
