// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The long poll of /iot_drivers/event: one event per answer, each listener with a cursor of its own
// on the ring.
//
// A page is a session. It polls with the time of the last event that it got and gets the next one
// it listens to; times strictly grow, so one names one event. What it has listened to since its
// previous poll it gets completely, as far back as the ring goes; what is new to it only from the
// last 5 s. A session that waits is never dropped; one that does not poll for 70 s is. Every
// waiting poll hears of an event in the moment in which it is published.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backplane/sync/browser.hpp"
#include "browser/delayed_answers.hpp"
#include "browser/event_owners.hpp"
#include "browser/json_rpc.hpp"

namespace backplane::sync {

class EventPolls : public std::enable_shared_from_this<EventPolls> {
public:
    static constexpr std::chrono::milliseconds k_wait{50'000};
    static constexpr std::chrono::milliseconds k_remember{70'000};
    static constexpr std::chrono::milliseconds k_replay{5'000};
    static constexpr std::size_t k_sessions = 1024;
    static constexpr std::size_t k_devices = 256;
    static constexpr std::size_t k_name_bytes = 256;

    EventPolls(const core::EventRing& ring, TimerFactory timer, std::function<BoxInfo()> box,
               const EventOwners& owners, DelayedAnswers& delayed);
    ~EventPolls();  ///< answers those who wait
    EventPolls(const EventPolls&) = delete;
    EventPolls& operator=(const EventPolls&) = delete;

    void poll(const core::HttpExchangePtr& exchange, RpcCall call);

    /// For each event of the ring as it is published, after `owners` has noted it.
    void on_event(const core::Event& event);

    std::size_t sessions() const noexcept { return sessions_.size(); }
    std::size_t waiting() const noexcept;

private:
    struct Listener;
    struct Session {
        /// What it listens to → the last event that it does not get of that, however old its cursor
        /// is.
        std::map<std::string, core::EventSeq, std::less<>> floors;
        core::HttpExchangePtr waiting;  ///< null between polls
        boost::json::value rpc_id;      ///< of the waiting poll
        std::uint64_t poll = 0;       ///< tells callbacks of an earlier poll from those of this one
        core::Subscription timer;     ///< ends the waiting poll; between polls, the session
        core::Subscription replaced;  ///< runs for a second after a poll was replaced
    };

    static core::Result<Listener> read_listener(const boost::json::object& params);
    bool make_room();
    void follow(Session& session, const std::vector<std::string>& devices) const;
    core::EventPtr next_event(const Session& session, double last_event) const;
    /// The name by which the session listens to the device of this event, or null.
    const std::string* key_for(const Session& session, const core::Event& event) const;
    core::HttpResponse response_for(const core::Event& event, const std::string& key,
                                    const std::string& session_id,
                                    const boost::json::value& rpc_id) const;
    void wait(const std::string& id, Session& session, const core::HttpExchangePtr& exchange,
              boost::json::value rpc_id);
    void rest(const std::string& id, Session& session);
    Session* waiting_session(const std::string& id, std::uint64_t poll);
    void client_gone(const std::string& id, std::uint64_t poll);
    void wait_over(const std::string& id, std::uint64_t poll);

    const core::EventRing& ring_;
    TimerFactory timer_;
    std::function<BoxInfo()> box_;
    std::string box_identifier_;  ///< as of the last poll or event of the box
    const EventOwners& owners_;
    DelayedAnswers& delayed_;
    std::unordered_map<std::string, Session> sessions_;
    std::uint64_t last_poll_ = 0;
};

}  // namespace backplane::sync
