// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a plug-in says of itself in its ELF note, as typed values. Meaning and limits:
// docs/reference/plugin-note.md.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::sdk {

enum class PluginKind { driver, interface };
std::string_view to_string(PluginKind kind) noexcept;

/// How much a driver may do to a device to find out whether it serves it.
enum class ProbeMode {
    none,     ///< the rule alone decides
    passive,  ///< listen only: nothing is written to the device
    active,   ///< ask the device
};
std::string_view to_string(ProbeMode mode) noexcept;

/// One property of a descriptor and the patterns of which one must fit it.
struct MatchProperty {
    std::string name;
    std::vector<std::string> globs;
};

/// A kind of device that a driver serves: the bus and all properties must fit.
struct MatchRule {
    std::string bus;
    std::vector<MatchProperty> properties;
    int priority = 0;
    ProbeMode probe = ProbeMode::none;
    std::chrono::milliseconds probe_limit{1'000};
};

/// Whether an action may be run a second time when nobody knows whether it was run.
enum class Repeat { once, safe };
std::string_view to_string(Repeat repeat) noexcept;

struct NoteAction {
    std::string description;
    Repeat repeat = Repeat::once;
};

struct PluginNote {
    PluginKind kind = PluginKind::driver;
    std::string id;    ///< "org.backplane.toledo8217"
    std::string name;  ///< "toledo8217"
    std::string title;
    std::string version;  ///< "1.2.3"
    std::string vendor;
    std::string license;
    std::uint32_t abi_major = 0;
    std::uint32_t abi_minor = 0;
    std::string sdk;                        ///< version of the SDK it was built with
    std::string arch;                       ///< "x86_64-linux-gnu"
    std::vector<std::string> device_types;  ///< of drivers
    std::vector<MatchRule> matches;         ///< of drivers
    std::vector<std::string> required_extensions;
    std::vector<std::string> optional_extensions;
    std::vector<std::string> permissions;
    bool concurrent_actions = false;
    std::uint32_t state_version = 0;           ///< of the state it leaves; 0: it leaves none
    std::vector<std::uint32_t> accepts_state;  ///< versions that it can take over
    boost::json::object settings;              ///< schema; empty = the plug-in has no settings
    boost::json::object device_settings;       ///< schema for one device; empty = none
    std::map<std::string, NoteAction, std::less<>> actions;
};

/// Whether `text` fits `pattern`: '*' stands for any run of characters, '?' for one; upper and
/// lower case are the same for ASCII letters. No pattern takes more than pattern times text steps.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

}  // namespace backplane::sdk
