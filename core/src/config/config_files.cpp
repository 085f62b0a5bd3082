// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "config/config_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "config/config_values.hpp"
#include "config/yaml_reader.hpp"

namespace backplane::core::config_reading {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t k_file_bytes = 1u << 20;
constexpr std::size_t k_fragments = 256;

std::string reason(int error) {
    return std::generic_category().message(error);
}

/// False when there is no such file.
bool read_file(const std::string& path, const std::string& shown, std::string& out) {
    // Non-blocking: a FIFO by that name must not stop the box from starting.
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) {
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR) return false;
        refuse("config.unreadable", {path, 0}, {},
               "cannot read the configuration: " + reason(error) +
                   ": check the permissions of the file and of its folders");
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        refuse("config.unreadable", {path, 0}, {},
               "cannot read the configuration: this is not a regular file");
    }
    out.clear();
    std::array<char, 16384> piece{};
    for (;;) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            refuse("config.unreadable", {path, 0}, {},
                   "cannot read the configuration: " + reason(errno));
        }
        if (count == 0) return true;
        out.append(piece.data(), static_cast<std::size_t>(count));
        if (out.size() > k_file_bytes) {
            refuse("config.too_large", {shown, 0}, {},
                   "is larger than 1 MiB: this cannot be a configuration of the box");
        }
    }
}

/// Names of conf.d/*.yaml, sorted.
std::vector<std::string> fragment_names(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entries{folder, error};
    if (error) {
        if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
            return names;
        refuse("config.unreadable", {folder.string(), 0}, {},
               "cannot list the configuration's fragments: " + error.message() +
                   ": check the permissions of the folder");
    }
    for (const fs::directory_iterator end; entries != end;) {
        const std::string name = entries->path().filename().string();
        if (!name.starts_with('.')) {
            if (name.ends_with(".yaml")) {
                names.push_back(name);
            } else if (name.ends_with(".yml")) {
                log_warning("config", "config.fragment_ignored",
                            {{"file", entries->path().string()},
                             {"reason", "its name does not end in .yaml: rename it"}});
            }
        }
        if (names.size() > k_fragments) {
            refuse(
                "config.too_large", {folder.string(), 0}, {},
                "holds more than " + std::to_string(k_fragments) + " fragments: join some of them");
        }
        entries.increment(error);
        if (error) {
            refuse("config.unreadable", {folder.string(), 0}, {},
                   "cannot list the configuration's fragments: " + error.message());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

ConfigNode read_files(const std::string& file, bool required) {
    const fs::path path{file};
    const std::string shown = path.filename().string();
    ConfigNode top;
    top.origin = {shown, 1};
    std::string text;
    if (read_file(file, shown, text)) {
        top = or_refuse(read_yaml(text, shown));
    } else if (required) {
        refuse("config.unreadable", {file, 0}, {},
               "cannot read the configuration: there is no such file: create it, or name another "
               "with --config");
    }
    if (top.kind == ConfigNode::Kind::nothing) top.kind = ConfigNode::Kind::map;
    const fs::path folder = path.parent_path() / "conf.d";
    for (const std::string& name : fragment_names(folder)) {
        const std::string fragment = "conf.d/" + name;
        // Gone since it was listed: as if it had never been there.
        if (!read_file((folder / name).string(), fragment, text)) continue;
        merge(top, or_refuse(read_yaml(text, fragment)));
    }
    return top;
}

}  // namespace backplane::core::config_reading
