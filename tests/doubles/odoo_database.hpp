// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an Odoo server knows, answers and was told, without its port: it stays when the server restarts.
//
// Thread: any. What was received is kept in the order in which it came, the last `remembered` of each kind.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doubles/answer.hpp"
#include "doubles/odoo_bus.hpp"
#include "doubles/pairing_service.hpp"

namespace backplane::tests {

struct ReceivedLog {
    std::string identifier;  ///< of the box
    int level = 0;           ///< 10 debug … 50 critical
    std::string line;
    bool chunked = false;  ///< how it came
};

struct OdooSettings {
    /// With more than one, a request belongs to none until X-Odoo-Database or the cookie of /web/login says so.
    std::vector<std::string> databases{"shop"};
    std::string series = "19.0";
    std::string token = "k3yOfTheShop-0042";
    std::string db_uuid = "0e6d8a52-77aa-11f0-8000-020000000001";
    std::string enterprise_code = "M1234567890";
    std::size_t remembered = 100'000;
};

class OdooDatabase {
public:
    using Patience = std::chrono::milliseconds;
    static constexpr Patience k_patience{20'000};

    explicit OdooDatabase(OdooSettings settings);
    virtual ~OdooDatabase() = default;
    OdooDatabase(const OdooDatabase&) = delete;
    OdooDatabase& operator=(const OdooDatabase&) = delete;

    const OdooSettings& settings() const noexcept { return settings_; }
    PairingService& pairing() noexcept { return pairing_; }
    CertificateService& certificates() noexcept { return certificates_; }

    // ---- answers ----

    /// What the database delivers at /iot/get_handlers from now on; empty: a database without handlers.
    void handlers(const Content& zip);
    /// The switch "automatic update" of the box in the database; on at first.
    void automatic_update(bool on);
    /// Of what handlers() delivers, without quotes.
    std::string etag() const;
    /// One for each of the next requests for handlers; they come behind what is still in the script.
    void script(std::vector<Answer> answers);
    /// The same for another route.
    void script(const std::string& path, std::vector<Answer> answers);
    /// Of /iot/box/<identifier>/display_url: a JSON map, or another text, which is itself the address.
    void display_answer(std::string body);
    /// A route of the test's own, before all others.
    void route(const std::string& path, std::function<Answer(const ReceivedRequest&)> answer);
    /// What /iot/setup results in instead of the channel; nothing: the channel again.
    void setup_result(std::optional<boost::json::value> result);
    /// Cookies mean nothing any more; WebSockets end with 4001.
    void expire_sessions();

    // ---- the bus ----

    /// To all boxes, unless the payload has iot_identifiers of its own. The id of the notification.
    std::int64_t notify(std::string_view type, boost::json::object payload = {});
    /// {"type", "payload"} as it is, also without iot_identifiers or with a payload that is no object.
    std::int64_t notify_raw(boost::json::value message, std::string channel = {});
    /// As bundle_changed comes: to everybody, and for no box in particular.
    std::int64_t broadcast(std::string_view type, boost::json::value payload);
    /// iot_action for one device; `data` is added, and may replace session_id and action_unique_id.
    std::int64_t notify_action(std::string_view device, std::string_view action,
                               boost::json::object data = {});
    OdooBus& bus() noexcept { return bus_; }
    std::string channel_of(const std::string& identifier) const;

    // ---- what was received ----

    /// For handlers: POST …/iot/get_handlers.
    std::vector<ReceivedRequest> requests() const;
    std::vector<ReceivedRequest> requests_to(const std::string& path) const;
    std::vector<ReceivedRequest> all_requests() const;
    /// False when there are still fewer (for handlers) after the limit.
    bool wait_for_requests(std::size_t count, Patience limit = k_patience) const;
    bool wait_for_requests_to(const std::string& path, std::size_t count,
                              Patience limit = k_patience) const;

    /// The params of each /iot/setup: {"iot_box", "devices"}.
    std::vector<boost::json::object> registrations() const;
    /// The first one, of those that have come or will, that is as it should be.
    std::optional<boost::json::object> wait_for_registration(
        const std::function<bool(const boost::json::object&)>& right = {},
        Patience limit = k_patience) const;
    /// Identifiers of all boxes that have registered.
    std::vector<std::string> boxes() const;

    /// The params of each /iot/box/send_websocket.
    std::vector<boost::json::object> replies() const;
    std::optional<boost::json::object> wait_for_reply(
        const std::function<bool(const boost::json::object&)>& right,
        Patience limit = k_patience) const;
    std::size_t reply_count() const;

    std::vector<ReceivedLog> logs() const;
    std::vector<boost::json::object> certificate_statuses() const;
    /// The lists of /iot/keyboard_layouts.
    std::vector<boost::json::value> keyboard_layouts() const;

    /// Waits until this is so; it is looked at again whenever something was received. It may ask all of the above.
    bool wait(const std::function<bool()>& reached, Patience limit = k_patience) const;

    /// Called with each request when it was answered, from the thread of its connection. For programs that show them.
    void on_request(std::function<void(const ReceivedRequest&, const Answer&)> seen);

protected:
    void note(const ReceivedRequest& request);
    Answer answer(const ReceivedRequest& request);
    /// The cookie or the header, as a request needs it that belongs to a database.
    bool belongs_to_a_database(const ReceivedRequest& request) const;
    void told(const ReceivedRequest& request, const Answer& answer) const;
    /// Something to wait for has happened.
    void changed() const;

    /// "http://127.0.0.1:40123"
    virtual std::string own_url() const = 0;
    /// There are new notifications.
    virtual void bus_changed() = 0;
    virtual void sessions_ended() = 0;

private:
    struct Session {
        std::string database;
        bool polls = false;
    };
    Answer answer_to_handlers(const ReceivedRequest& request);
    std::optional<Answer> scripted(const std::string& path);
    Answer answer_to_rpc(const ReceivedRequest& request);
    Answer answer_to_login(const ReceivedRequest& request);
    Answer answer_to_poll(const ReceivedRequest& request, const boost::json::value& id,
                          const boost::json::object& params);
    std::string new_session(std::string database);
    boost::json::object result_of(const std::string& path, const boost::json::object& params);
    void take_logs(const ReceivedRequest& request);
    Answer take_layouts(const ReceivedRequest& request);

    const OdooSettings settings_;
    PairingService pairing_;
    CertificateService certificates_;
    OdooBus bus_;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    // guarded by mutex_
    mutable std::uint64_t changes_ = 0;
    bool automatic_ = true;
    std::string delivered_;
    std::string display_answer_ = "{}";
    std::optional<boost::json::value> setup_result_;
    std::map<std::string, std::deque<Answer>> scripts_;
    std::map<std::string, std::function<Answer(const ReceivedRequest&)>> routes_;
    std::map<std::string, Session> sessions_;
    std::uint64_t sessions_made_ = 0, actions_made_ = 0;
    std::deque<ReceivedRequest> requests_;
    std::map<std::string, std::size_t> request_counts_;
    std::deque<boost::json::object> registrations_, replies_, certificate_statuses_;
    std::size_t reply_count_ = 0;
    std::vector<std::string> boxes_;
    std::deque<ReceivedLog> logs_;
    std::deque<boost::json::value> layouts_;
    std::function<void(const ReceivedRequest&, const Answer&)> seen_;
};

}  // namespace backplane::tests
