// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box without a network, a device or a clock: what the tests of the browser routes share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backplane/sync/browser.hpp"

namespace backplane::sync::test {

namespace json = boost::json;
using namespace std::chrono_literals;

/// Time that passes only when it is told to, and the timers on it.
class FakeClock {
public:
    using Time = std::chrono::steady_clock::time_point;

    Time now() const { return now_; }

    TimerFactory timers() {
        return [this](std::chrono::milliseconds after, std::function<void()> callback) {
            auto entry = std::make_shared<Entry>(Entry{std::move(callback), true});
            entries_.emplace(now_ + after, entry);
            return core::Subscription([entry] { entry->alive = false; });
        };
    }

    void advance(std::chrono::milliseconds by) {
        const auto end = now_ + by;
        while (!entries_.empty() && entries_.begin()->first <= end) {
            const auto node = entries_.extract(entries_.begin());
            now_ = std::max(now_, node.key());
            if (std::exchange(node.mapped()->alive, false)) node.mapped()->callback();
        }
        now_ = end;
    }

    std::size_t running() const {
        return static_cast<std::size_t>(
            std::count_if(entries_.begin(), entries_.end(),
                          [](const auto& entry) { return entry.second->alive; }));
    }

private:
    struct Entry {
        std::function<void()> callback;
        bool alive;
    };
    Time now_{std::chrono::hours{1000}};
    std::multimap<Time, std::shared_ptr<Entry>> entries_;
};

class FakeExchange : public core::HttpExchange {
public:
    explicit FakeExchange(core::HttpRequest request) : request_(std::move(request)) {}

    const core::HttpRequest& request() const noexcept override { return request_; }
    void respond(core::HttpResponse response) override {
        ++answers;
        last = std::move(response);
        if (on_answer) on_answer();
    }
    void begin_stream(core::HttpResponse) override { ADD_FAILURE() << "no route streams"; }
    bool write(std::string) override { return false; }
    void close() override {}
    void on_gone(std::function<void()> gone) override { gone_ = std::move(gone); }

    void hang_up() {
        if (auto gone = std::exchange(gone_, nullptr)) gone();
    }
    bool answered() const { return answers > 0; }
    /// The answer; fails the test unless there is exactly one.
    const core::HttpResponse& response() const {
        EXPECT_EQ(answers, 1) << request_.path;
        return last;
    }
    json::object envelope() const {
        EXPECT_EQ(response().status, 200u) << response().body;
        return json::parse(response().body).as_object();
    }
    bool has_result() const { return envelope().contains("result"); }
    json::value result() const {
        const auto body = envelope();
        if (!body.contains("result")) {
            ADD_FAILURE() << "no result in " << response().body;
            return nullptr;
        }
        return body.at("result");
    }
    /// error.data.message
    std::string error_text() const {
        const auto body = envelope();
        if (!body.contains("error")) {
            ADD_FAILURE() << "no error in " << response().body;
            return {};
        }
        return std::string(body.at("error").at("data").at("message").as_string());
    }
    /// All headers of this name, joined; "" when there is none.
    std::string header(std::string_view name) const {
        std::string out;
        for (const auto& [key, value] : response().headers)
            if (key == name) out += (out.empty() ? "" : " + ") + value;
        return out;
    }

    int answers = 0;
    core::HttpResponse last;
    std::function<void()> on_answer;

private:
    core::HttpRequest request_;
    std::function<void()> gone_;
};
using FakeExchangePtr = std::shared_ptr<FakeExchange>;

/// Devices that answer when the test says so, never from inside act().
class FakeDevices : public core::Devices {
public:
    struct Asked {
        core::ActionRequest request;
        core::ActionDone done;
    };

    std::vector<core::DeviceInfo> list() const override { return devices; }
    std::optional<core::DeviceInfo> find(std::string_view name) const override {
        for (const auto& device : devices)
            if (device.identifier == name) return device;
        for (const auto& device : devices)
            if (device.type == name && device.state != core::DeviceState::unsupported)
                return device;
        return std::nullopt;
    }
    void act(core::ActionRequest request, core::ActionDone done) override {
        asked.push_back({std::move(request), std::move(done)});
    }
    void act_on_interface(std::string_view, std::string, json::object, core::ActionDone) override {
        ADD_FAILURE() << "browsers have no business with interfaces";
    }

    core::DeviceInfo& add(std::string identifier, std::string type,
                          std::string connection = "direct") {
        core::DeviceInfo device;
        device.identifier = std::move(identifier);
        device.type = std::move(type);
        device.connection = std::move(connection);
        device.name = "A " + device.type;
        device.state = core::DeviceState::ready;
        devices.push_back(std::move(device));
        return devices.back();
    }

    /// Ends the oldest action that has not ended.
    void end(core::ActionOutcome outcome) {
        ASSERT_FALSE(asked.empty()) << "nobody asked a device";
        auto oldest = std::move(asked.front());
        asked.pop_front();
        outcome.device = oldest.request.device;
        oldest.done(std::move(outcome));
    }
    void succeed(json::value result = nullptr) {
        core::ActionOutcome outcome;
        outcome.status = core::ActionOutcome::Status::success;
        outcome.result = std::move(result);
        end(std::move(outcome));
    }
    void fail(core::ActionOutcome::Status status, std::string code, std::string message) {
        core::ActionOutcome outcome;
        outcome.status = status;
        outcome.code = std::move(code);
        outcome.message = std::move(message);
        end(std::move(outcome));
    }

    std::vector<core::DeviceInfo> devices;
    std::deque<Asked> asked;
};

inline json::object weight(double kilograms) {
    return {{"weight", kilograms}, {"unit", "kg"}, {"condition", "ok"},
            {"stable", true},      {"net", false}, {"message", ""}};
}
inline json::object no_weight(std::string_view condition, std::string_view message) {
    return {{"unit", "kg"},
            {"condition", condition},
            {"stable", false},
            {"net", false},
            {"message", message}};
}
inline core::Event device_event(std::string identifier, std::string type, std::string name,
                                json::object data) {
    core::Event event;
    event.device_identifier = std::move(identifier);
    event.device_type = std::move(type);
    event.name = std::move(name);
    event.data = std::move(data);
    return event;
}
inline core::Event action_result(std::string identifier, std::string type, std::string session,
                                 std::string action, json::value result) {
    core::Event event = device_event(std::move(identifier), std::move(type), "action", {});
    event.kind = core::Event::Kind::action_result;
    event.action_session = std::move(session);
    event.action_name = std::move(action);
    event.action_status = "success";
    event.action_result = std::move(result);
    return event;
}

/// Updates that begin when the test says so.
class FakeUpdates : public core::Updates {
public:
    struct Asked {
        bool force;
        Done done;
    };

    core::UpdateReport report() const override { return {}; }
    std::vector<core::DeliveredPlugin> plugins() const override { return {}; }
    void check(bool force, Done done) override { asked.push_back({force, std::move(done)}); }
    void install(std::vector<std::byte>, std::string, bool, Done) override { unexpected(); }
    void roll_back(const std::string&, Done) override { unexpected(); }
    void pin(const std::string&, bool, Done) override { unexpected(); }
    void release(const std::string&, Done) override { unexpected(); }
    void on_change(std::function<void()>) override { unexpected(); }

    std::vector<Asked> asked;

private:
    static void unexpected() { ADD_FAILURE() << "pages of Odoo only ask for a check"; }
};

/// A box with its routes installed, at 2025-11-22 06:30 (UTC).
class ABrowserBox : public ::testing::Test {
protected:
    ABrowserBox() { routes->install(router); }

    FakeExchangePtr send(core::HttpRequest request) {
        auto exchange = std::make_shared<FakeExchange>(std::move(request));
        router(exchange);
        return exchange;
    }
    static core::HttpRequest request(core::HttpMethod method, std::string path) {
        core::HttpRequest out;
        out.method = method;
        out.path = out.target = std::move(path);
        out.remote_address = "192.168.1.30";
        out.headers.emplace_back("Host", "192.168.1.20:8069");
        return out;
    }
    FakeExchangePtr get(std::string path) {
        return send(request(core::HttpMethod::get, std::move(path)));
    }
    static core::HttpRequest json_request(std::string path, std::string body) {
        auto out = request(core::HttpMethod::post, std::move(path));
        out.headers.emplace_back("Content-Type", "application/json");
        out.body = std::move(body);
        return out;
    }
    FakeExchangePtr rpc(std::string path, const json::object& params) {
        return send(
            json_request(std::move(path), json::serialize(json::object{{"params", params}})));
    }
    FakeExchangePtr action(std::string session, std::string device, json::value data) {
        return rpc("/iot_drivers/action", {{"session_id", std::move(session)},
                                           {"device_identifier", std::move(device)},
                                           {"data", std::move(data)}});
    }
    FakeExchangePtr poll(std::string session, const std::vector<std::string>& names,
                         double last_event = 0) {
        json::object by_name;
        for (const auto& device : names)
            by_name[device] =
                json::object{{"listener_id", "listener-7"}, {"device_identifier", device}};
        return rpc("/iot_drivers/event",
                   {{"listener", json::object{{"session_id", std::move(session)},
                                              {"last_event", last_event},
                                              {"devices", std::move(by_name)},
                                              {"abortController", json::object{}}}}});
    }
    core::EventPtr scan(std::string barcode, std::string device = "usb_0c2e:0200") {
        return ring.publish(
            device_event(std::move(device), "scanner", "scan", {{"value", std::move(barcode)}}));
    }
    static std::string value_of(const FakeExchangePtr& exchange) {
        return std::string(exchange->result().at("value").as_string());
    }
    static double time_of(const FakeExchangePtr& exchange) {
        return exchange->result().at("time").to_number<double>();
    }
    void advance(std::chrono::milliseconds by) {
        wall += std::chrono::duration<double>(by).count();
        clock.advance(by);
    }

    FakeClock clock;
    double wall = 1763793000.12;
    core::EventRing ring{core::EventRing::Limits{}, [this] { return clock.now(); },
                         [this] { return wall; }};
    FakeDevices devices;
    BoxInfo box{.identifier = "10000000abcdef01",
                .version = "L26.11",
                .ip = "192.168.1.20",
                .mac = "dc:a6:32:00:00:01",
                .hostname = "iotbox",
                .server_url = "",
                .certificate_end = "",
                .started = std::chrono::steady_clock::now()};
    int restarts = 0;
    FakeUpdates updates;
    core::HttpRouter router;
    std::unique_ptr<BrowserRoutes> routes = std::make_unique<BrowserRoutes>(BrowserContext{
        devices, ring, clock.timers(), [this] { return box; }, [this] { ++restarts; }, &updates});
};

}  // namespace backplane::sync::test
