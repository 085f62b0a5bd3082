// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Those who listen to a box: a page of Odoo with its long polls, and a client of the box's own
// stream of events.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/box_process.hpp"

namespace backplane::tests {

using Fits = std::function<bool(const json::object&)>;

/// The text at the end of a path of members, or empty.
std::string text_at(const json::object& object, std::initializer_list<std::string_view> path);

/// A page as the browser client of Odoo keeps it: a session of its own, one poll after the other,
/// each with the time of the last event. Thread: the caller's; a poll without an event ends with
/// the patience of the call, as a page that is reloaded ends it, and what comes in between is in
/// the next one.
class OdooPage {
public:
    OdooPage(const BoxProcess& box, std::string session, std::vector<std::string> devices,
             std::string route = "/iot_drivers/event");
    ~OdooPage();
    OdooPage(OdooPage&&) noexcept;

    /// The next event for this page, or nothing.
    std::optional<json::object> next(std::chrono::milliseconds patience = 10s);
    /// The first of the next events that fits; all that came before it are in seen(). Throws when
    /// none comes.
    json::object wait_for(const Fits& fits, std::chrono::milliseconds limit = 10s);

    const std::vector<json::object>& seen() const { return seen_; }
    double last_event() const { return last_event_; }
    const std::string& session() const { return session_; }

private:
    const BoxProcess* box_;
    std::string session_;
    std::vector<std::string> devices_;
    std::string route_;
    double last_event_ = 0;
    std::vector<json::object> seen_;
    std::unique_ptr<httplib::Client> client_;
};

/// Writes down what GET /api/v1/events sends, in a thread of its own, from the moment of
/// construction.
class EventRecorder {
public:
    explicit EventRecorder(const BoxProcess& box, const std::string& last_event_id = "",
                           const std::string& query = "");
    ~EventRecorder();
    EventRecorder(const EventRecorder&) = delete;
    EventRecorder& operator=(const EventRecorder&) = delete;

    /// Hangs up; nothing is added after it.
    void stop();
    std::vector<json::object> events() const;
    std::vector<std::string> kinds() const;  ///< of all messages, as in "event:"
    std::uint64_t last_seq() const;          ///< of the last event; 0 before the first
    /// The first event after number `after` that fits, which may have come already. Throws when
    /// none comes.
    json::object wait_for(const Fits& fits, std::uint64_t after = 0,
                          std::chrono::milliseconds limit = 10s) const;
    /// Every weight that the box has told of this device: in events and in results of actions.
    std::vector<double> weights(std::string_view device) const;

private:
    void take(std::string_view bytes);

    std::unique_ptr<httplib::Client> client_;
    std::string unread_;
    mutable std::mutex mutex_;
    // guarded by mutex_
    bool begun_ = false;
    std::vector<json::object> events_;
    std::vector<std::string> kinds_;

    std::thread thread_;
};

// What an event of the stream is about.
bool is_weight(const json::object& event, std::string_view device, double kilograms);
bool is_condition(const json::object& event, std::string_view device, std::string_view condition);
bool is_state(const json::object& event, std::string_view device, std::string_view state);

}  // namespace backplane::tests
