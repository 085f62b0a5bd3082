// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Devices as the rest of the world sees them: listed, asked, told.
//
// Purpose: what server_sync, the HTTP API and the CLI need of the registry, without knowing how devices come about.
// Thread: the main loop's.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core {

enum class DeviceState {
    discovered,
    probing,
    opening,
    ready,
    unreachable,
    quiescing,
    gone,
    unsupported
};
std::string_view to_string(DeviceState state) noexcept;

/// One device as of now; a copy, so it may be kept.
struct DeviceInfo {
    std::string
        identifier;  ///< the public name that clients use, such as "/dev/ttyUSB0"; unique in the box
    std::string stable_id;  ///< the same physical device after re-plugging or a restart
    std::string key;        ///< its name at the interface
    std::string interface;  ///< name of the interface plug-in that found it
    std::string bus;        ///< "serial", "usb", …
    std::string address;    ///< where it is now
    std::string driver;     ///< name of the driver plug-in, empty while nobody serves it
    std::string driver_version;
    std::string type;  ///< "scale", "printer", …; "unsupported" when no driver serves it
    std::string subtype;
    std::string connection;  ///< "serial", "direct", "network", …
    std::string name;
    std::string manufacturer;
    std::string model;
    DeviceState state = DeviceState::discovered;
    std::string reason;                             ///< why it is in this state, for people
    std::chrono::system_clock::time_point since{};  ///< when it came into this state
    boost::json::object properties;                 ///< of the descriptor
    boost::json::object last_event;  ///< data of its last event, empty before the first
    std::string last_event_name;
    double last_event_time = 0;
};

/// An action for a device: from a browser, the WebSocket, the CLI.
struct ActionRequest {
    std::string device;  ///< identifier, or a device type: then the first device of that type
    std::string name;    ///< "read_once"; may be empty
    boost::json::object data;
    std::vector<std::uint8_t> payload;
    std::string session;  ///< who asks
    std::string
        unique_id;  ///< asks the box to run this id once only; empty = no such promise wanted
    std::chrono::milliseconds deadline{10'000};
};

/// How an action ended. Exactly one for each accepted action.
struct ActionOutcome {
    enum class Status { success, error, duplicate, disconnected };
    Status status = Status::error;
    boost::json::value result;
    std::string message;  ///< of an error, for people
    std::string
        code;  ///< of an error, for programs: "action.timeout", "action.queue_full", "driver.BUSY"
    std::string device;  ///< identifier of the device that was meant
};
std::string_view to_string(ActionOutcome::Status status) noexcept;

/// Calls back exactly once, never before act() has returned.
using ActionDone = std::function<void(ActionOutcome)>;

class Devices {
public:
    virtual ~Devices() = default;

    /// All of them, unsupported ones included, in the order in which they appeared.
    virtual std::vector<DeviceInfo> list() const = 0;

    /// By identifier; failing that, the first device of this type that is not unsupported.
    virtual std::optional<DeviceInfo> find(std::string_view identifier_or_type) const = 0;

    /// Put the action into the queue of its device. An unknown device, a full queue, a duplicate and a deadline are
    /// outcomes, not errors of this call.
    virtual void act(ActionRequest request, ActionDone done) = 0;

    /// A request to an interface plug-in itself (the simulator's devices are set this way).
    virtual void act_on_interface(std::string_view interface, std::string name,
                                  boost::json::object data, ActionDone done) = 0;
};

}  // namespace backplane::core
