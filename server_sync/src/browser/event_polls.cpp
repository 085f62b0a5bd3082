// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/event_polls.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

#include "browser/dialect.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::Event;
using core::EventPtr;
using core::EventSeq;

namespace {

// A time comes back as text, and reading it may be off by the last binary digit (0.24 µs). The ring
// keeps neighbours 1 µs apart, so half of that names the right event.
constexpr double k_time_tolerance = 5e-7;

}  // namespace

struct EventPolls::Listener {
    std::string session_id;
    double last_event = 0;
    std::vector<std::string> devices;
};

core::Result<EventPolls::Listener> EventPolls::read_listener(const json::object& params) {
    const auto* member = params.if_contains("listener");
    if (member == nullptr)
        return core::failure("rpc.missing", "the parameter \"listener\" is missing");
    const auto* object = member->if_object();
    if (object == nullptr)
        return core::failure("rpc.type", "the parameter \"listener\" must be an object");

    Listener listener;
    auto session_id = text_param(*object, "session_id", k_name_bytes);
    if (!session_id)
        return core::failure(session_id.error().code,
                             "in \"listener\", " + session_id.error().text);
    listener.session_id = *std::move(session_id);

    if (const auto* last = object->if_contains("last_event"); last != nullptr && !last->is_null()) {
        if (!last->is_number())
            return core::failure("rpc.type",
                                 "in \"listener\", \"last_event\" must be a number: the "
                                 "time of the last event, or 0");
        listener.last_event = last->is_double()  ? last->get_double()
                              : last->is_int64() ? static_cast<double>(last->get_int64())
                                                 : static_cast<double>(last->get_uint64());
    }

    const auto* devices = object->if_contains("devices");
    if (devices == nullptr)
        return core::failure("rpc.missing",
                             "in \"listener\", the parameter \"devices\" is missing");
    if (const auto* by_name = devices->if_object()) {
        for (const auto& entry : *by_name) listener.devices.emplace_back(entry.key());
    } else if (const auto* names = devices->if_array()) {
        for (const auto& name : *names) {
            if (!name.is_string())
                return core::failure("rpc.type",
                                     "in \"listener\", \"devices\" as a list must hold "
                                     "identifiers");
            listener.devices.emplace_back(name.get_string());
        }
    } else {
        return core::failure("rpc.type",
                             "in \"listener\", \"devices\" must be an object whose "
                             "members are identifiers or device types");
    }
    if (listener.devices.size() > k_devices)
        return core::failure("rpc.too_many",
                             "the listener names " + std::to_string(listener.devices.size()) +
                                 " devices, one poll takes at most " + std::to_string(k_devices));
    for (const auto& name : listener.devices)
        if (name.size() > k_name_bytes)
            return core::failure("rpc.too_long", "an identifier in \"devices\" is longer than " +
                                                     std::to_string(k_name_bytes) + " bytes");
    return listener;
}

EventPolls::EventPolls(const core::EventRing& ring, TimerFactory timer,
                       std::function<BoxInfo()> box, const EventOwners& owners,
                       DelayedAnswers& delayed)
    : ring_(ring),
      timer_(std::move(timer)),
      box_(std::move(box)),
      owners_(owners),
      delayed_(delayed) {}

EventPolls::~EventPolls() {
    guarded("end of the polls", [this] {
        for (auto& [id, session] : sessions_)
            if (auto exchange = std::exchange(session.waiting, nullptr))
                exchange->respond(rpc_result(session.rpc_id, nullptr));
    })();
}

std::size_t EventPolls::waiting() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(sessions_.begin(), sessions_.end(),
                      [](const auto& entry) { return entry.second.waiting != nullptr; }));
}

void EventPolls::poll(const core::HttpExchangePtr& exchange, RpcCall call) {
    auto listener = read_listener(call.params);
    if (!listener) return delayed_.send(exchange, rpc_bad_params(call.id, listener.error().text));
    const std::string& id = listener->session_id;

    auto found = sessions_.find(id);
    if (found == sessions_.end()) {
        if (!make_room())
            return delayed_.send(
                exchange,
                rpc_user_error(call.id, "This box already serves " + std::to_string(k_sessions) +
                                            " pages: close some that are not needed."));
        found = sessions_.try_emplace(id).first;
    }
    Session& session = found->second;
    const auto replaced = std::exchange(session.waiting, nullptr);
    auto replaced_response = replaced ? rpc_result(session.rpc_id, nullptr) : core::HttpResponse{};
    // One page replaces its poll when it adds a listener. Two that share a session id (one box
    // under two addresses) would replace each other for ever, at full speed: the second time within
    // a second is answered later.
    const bool replaced_again = static_cast<bool>(session.replaced);
    if (replaced && !replaced_again)
        session.replaced = timer_(DelayedAnswers::k_delay, guarded("replaced poll", [this, id] {
                                      if (const auto it = sessions_.find(id); it != sessions_.end())
                                          it->second.replaced.reset();
                                  }));

    box_identifier_ = box_().identifier;
    follow(session, listener->devices);
    const EventPtr event = next_event(session, listener->last_event);
    std::optional<core::HttpResponse> response;
    if (event) {
        response = response_for(*event, *key_for(session, *event), id, call.id);
        rest(id, session);
    } else {
        wait(id, session, exchange, std::move(call.id));
    }

    // Last, since an answer may bring in the next request of its connection.
    if (replaced && replaced_again) delayed_.send(replaced, std::move(replaced_response));
    if (replaced && !replaced_again) replaced->respond(std::move(replaced_response));
    if (response) exchange->respond(*std::move(response));
}

bool EventPolls::make_room() {
    if (sessions_.size() < k_sessions) return true;
    // The one that polled longest ago. A linear search, but only of a box that is being flooded.
    auto oldest = sessions_.end();
    for (auto it = sessions_.begin(); it != sessions_.end(); ++it)
        if (!it->second.waiting &&
            (oldest == sessions_.end() || it->second.poll < oldest->second.poll))
            oldest = it;
    if (oldest == sessions_.end()) return false;
    sessions_.erase(oldest);
    return true;
}

void EventPolls::follow(Session& session, const std::vector<std::string>& devices) const {
    const EventSeq recent = ring_.seq_older_than(k_replay);
    std::map<std::string, EventSeq, std::less<>> floors;
    for (const auto& device : devices) {
        const auto known = session.floors.find(device);
        floors.emplace(device, known != session.floors.end() ? known->second : recent);
    }
    session.floors = std::move(floors);
}

EventPtr EventPolls::next_event(const Session& session, double last_event) const {
    if (session.floors.empty() || ring_.last_seq() == 0) return nullptr;
    EventSeq after = 0;
    // A cursor from the future is not ours: the page got it before the box restarted with a clock
    // that is behind. Taking it at its word would silence the page until the clock has caught up.
    if (last_event <= ring_.now() + k_time_tolerance)
        after = ring_.seq_at_time(last_event + k_time_tolerance);
    const auto lowest =
        std::min_element(session.floors.begin(), session.floors.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return ring_.first_after(std::max(after, lowest->second), [&](const Event& event) {
        const auto* key = key_for(session, event);
        return key != nullptr && event.seq > session.floors.find(*key)->second &&
               is_for_listeners(event);
    });
}

const std::string* EventPolls::key_for(const Session& session, const Event& event) const {
    const bool of_box = event.kind == Event::Kind::box;
    auto found = session.floors.find(of_box ? box_identifier_ : event.device_identifier);
    if (found == session.floors.end() && !of_box && !event.device_type.empty())
        found = session.floors.find(event.device_type);
    return found == session.floors.end() ? nullptr : &found->first;
}

core::HttpResponse EventPolls::response_for(const Event& event, const std::string& key,
                                            const std::string& session_id,
                                            const json::value& rpc_id) const {
    return rpc_result(rpc_id, event_for_listener(event, key, session_id, owners_.owner_of(event)));
}

void EventPolls::wait(const std::string& id, Session& session,
                      const core::HttpExchangePtr& exchange, json::value rpc_id) {
    session.waiting = exchange;
    session.rpc_id = std::move(rpc_id);
    const auto poll = session.poll = ++last_poll_;
    session.timer =
        timer_(k_wait, guarded("end of a poll", [this, id, poll] { wait_over(id, poll); }));
    exchange->on_gone(guarded("client gone", [weak = weak_from_this(), id, poll] {
        if (const auto self = weak.lock()) self->client_gone(id, poll);
    }));
}

void EventPolls::rest(const std::string& id, Session& session) {
    session.waiting = nullptr;
    const auto poll = session.poll = ++last_poll_;
    session.timer = timer_(k_remember, guarded("end of a session", [this, id, poll] {
                               const auto it = sessions_.find(id);
                               if (it != sessions_.end() && it->second.poll == poll)
                                   sessions_.erase(it);
                           }));
}

EventPolls::Session* EventPolls::waiting_session(const std::string& id, std::uint64_t poll) {
    const auto it = sessions_.find(id);
    if (it == sessions_.end() || it->second.poll != poll || !it->second.waiting) return nullptr;
    return &it->second;
}

void EventPolls::client_gone(const std::string& id, std::uint64_t poll) {
    if (Session* const session = waiting_session(id, poll)) rest(id, *session);
}

void EventPolls::wait_over(const std::string& id, std::uint64_t poll) {
    Session* const session = waiting_session(id, poll);
    if (session == nullptr) return;
    const auto exchange = session->waiting;
    auto response = rpc_result(session->rpc_id, nullptr);
    rest(id, *session);
    exchange->respond(std::move(response));
}

void EventPolls::on_event(const Event& event) {
    if (!is_for_listeners(event)) return;
    if (event.kind == Event::Kind::box) box_identifier_ = box_().identifier;
    // First who gets it, then the answers: an answer may bring in the next poll, which changes the
    // table.
    std::vector<std::pair<std::string, std::uint64_t>> listeners;
    for (const auto& [id, session] : sessions_)
        if (session.waiting && key_for(session, event) != nullptr)
            listeners.emplace_back(id, session.poll);
    auto answer = guarded("answer to a poll", [&](const std::string& id, std::uint64_t poll) {
        Session* const session = waiting_session(id, poll);
        if (session == nullptr) return;
        const auto exchange = session->waiting;
        auto response = response_for(event, *key_for(*session, event), id, session->rpc_id);
        rest(id, *session);
        exchange->respond(std::move(response));
    });
    for (const auto& [id, poll] : listeners)
        answer(id, poll);  // one that fails costs the others nothing
}

}  // namespace backplane::sync
