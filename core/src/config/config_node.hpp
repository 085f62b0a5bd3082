// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A configuration file as a tree in which every value knows its line. What the YAML library knows
// ends here.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core {

constexpr std::size_t k_config_depth = 16;

struct ConfigMember;

struct ConfigNode {
    enum class Kind { nothing, scalar, list, map };

    Kind kind = Kind::nothing;
    std::string text;     ///< of a scalar, as written
    bool quoted = false;  ///< of a scalar: text, whatever it looks like
    std::vector<ConfigNode> items;
    std::vector<ConfigMember> members;  ///< in the order of the file; keys are unique
    ConfigOrigin origin;
};

struct ConfigMember {
    std::string key;
    ConfigOrigin origin;
    ConfigNode value;
};

/// `later` over `base`: maps key by key, anything else replaces. An empty value over a map changes
/// nothing.
void merge(ConfigNode& base, ConfigNode later);

/// Scalars by the core schema of YAML 1.2 (so `yes` and `0755` are text and a decimal number).
/// Fails on numbers that JSON or 64 bits cannot hold. `path` is for the message.
Result<boost::json::value> to_json(const ConfigNode& node, const std::string& path);

/// `99999`, `"fast"`, `a list`, `nothing`: what somebody wrote, in one short line.
std::string describe(const ConfigNode& node);
std::string describe(const boost::json::value& value);

/// One error of the configuration: `backplane.yaml:7: http.port: 99999 is not a port`.
Unexpected<Error> config_failure(std::string code, const ConfigOrigin& origin,
                                 const std::string& path, const std::string& what);

}  // namespace backplane::core
