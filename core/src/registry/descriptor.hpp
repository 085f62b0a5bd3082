// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The descriptor of a device, checked and typed (docs/reference/descriptor.md). It comes from a plug-in, so nothing in it
// is believed before it was looked at.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>

#include "backplane/core/result.hpp"

namespace backplane::core {

struct OpenSpec {
    enum class Kind { none, device_node, tcp, fd };
    Kind kind = Kind::none;
    std::string path;        ///< of a device_node
    std::string host;        ///< of tcp
    std::uint16_t port = 0;  ///< of tcp
    bool operator==(const OpenSpec&) const = default;
};

struct Descriptor {
    std::string key;
    std::string bus;
    std::string address;
    std::string identifier;
    std::string stable_id;
    std::string connection;
    std::string name;
    std::string manufacturer;
    std::string model;
    bool no_probe = false;
    OpenSpec open;
    boost::json::object properties;
    boost::json::object raw;  ///< as the interface gave it; this is what a driver sees
};

Result<Descriptor> parse_descriptor(boost::json::object raw);

}  // namespace backplane::core
