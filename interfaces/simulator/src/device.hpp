// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What every simulated device has in common, whatever its kind and its transport.
//
// A new kind is a class with this interface and one line in device_kinds() of simulator.cpp. It
// runs on the host's loop: no threads, no waiting.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/host.hpp"

namespace backplane::simulator {

class SimulatedDevice {
public:
    virtual ~SimulatedDevice() = default;

    /// As a bus would report it, without "key", "identifier", "stable_id"; nullopt while it is
    /// unplugged.
    virtual std::optional<sdk::json::object> descriptor() const = 0;

    /// All members that set() knows, and what can be observed beside them.
    virtual sdk::json::object state() const = 0;

    /// Some members of the state. All or nothing: throws sdk::Failure with a text for people, then
    /// nothing has changed.
    virtual void set(const sdk::json::object& change) = 0;
};

/// The beginning of a text that somebody else chose, for messages: never half a character.
std::string shortened(std::string_view text);

/// The members of one change, read with the checks that each kind of device would otherwise write
/// itself.
class Change {
public:
    /// The object outlives this one. `opening` begins each refusal.
    explicit Change(const sdk::json::object& members, std::string opening = {})
        : members_(members), opening_(std::move(opening)) {}

    // Each leaves `value` alone when the member is absent, and throws sdk::Failure when it is of
    // another type.
    void read(const char* member, bool& value);
    void read(const char* member, double& value, double least, double most, const char* hint = "");
    void read(const char* member, std::int64_t& value, std::int64_t least, std::int64_t most);

    /// Call last: throws sdk::Failure when there are members that nobody has read, and names those
    /// that exist.
    void no_others() const;

private:
    const sdk::json::value* find(const char* member);
    [[noreturn]] void refuse(const char* member, const sdk::json::value& value,
                             const std::string& wanted) const;

    const sdk::json::object& members_;
    const std::string opening_;
    std::vector<std::string> known_;
};

}  // namespace backplane::simulator
