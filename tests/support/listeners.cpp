// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/listeners.hpp"

#include <httplib.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace backplane::tests {

namespace {

const json::object* object_in(const json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    return value ? value->if_object() : nullptr;
}

std::string listed(const std::vector<json::object>& events) {
    std::string text;
    const std::size_t first = events.size() > 20 ? events.size() - 20 : 0;
    for (std::size_t i = first; i < events.size(); ++i) text += "\n  " + json::serialize(events[i]);
    return text.empty() ? "\n  nothing" : text;
}

}  // namespace

std::string text_at(const json::object& object, std::initializer_list<std::string_view> path) {
    const json::object* at = &object;
    for (const auto* name = path.begin(); name + 1 < path.end() && at; ++name)
        at = object_in(*at, *name);
    const auto* value = at ? at->if_contains(*(path.end() - 1)) : nullptr;
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// ---- a page -------------------------------------------------------------------------------------

OdooPage::OdooPage(const BoxProcess& box, std::string session, std::vector<std::string> devices,
                   std::string route)
    : box_(&box),
      session_(std::move(session)),
      devices_(std::move(devices)),
      route_(std::move(route)),
      client_(std::make_unique<httplib::Client>("127.0.0.1", box.port())) {
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
}
OdooPage::~OdooPage() = default;
OdooPage::OdooPage(OdooPage&&) noexcept = default;

std::optional<json::object> OdooPage::next(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience * k_patience;
    json::object devices;
    for (const std::string& device : devices_)
        devices[device] = {{"listener_id", "listener-1"}, {"device_identifier", device}};
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left <= 0ms) return std::nullopt;
        client_->set_read_timeout(left.count() / 1000,
                                  static_cast<long>(left.count() % 1000) * 1000);
        // With all that the client adds to it, of which a box needs the half.
        const json::object body{{"params",
                                 {{"listener",
                                   {{"session_id", session_},
                                    {"last_event", last_event_},
                                    {"devices", devices},
                                    {"abortController", json::object{}}}}}}};
        const auto answer =
            client_->Post(route_.c_str(), json::serialize(body), "application/json");
        if (!answer) return std::nullopt;
        const json::value envelope = json::parse(answer->body);
        if (const auto* error = envelope.as_object().if_contains("error"))
            throw std::runtime_error("the box refuses the poll: " + json::serialize(*error));
        const json::object* result = object_in(envelope.as_object(), "result");
        if (!result || text_at(*result, {"session_id"}) != session_) continue;
        last_event_ = result->at("time").to_number<double>();
        seen_.push_back(*result);
        return *result;
    }
}

json::object OdooPage::wait_for(const Fits& fits, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit * k_patience;
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        auto event = left > 0ms ? next(left) : std::nullopt;
        if (!event)
            throw std::runtime_error("page " + session_ + " did not get its event; it got" +
                                     listed(seen_));
        if (fits(*event)) return *event;
    }
}

// ---- the stream ---------------------------------------------------------------------------------

EventRecorder::EventRecorder(const BoxProcess& box, const std::string& last_event_id,
                             const std::string& query)
    : client_(std::make_unique<httplib::Client>("127.0.0.1", box.port())) {
    client_->set_read_timeout(120);
    httplib::Headers headers;
    if (!last_event_id.empty()) headers.emplace("Last-Event-ID", last_event_id);
    thread_ = std::thread([this, headers, path = "/api/v1/events" + query] {
        client_->Get(path.c_str(), headers, [this](const char* bytes, std::size_t count) {
            take({bytes, count});
            return true;
        });
    });
    const bool begun = eventually([this] {
        const std::lock_guard lock{mutex_};
        return begun_;
    });
    if (!begun) {
        stop();
        throw std::runtime_error("the box does not send its stream of events");
    }
}

EventRecorder::~EventRecorder() {
    stop();
}

void EventRecorder::stop() {
    if (!thread_.joinable()) return;
    client_->stop();
    thread_.join();
}

void EventRecorder::take(std::string_view bytes) {
    unread_ += bytes;
    const std::lock_guard lock{mutex_};
    begun_ = true;
    for (std::size_t end; (end = unread_.find("\n\n")) != std::string::npos;
         unread_.erase(0, end + 2)) {
        std::string kind, data;
        std::string_view block = std::string_view(unread_).substr(0, end);
        while (!block.empty()) {
            const std::string_view line = block.substr(0, block.find('\n'));
            block.remove_prefix(std::min(block.size(), line.size() + 1));
            if (line.starts_with("event: ")) kind = line.substr(7);
            if (line.starts_with("data: ")) data = line.substr(6);
        }
        if (kind.empty()) continue;
        kinds_.push_back(kind);
        if (kind != "gap") events_.push_back(json::parse(data).as_object());
    }
}

std::vector<json::object> EventRecorder::events() const {
    const std::lock_guard lock{mutex_};
    return events_;
}

std::vector<std::string> EventRecorder::kinds() const {
    const std::lock_guard lock{mutex_};
    return kinds_;
}

std::uint64_t EventRecorder::last_seq() const {
    const std::lock_guard lock{mutex_};
    return events_.empty() ? 0 : events_.back().at("seq").to_number<std::uint64_t>();
}

json::object EventRecorder::wait_for(const Fits& fits, std::uint64_t after,
                                     std::chrono::milliseconds limit) const {
    std::optional<json::object> found;
    const bool came = eventually(
        [&] {
            const std::lock_guard lock{mutex_};
            for (const auto& event : events_)
                if (event.at("seq").to_number<std::uint64_t>() > after && fits(event)) {
                    found = event;
                    return true;
                }
            return false;
        },
        limit);
    if (!came)
        throw std::runtime_error("the event did not come; the last that came:" + listed(events()));
    return *found;
}

std::vector<double> EventRecorder::weights(std::string_view device) const {
    std::vector<double> out;
    for (const auto& event : events()) {
        if (text_at(event, {"device"}) != device) continue;
        const json::object* reading = object_in(event, "data");
        if (const json::object* action = object_in(event, "action"))
            if (const json::object* result = object_in(*action, "result")) reading = result;
        if (const auto weight = reading ? number_in(*reading, "weight") : std::nullopt)
            out.push_back(*weight);
    }
    return out;
}

bool is_weight(const json::object& event, std::string_view device, double kilograms) {
    const json::object* data = object_in(event, "data");
    if (text_at(event, {"kind"}) != "device_event" || text_at(event, {"device"}) != device || !data)
        return false;
    const auto weight = number_in(*data, "weight");
    return weight && std::abs(*weight - kilograms) < 1e-9;
}

bool is_condition(const json::object& event, std::string_view device, std::string_view condition) {
    return text_at(event, {"kind"}) == "device_event" && text_at(event, {"device"}) == device &&
           text_at(event, {"data", "condition"}) == condition;
}

bool is_state(const json::object& event, std::string_view device, std::string_view state) {
    return text_at(event, {"kind"}) == "device_state" && text_at(event, {"device"}) == device &&
           text_at(event, {"data", "state"}) == state;
}

}  // namespace backplane::tests
