// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What tests set and look at. The answers to requests are in odoo_routes.cpp.
#include "doubles/odoo_database.hpp"

#include <algorithm>
#include <utility>

namespace backplane::tests {

namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::string_view k_handlers = "/iot/get_handlers";

template <class T>
std::vector<T> copy_of(const std::deque<T>& all) {
    return {all.begin(), all.end()};
}

}  // namespace

OdooDatabase::OdooDatabase(OdooSettings settings)
    : settings_(std::move(settings)),
      pairing_([this] {
          return PairingGift{own_url(), settings_.token, settings_.db_uuid,
                             settings_.enterprise_code};
      }),
      bus_("iot_channel-") {}

// ---- answers ------------------------------------------------------------------------------------

void OdooDatabase::handlers(const Content& zip) {
    const std::lock_guard lock(mutex_);
    delivered_ = zip.bytes();
}

void OdooDatabase::automatic_update(bool on) {
    const std::lock_guard lock(mutex_);
    automatic_ = on;
}

std::string OdooDatabase::etag() const {
    const std::lock_guard lock(mutex_);
    return etag_of(delivered_);
}

void OdooDatabase::script(std::vector<Answer> answers) {
    script(std::string(k_handlers), std::move(answers));
}

void OdooDatabase::script(const std::string& path, std::vector<Answer> answers) {
    const std::lock_guard lock(mutex_);
    for (auto& answer : answers) scripts_[path].push_back(std::move(answer));
}

void OdooDatabase::display_answer(std::string body) {
    const std::lock_guard lock(mutex_);
    display_answer_ = std::move(body);
}

void OdooDatabase::route(const std::string& path,
                         std::function<Answer(const ReceivedRequest&)> answer) {
    const std::lock_guard lock(mutex_);
    routes_[path] = std::move(answer);
}

void OdooDatabase::setup_result(std::optional<json::value> result) {
    const std::lock_guard lock(mutex_);
    setup_result_ = std::move(result);
}

void OdooDatabase::expire_sessions() {
    {
        const std::lock_guard lock(mutex_);
        sessions_.clear();
    }
    sessions_ended();
}

void OdooDatabase::on_request(std::function<void(const ReceivedRequest&, const Answer&)> seen) {
    const std::lock_guard lock(mutex_);
    seen_ = std::move(seen);
}

// ---- the bus ------------------------------------------------------------------------------------

std::int64_t OdooDatabase::notify_raw(json::value message, std::string channel) {
    const std::int64_t id = bus_.add(std::move(channel), std::move(message));
    bus_changed();
    return id;
}

std::int64_t OdooDatabase::notify(std::string_view type, json::object payload) {
    if (!payload.contains("iot_identifiers")) {
        json::array identifiers;
        for (const auto& box : boxes()) identifiers.emplace_back(box);
        payload["iot_identifiers"] = std::move(identifiers);
    }
    return notify_raw(json::object{{"type", type}, {"payload", std::move(payload)}});
}

std::int64_t OdooDatabase::broadcast(std::string_view type, json::value payload) {
    return notify_raw(json::object{{"type", type}, {"payload", std::move(payload)}}, "broadcast");
}

std::int64_t OdooDatabase::notify_action(std::string_view device, std::string_view action,
                                         json::object data) {
    json::object payload;
    {
        const std::lock_guard lock(mutex_);
        payload["action_unique_id"] = "double-" + std::to_string(++actions_made_);
    }
    payload["device_identifiers"] = json::array{device};
    payload["session_id"] = "session-of-the-double";
    payload["action"] = action;
    for (auto& [name, value] : data) payload[name] = std::move(value);
    return notify("iot_action", std::move(payload));
}

std::string OdooDatabase::channel_of(const std::string& identifier) const {
    return bus_.channel_of(identifier);
}

// ---- what was received --------------------------------------------------------------------------

std::vector<ReceivedRequest> OdooDatabase::requests() const {
    const std::lock_guard lock(mutex_);
    std::vector<ReceivedRequest> found;
    std::copy_if(requests_.begin(), requests_.end(), std::back_inserter(found),
                 [](const auto& request) { return request.path.ends_with(k_handlers); });
    return found;
}

std::vector<ReceivedRequest> OdooDatabase::requests_to(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    std::vector<ReceivedRequest> found;
    std::copy_if(requests_.begin(), requests_.end(), std::back_inserter(found),
                 [&](const auto& request) { return request.path == path; });
    return found;
}

std::vector<ReceivedRequest> OdooDatabase::all_requests() const {
    const std::lock_guard lock(mutex_);
    return copy_of(requests_);
}

bool OdooDatabase::wait_for_requests(std::size_t count, Patience limit) const {
    return wait_for_requests_to(std::string(k_handlers), count, limit);
}

bool OdooDatabase::wait_for_requests_to(const std::string& path, std::size_t count,
                                        Patience limit) const {
    return wait(
        [&] {
            const std::lock_guard lock(mutex_);
            const auto found = request_counts_.find(path);
            return count == 0 || (found != request_counts_.end() && found->second >= count);
        },
        limit);
}

std::vector<json::object> OdooDatabase::registrations() const {
    const std::lock_guard lock(mutex_);
    return copy_of(registrations_);
}

std::optional<json::object> OdooDatabase::wait_for_registration(
    const std::function<bool(const json::object&)>& right, Patience limit) const {
    std::optional<json::object> found;
    wait(
        [&] {
            for (auto& one : registrations())
                if (!found && (!right || right(one))) found = std::move(one);
            return found.has_value();
        },
        limit);
    return found;
}

std::vector<std::string> OdooDatabase::boxes() const {
    const std::lock_guard lock(mutex_);
    return boxes_;
}

std::vector<json::object> OdooDatabase::replies() const {
    const std::lock_guard lock(mutex_);
    return copy_of(replies_);
}

std::optional<json::object> OdooDatabase::wait_for_reply(
    const std::function<bool(const json::object&)>& right, Patience limit) const {
    std::optional<json::object> found;
    std::size_t looked_at = 0;
    wait(
        [&] {
            const std::lock_guard lock(mutex_);
            // Counted from the first ever: the oldest may have been forgotten meanwhile.
            const std::size_t forgotten = reply_count_ - replies_.size();
            for (looked_at = std::max(looked_at, forgotten); looked_at < reply_count_; ++looked_at)
                if (const auto& one = replies_[looked_at - forgotten]; right(one)) {
                    found = one;
                    return true;
                }
            return false;
        },
        limit);
    return found;
}

std::size_t OdooDatabase::reply_count() const {
    const std::lock_guard lock(mutex_);
    return reply_count_;
}

std::vector<ReceivedLog> OdooDatabase::logs() const {
    const std::lock_guard lock(mutex_);
    return copy_of(logs_);
}

std::vector<json::object> OdooDatabase::certificate_statuses() const {
    const std::lock_guard lock(mutex_);
    return copy_of(certificate_statuses_);
}

std::vector<json::value> OdooDatabase::keyboard_layouts() const {
    const std::lock_guard lock(mutex_);
    return copy_of(layouts_);
}

bool OdooDatabase::wait(const std::function<bool()>& reached, Patience limit) const {
    const auto until = Clock::now() + limit;
    for (;;) {
        std::uint64_t seen = 0;
        {
            const std::lock_guard lock(mutex_);
            seen = changes_;
        }
        if (reached()) return true;
        std::unique_lock lock(mutex_);
        if (!changed_.wait_until(lock, until, [&] { return changes_ != seen; })) return false;
    }
}

void OdooDatabase::changed() const {
    {
        const std::lock_guard lock(mutex_);
        ++changes_;
    }
    changed_.notify_all();
}

void OdooDatabase::told(const ReceivedRequest& request, const Answer& answer) const {
    std::function<void(const ReceivedRequest&, const Answer&)> seen;
    {
        const std::lock_guard lock(mutex_);
        seen = seen_;
    }
    if (seen) seen(request, answer);
}

}  // namespace backplane::tests
