// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "backplane/core/fd.hpp"
#include "backplane/inspect/inspect.hpp"
#include "bundle/archive.hpp"
#include "bundle/zip_directory.hpp"
#include "bundle_output.hpp"

namespace backplane::cli {
namespace {

namespace fs = std::filesystem;
namespace bundle = core::bundle;

core::Unexpected<core::Error> io_failure(const std::string& what, const std::string& path,
                                         int error) {
    std::string advice = "check the path";
    if (error == EACCES || error == EPERM) advice = "use another account, or another place";
    if (error == ENOSPC || error == EDQUOT) advice = "free some space";
    if (error == EROFS) advice = "this disk is read-only: use another place";
    if (error == EEXIST) advice = "it is never overwritten: use another name, or move it away";
    return core::failure("file.io", "cannot " + what + " " + path + ": " +
                                        std::generic_category().message(error) + ": " + advice);
}

core::Result<void> write_all(const core::Fd& file, std::span<const std::byte> bytes,
                             const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return io_failure("write", path, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    if (::fsync(file.get()) != 0) return io_failure("write", path, errno);
    return {};
}

/// Names that only we give; in a place or a spelling where no box looks for them they are a mistake. A name that ends in
/// ".so" is worse: other boxes would load it as a library of their own.
bool looks_like_ours(std::string_view name) {
    return name.ends_with(".minisig") || name.find("backplane.") != std::string_view::npos ||
           name.find(".so") != std::string_view::npos;
}

/// In drivers/ and interfaces/ of a folder; the rest of the module is not the handlers' business.
core::Result<std::vector<std::string>> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    fs::recursive_directory_iterator entries{folder, error};
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && entries != fs::recursive_directory_iterator{}; entries.increment(error)) {
        if (!entries->is_regular_file(error)) continue;
        names.push_back(entries->path().lexically_relative(folder).generic_string());
        if (names.size() > bundle::k_archive_entries) {
            return core::failure("E_ZIP", "the folder " + folder +
                                              " has more than 4,096 files, and a box takes no "
                                              "larger zip: name the iot_handlers folder itself");
        }
    }
    if (error) return io_failure("read", folder, error.value());
    std::sort(names.begin(), names.end());
    return names;
}

void sort_in(Carried& carried, const std::string& name, Bytes content) {
    if (bundle::is_bundle_name(name)) {
        carried.files.emplace(name, std::move(content));
    } else {
        ++carried.foreign;
        if (looks_like_ours(name)) carried.strange.push_back(name);
    }
}

core::Result<Carried> read_zip(const std::string& path) {
    auto bytes = read_file(path, bundle::k_archive_bytes);
    if (!bytes) return passed_on(bytes);
    Carried carried;
    carried.zip = *std::move(bytes);
    const auto archive = bundle::Archive::open(carried.zip);
    if (!archive) return passed_on(archive);
    for (const std::string& name : archive->names()) {
        auto content =
            archive->read(name, name.find(".so.") == std::string::npos ? bundle::k_metadata_bytes
                                                                       : sdk::k_max_plugin_size);
        if (!content) return passed_on(content);
        sort_in(carried, name, *std::move(content));
    }
    carried.foreign = archive->foreign_files();
    const auto entries = bundle::read_zip_directory(carried.zip);
    if (!entries) return passed_on(entries);
    for (const bundle::ZipEntry& entry : *entries) {
        if (!entry.is_directory() && !bundle::is_bundle_name(entry.name) &&
            looks_like_ours(entry.name))
            carried.strange.emplace_back(entry.name);
    }
    return carried;
}

core::Result<Carried> read_tree(const std::string& folder, bool with_foreign) {
    Carried carried;
    bundle::Files all;
    auto names = names_in(folder);
    if (!names) return passed_on(names);
    for (const std::string& name : *names) {
        Bytes content;
        if (with_foreign || bundle::is_bundle_name(name)) {
            auto read = read_file((fs::path{folder} / name).string(), sdk::k_max_plugin_size);
            if (!read) return passed_on(read);
            content = *std::move(read);
        }
        if (with_foreign) all[name] = content;
        sort_in(carried, name, std::move(content));
    }
    if (with_foreign) {
        auto zip = bundle::zip_files(all);
        if (!zip) return passed_on(zip);
        carried.zip = *std::move(zip);
    }
    return carried;
}

}  // namespace

core::Result<Bytes> read_file(const std::string& path, std::size_t most) {
    // O_NONBLOCK: a pipe under this name must not hold the program up.
    const core::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file) return io_failure("read", path, errno);
    struct stat facts {};
    if (::fstat(file.get(), &facts) != 0) return io_failure("read", path, errno);
    if (!S_ISREG(facts.st_mode))
        return io_failure("read", path, S_ISDIR(facts.st_mode) ? EISDIR : EINVAL);
    if (static_cast<std::uintmax_t>(facts.st_size) > most) {
        return core::failure("E_SIZE", "the file " + path + " has " +
                                           std::to_string(facts.st_size) + " bytes, but at most " +
                                           std::to_string(most) +
                                           " are allowed: is it the right file?");
    }
    Bytes bytes(static_cast<std::size_t>(facts.st_size));
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t count = ::read(file.get(), bytes.data() + have, bytes.size() - have);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return io_failure("read", path, errno);
        if (count == 0) break;
        have += static_cast<std::size_t>(count);
    }
    bytes.resize(have);
    return bytes;
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

core::Result<void> write_file(const std::string& path, std::span<const std::byte> bytes) {
    const fs::path folder = fs::path{path}.parent_path();
    std::error_code error;
    if (!folder.empty()) fs::create_directories(folder, error);
    if (error) return io_failure("make the folder", folder.string(), error.value());
    const std::string temporary = path + ".new";
    {
        const core::Fd file{
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
        if (!file) return io_failure("write", temporary, errno);
        if (auto written = write_all(file, bytes, temporary); !written) {
            ::unlink(temporary.c_str());
            return written;
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int reason = errno;
        ::unlink(temporary.c_str());
        return io_failure("write", path, reason);
    }
    return {};
}

core::Result<void> write_new_file(const std::string& path, std::string_view text, unsigned mode) {
    const core::Fd file{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)};
    if (!file) return io_failure("write", path, errno);
    if (auto written = write_all(file, std::as_bytes(std::span{text}), path); !written) {
        ::unlink(path.c_str());
        return written;
    }
    return {};
}

core::Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return io_failure("remove", path, errno);
    return {};
}

core::Result<Carried> read_carried(const std::string& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return read_tree(path, true);
    return read_zip(path);
}

core::Result<Carried> read_folder(const std::string& folder) {
    return read_tree(folder, false);
}

}  // namespace backplane::cli
