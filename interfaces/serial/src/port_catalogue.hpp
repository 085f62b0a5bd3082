// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which ports are there, who is who, and what has to be told of a change. Pure: no udev, no
// inotify, no host.
//
// It holds what is known (ports of the kernel, extra ports of the user, the user's rules), derives
// from it what should be reported, and compares that with what has been reported. So an event, a
// lost event and a change of the settings all take the same way, and nothing is ever told twice or
// forgotten.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "port_facts.hpp"

namespace backplane::serial {

/// A path of the setting extra_ports that leads to a character device now.
struct ExtraPort {
    std::string path;                 ///< as configured
    std::string real_path;            ///< where it leads
    std::uint64_t device_number = 0;  ///< st_rdev of the node there
    std::uint64_t generation = 0;     ///< differs each time the way to it was cut
};

/// What the user decided. An entry is a path of the port, any link to it, or a pattern such as
/// "/dev/ttyS*".
struct PortRules {
    std::vector<std::string> no_probe;
    std::vector<std::string> ignore;
};

struct PortReport {
    enum class Kind { added, removed };
    Kind kind = Kind::added;
    std::string key;
    boost::json::object descriptor;  ///< empty for removed
};
using PortReports = std::vector<PortReport>;

class PortCatalogue {
public:
    /// The path without links, or empty when it leads nowhere. A parameter so that tests need no
    /// /dev.
    using RealPath = std::function<std::string(const std::string&)>;

    explicit PortCatalogue(RealPath real_path = &PortCatalogue::real_path_of_system)
        : real_path_(std::move(real_path)) {}

    // Each returns what has to be reported now, in order.
    PortReports set_rules(PortRules rules);
    PortReports port_added(PortFacts facts);  ///< also: something about it has changed
    PortReports port_removed(std::string_view syspath);
    PortReports ports_are(std::vector<PortFacts> all);  ///< after events have been lost
    PortReports extra_ports_are(std::vector<ExtraPort> all);

    static std::string real_path_of_system(const std::string& path);

private:
    struct Entry {
        std::string
            instance;  ///< differs when it is not the same thing any more, although the key is
        boost::json::object descriptor;
    };
    using Entries = std::map<std::string, Entry, std::less<>>;  // by key

    PortReports reconcile();
    Entries wanted();
    Entry entry_of(const PortFacts& facts, const std::string& stable_id) const;
    Entry entry_of(const ExtraPort& port) const;
    std::map<std::string, std::string> stable_ids();      ///< by syspath
    bool names_one_device(const PortFacts& facts) const;  ///< its link under by-id does
    bool any_means(const std::vector<std::string>& rules,
                   const std::vector<std::string>& names) const;
    static std::vector<std::string> names_of(const PortFacts& facts);

    RealPath real_path_;
    PortRules rules_;
    std::map<std::string, PortFacts, std::less<>> ports_;  // by syspath
    std::vector<ExtraPort> extra_;
    std::set<std::string> shared_by_ids_;  ///< seen on two ports at once: never trusted again
    Entries reported_;
};

}  // namespace backplane::serial
