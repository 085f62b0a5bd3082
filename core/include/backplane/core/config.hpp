// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Configuration: one YAML file and the fragments beside it, checked before anything starts.
//
// Unknown keys, wrong types and values out of range are errors with file and line. What belongs to a plug-in is kept as
// JSON and checked against the schema in the plug-in's note.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core {

/// Where a value was written, for messages: "backplane.yaml:12".
struct ConfigOrigin {
    std::string file;
    int line = 0;
    std::string text() const { return file + ":" + std::to_string(line); }
};

/// Settings of one interface or driver, with the place of each top-level key.
struct PluginSettings {
    boost::json::object values;
    std::map<std::string, ConfigOrigin> origins;
    ConfigOrigin origin;
};

/// What the user decided about one device, by its identifier or stable id.
struct DevicePin {
    std::string name;      ///< shown instead of the device's own; empty = its own
    std::string driver;    ///< overrides matching and probing; empty = as matched
    bool ignored = false;  ///< leave this device alone
    ConfigOrigin origin;
};

struct Config {
    struct Http {
        std::vector<std::string> addresses{"0.0.0.0", "::"};
        std::uint16_t port = 8069;
        bool standard_port = true;  ///< 80 as well, where the rights allow it
    } http;
    struct Https {
        bool enabled = true;
        std::uint16_t port = 443;
        bool port_given = false;       ///< then it is a problem when it cannot be had
        std::string certificate, key;  ///< PEM files of the owner; both or none
        std::string authority,
            authority_key;  ///< PEM files of an authority that signs for this box; both or none
        std::vector<std::string> names;  ///< further host names of this box
    } https;
    struct Odoo {
        std::string server;
        std::string pairing_proxy = "https://iot-proxy.odoo.com";
        std::string certificate_service = "https://www.odoo.com";  ///< empty: never ask
        std::string ca_file;    ///< PEM, trusted besides the system's authorities
        bool send_logs = true;  ///< until somebody switches it on the homepage
        struct RemoteDebug {    ///< programs with arguments; empty: off
            std::vector<std::string> start, stop, status;
        } remote_debug;
    } odoo;
    struct Plugins {
        std::vector<std::string> trusted_keys;
        std::string isolation = "process";
        int crashes = 5;  ///< so many within the window put a plug-in aside
        std::chrono::seconds window{60};
        std::chrono::seconds hang_limit{4};  ///< without a sign of life for so long, it is ended
        int memory_mb = 256;                 ///< of its own, for the process of each plug-in
        bool development = false;            ///< trust every bundle on first sight
        std::optional<std::chrono::seconds>
            probation;  ///< no build is watched for longer than this
        struct Update {
            bool automatic = true;  ///< ask the server without being told to
            std::chrono::seconds jitter{60};
            std::chrono::hours interval{24};
            bool accept_expired = false;  ///< install releases however long ago they have expired
        } update;
    } plugins;
    struct Log {
        std::string level = "info";
        std::map<std::string, std::string> components;  ///< component or plug-in → level
    } log;
    std::map<std::string, PluginSettings> interfaces;
    std::map<std::string, PluginSettings> drivers;
    std::map<std::string, DevicePin> devices;
};

/// Reads `file` and `conf.d/*.yaml` beside it in the order of their names; later ones win key by key. A missing main file
/// is the default configuration unless `required`.
Result<Config> load_config(const std::string& file, bool required);

/// Checks one plug-in's settings against the schema of its note and fills in the defaults. The schema is the subset of
/// JSON Schema that docs/reference/plugin-note.md names. `subject` is "driver acme_scale".
Result<boost::json::object> check_settings(const boost::json::object& schema,
                                           const PluginSettings& settings,
                                           const std::string& subject);

}  // namespace backplane::core
