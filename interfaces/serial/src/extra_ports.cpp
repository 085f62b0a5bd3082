// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "extra_ports.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <deque>
#include <string_view>

#include "identity.hpp"

namespace backplane::serial {

namespace {

constexpr std::size_t k_longest_path = 127;  // of an identifier: docs/reference/descriptor.md
constexpr std::size_t k_most_paths = 64;
constexpr int k_most_links = 40;  // as the kernel has it
constexpr auto k_poll_period = std::chrono::seconds{3};
// MOVED_TO replaces what was there before.
constexpr std::uint32_t k_cutting = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t k_directory_gone = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

void push_front_components(std::deque<std::string>& pending, std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") parts.emplace_back(part);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
    pending.insert(pending.begin(), parts.begin(), parts.end());
}

std::string joined(const std::string& directory, const std::string& name) {
    return directory == "/" ? '/' + name : directory + '/' + name;
}

std::optional<std::string> link_target(const std::string& path) {
    std::array<char, PATH_MAX> buffer{};
    const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
    if (size <= 0 || static_cast<std::size_t>(size) == buffer.size()) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

ExtraPorts::ExtraPorts(sdk::Host& host, Changed changed)
    : host_(host), changed_(std::move(changed)), poll_(host, [this] { changed_(look()); }) {}

void ExtraPorts::set_paths(const std::vector<std::string>& paths) {
    if (paths.size() > k_most_paths)
        throw sdk::Failure(BP_E_INVALID, "extra_ports lists " + std::to_string(paths.size()) +
                                             " paths, at most 64 are possible: remove some");
    std::vector<Way> ways;
    for (const std::string& path : paths) {
        if (!path.starts_with('/') || path.size() > k_longest_path)
            throw sdk::Failure(
                BP_E_INVALID, "extra_ports: \"" + clean_text(path) +
                                  "\" is not an absolute path of at most 127 bytes: write it as in "
                                  "/run/backplane/scale0");
        const auto same = [&](const Way& way) { return way.path == path; };
        if (std::any_of(ways.begin(), ways.end(), same)) continue;
        // A port that stays keeps its generation: it has not been touched.
        const auto known = std::find_if(ways_.begin(), ways_.end(), same);
        ways.push_back(known != ways_.end() ? *known : Way{path, {}, 0, false});
    }
    ways_ = std::move(ways);
    if (!ways_.empty() && !inotify_) open_inotify();
}

void ExtraPorts::open_inotify() {
    inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify_) {
        host_.log_warning(
            std::string("extra ports: the system has no inotify instance left (") +
            std::strerror(errno) +
            "), so they are looked at every 3 s: raise fs.inotify.max_user_instances");
        return;
    }
    watch_.emplace(host_, inotify_.get(), BP_FD_READ, [this](std::uint32_t) { read_events(); });
}

std::vector<ExtraPort> ExtraPorts::look() {
    std::vector<ExtraPort> out;
    std::set<std::string> directories;
    unwatched_ = !inotify_ && !ways_.empty();
    for (Way& way : ways_)
        if (auto port = walk(way, directories)) out.push_back(std::move(*port));
    forget_other_directories(directories);
    if (!unwatched_)
        poll_.cancel();
    else if (!poll_.pending())
        poll_.start_every(k_poll_period);
    return out;
}

std::optional<ExtraPort> ExtraPorts::walk(Way& way, std::set<std::string>& directories) {
    way.steps.clear();
    std::deque<std::string> pending;
    push_front_components(pending, way.path);
    std::string directory = "/";
    int links = 0;
    while (!pending.empty()) {
        const std::string name = std::move(pending.front());
        pending.pop_front();
        if (name == "..") {  // no link is left in `directory`, so this is right
            directory.resize(std::max<std::size_t>(directory.rfind('/'), 1));
            continue;
        }
        if (directories.insert(directory).second) watch_directory(directory);
        way.steps.emplace_back(directory, name);
        const std::string here = joined(directory, name);
        struct stat status {};
        if (::lstat(here.c_str(), &status) != 0) return std::nullopt;
        if (S_ISLNK(status.st_mode)) {
            const auto target = link_target(here);
            if (!target || ++links > k_most_links) return std::nullopt;
            if (target->starts_with('/')) directory = "/";
            push_front_components(pending, *target);
        } else if (!pending.empty()) {
            directory = here;
        } else if (S_ISCHR(status.st_mode)) {
            way.warned = false;
            return ExtraPort{way.path, here, status.st_rdev, way.generation};
        } else {
            break;
        }
    }
    if (!std::exchange(way.warned, true))
        host_.log_warning(
            "extra port " + way.path +
            " is not a character device, so it is left out: let the path lead to a serial port");
    return std::nullopt;
}

void ExtraPorts::watch_directory(const std::string& directory) {
    if (!inotify_) return;
    const int watch = ::inotify_add_watch(inotify_.get(), directory.c_str(),
                                          IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                              IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    const int error = errno;
    // Another directory stands where the watched one was: what happens in that one is nobody's
    // business any more.
    if (const auto old = watch_of_.find(directory); old != watch_of_.end() && old->second != watch)
        forget(old);
    if (watch >= 0) {
        watch_of_[directory] = watch;
        return;
    }
    // Gone between two looks: then its own directory has told, or is about to.
    if (error == ENOENT || error == ENOTDIR) return;
    unwatched_ = true;
    if (!poll_.pending())
        host_.log_warning("extra ports: " + directory + " cannot be watched (" +
                          std::strerror(error) +
                          "), so it is looked at every 3 s: allow reading it");
}

void ExtraPorts::forget_other_directories(const std::set<std::string>& used) {
    for (auto entry = watch_of_.begin(); entry != watch_of_.end();)
        entry = used.contains(entry->first) ? std::next(entry) : forget(entry);
}

ExtraPorts::Watches::iterator ExtraPorts::forget(Watches::iterator entry) {
    // One directory can be reached by two paths (a bind mount); then both have the same watch.
    const int watch = entry->second;
    const auto next = watch_of_.erase(entry);
    const bool shared = std::any_of(watch_of_.begin(), watch_of_.end(),
                                    [&](const auto& other) { return other.second == watch; });
    if (!shared)
        ::inotify_rm_watch(inotify_.get(), watch);  // fails harmlessly when the directory has gone
    return next;
}

void ExtraPorts::read_events() {
    alignas(inotify_event) std::array<char, 16384> buffer;
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    bool concerned = false;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        const char* name = buffer.data() + at + sizeof event;
        concerned |=
            take_event(event.wd, event.mask, std::string_view{name, ::strnlen(name, event.len)});
        at += sizeof event + event.len;
    }
    if (concerned) changed_(look());
}

bool ExtraPorts::take_event(int watch, std::uint32_t mask, std::string_view name) {
    if (mask & IN_Q_OVERFLOW) return true;
    bool concerned = false;
    for (auto entry = watch_of_.begin(); entry != watch_of_.end();) {
        if (entry->second != watch) {
            ++entry;
            continue;
        }
        const std::string& directory = entry->first;
        for (Way& way : ways_) {
            const bool on_the_way =
                std::any_of(way.steps.begin(), way.steps.end(), [&](const Step& step) {
                    return step.first == directory &&
                           ((mask & k_directory_gone) || step.second == name);
                });
            if (!on_the_way) continue;
            concerned = true;
            // Cut and mended between two looks is another port all the same.
            if (mask & (k_cutting | k_directory_gone)) ++way.generation;
        }
        // The kernel has dropped this watch, and gives its number away again.
        entry = (mask & IN_IGNORED) ? watch_of_.erase(entry) : std::next(entry);
    }
    return concerned;
}

}  // namespace backplane::serial
