// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Ports that the user names by a path, such as a link to a pseudo terminal: watched by inotify.
//
// The way to such a port is a chain of directories and links, and each part of it may come, go or
// be replaced at any time, the first directories included. So each directory in which a part of the
// way is looked up is watched, and the way is walked anew when an event names a part of it. A watch
// is set before the look, so that nothing falls between.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backplane/host.hpp"
#include "backplane/unique_fd.hpp"
#include "port_catalogue.hpp"

namespace backplane::serial {

class ExtraPorts {
public:
    /// `changed` is called from the host's loop with all ports that are there now, in the order of
    /// the settings.
    using Changed = std::function<void(std::vector<ExtraPort>)>;

    ExtraPorts(sdk::Host& host, Changed changed);

    /// Throws sdk::Failure, and changes nothing, when a path is not one: absolute, at most 127
    /// bytes. look() comes next.
    void set_paths(const std::vector<std::string>& paths);

    /// Walks all paths; the ports that are there now.
    std::vector<ExtraPort> look();

private:
    /// One name that is looked up in one directory.
    using Step = std::pair<std::string, std::string>;
    struct Way {
        std::string path;
        std::vector<Step> steps;  ///< of the last walk, up to the first that was missing
        std::uint64_t generation = 0;
        bool warned = false;  ///< of a path that leads to something that is no device
    };

    using Watches = std::map<std::string, int>;

    std::optional<ExtraPort> walk(Way& way, std::set<std::string>& directories);
    void open_inotify();
    void watch_directory(const std::string& directory);
    void forget_other_directories(const std::set<std::string>& used);
    Watches::iterator forget(Watches::iterator entry);
    void read_events();
    /// True when the way to a port leads over this event.
    bool take_event(int watch, std::uint32_t mask, std::string_view name);

    sdk::Host& host_;
    Changed changed_;
    std::vector<Way> ways_;
    Watches watch_of_;        ///< by directory
    bool unwatched_ = false;  ///< some directory cannot be watched: look from time to time
    sdk::UniqueFd inotify_;
    std::optional<sdk::FdWatch> watch_;
    sdk::Timer poll_;
};

}  // namespace backplane::serial
