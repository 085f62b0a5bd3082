// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Pages as Odoo's unmodified client behaves: what it sends, when it polls again, and what makes it
// stop.
#include "browser/tests/fakes.hpp"

namespace backplane::sync::test {
namespace {

/// The client's long polling: one poll at a time per box, cut and begun anew whenever a listener is
/// added, repeated at once after every answer that can be read, ended by every other one.
class Page {
public:
    using Send = std::function<FakeExchangePtr(core::HttpRequest)>;
    Page(std::string session, Send send) : session_(std::move(session)), send_(std::move(send)) {}

    void listen(const std::string& device) {
        devices_.insert(device);
        if (poll_ && !poll_->answered()) poll_->hang_up();
        poll();
    }

    /// Handles answers until a poll waits. Returns how many there were.
    int turn() {
        int answers = 0;
        while (polling_ && poll_->answered() && answers < 10'000) {
            ++answers;
            read();
        }
        return answers;
    }

    bool polling() const { return polling_; }
    std::vector<json::object> received;

private:
    void poll() {
        json::object devices;
        for (const auto& device : devices_)
            devices[device] =
                json::object{{"listener_id", "listener-1"}, {"device_identifier", device}};
        core::HttpRequest request;
        request.method = core::HttpMethod::post;
        request.path = request.target = "/iot_drivers/event";
        request.headers = {{"Content-Type", "application/json"},
                           {"Origin", "https://shop.example.com"}};
        request.body = json::serialize(json::object{
            {"params",
             json::object{{"listener", json::object{{"session_id", session_},
                                                    {"last_event", last_event_},
                                                    {"devices", devices},
                                                    {"abortController", json::object{}}}}}}});
        poll_ = send_(std::move(request));
        polling_ = true;
    }
    void read() {
        const auto& response = poll_->response();
        boost::system::error_code error;
        const auto body = json::parse(response.body, error);
        if (error || poll_->header("Access-Control-Allow-Origin") != "*") {
            polling_ = false;  // the wrapper throws, and this page never polls this box again
            return;
        }
        const auto* result = body.as_object().if_contains("result");
        if (result != nullptr && result->is_object() &&
            result->at("session_id") == json::value(session_) &&
            devices_.count(std::string(result->at("device_identifier").as_string())) != 0) {
            last_event_ = result->at("time").to_number<double>();
            received.push_back(result->as_object());
        }
        poll();
    }

    std::string session_;
    Send send_;
    std::set<std::string> devices_;
    double last_event_ = 0;
    FakeExchangePtr poll_;
    bool polling_ = false;
};

class TheFlowOfTheClient : public ABrowserBox {
protected:
    Page page(std::string session) {
        return Page(std::move(session),
                    [this](core::HttpRequest request) { return send(std::move(request)); });
    }
};

TEST_F(TheFlowOfTheClient, survives_a_day_of_adding_listeners_scanning_and_waiting) {
    std::vector<Page> pages;
    for (int i = 0; i < 3; ++i) pages.push_back(page("page" + std::to_string(i)));
    int scans = 0;
    for (auto& each : pages) each.listen("usb_1");
    for (int hour = 0; hour < 24; ++hour) {
        for (int i = 0; i < 20; ++i) {
            scan(std::to_string(scans++), "usb_1");
            if (i % 3 == 0)
                scan(std::to_string(scans++), "usb_1");  // a second one before any page is back
            for (auto& each : pages) each.turn();
            advance(173s);
            for (auto& each : pages) each.turn();
        }
        for (auto& each : pages) each.listen("other" + std::to_string(hour));
    }
    for (const auto& each : pages) {
        ASSERT_TRUE(each.polling());
        ASSERT_EQ(each.received.size(), static_cast<std::size_t>(scans));
        for (int n = 0; n < scans; ++n)
            ASSERT_EQ(each.received[static_cast<std::size_t>(n)].at("value"),
                      json::value(std::to_string(n)));
    }
}

TEST_F(TheFlowOfTheClient, loses_nothing_while_listeners_are_added_in_the_middle_of_scans) {
    auto one = page("u1");
    one.listen("usb_1");
    for (int i = 0; i < 40; ++i) {
        scan(std::to_string(i), "usb_1");
        one.listen("other" +
                   std::to_string(i));  // cuts the poll, whether its answer was read or not
    }
    one.turn();
    ASSERT_EQ(one.received.size(), 40u);
    for (int i = 0; i < 40; ++i)
        EXPECT_EQ(one.received[static_cast<std::size_t>(i)].at("value"),
                  json::value(std::to_string(i)));
}

TEST_F(TheFlowOfTheClient, makes_no_loop_of_quick_polls_when_a_page_asks_for_nonsense) {
    auto one = page("u1");
    one.listen(std::string(5000, 'x'));  // refused each time
    int answers = 0;
    for (int second = 0; second < 60; ++second) {
        advance(1s);
        answers += one.turn();
    }
    EXPECT_TRUE(one.polling()) << "readable errors do not end the polling";
    EXPECT_EQ(answers, 60) << "one a second";
}

TEST_F(TheFlowOfTheClient, starts_a_community_pos_from_hello_to_the_first_weight) {
    devices.add("/dev/ttyUSB0", "scale", "serial");
    EXPECT_EQ(get("/hw_proxy/hello")->response().body, "ping");
    EXPECT_EQ(rpc("/hw_proxy/handshake", {})->result(), json::value(true));
    EXPECT_EQ(rpc("/hw_proxy/status_json", {})->result().at("scale").at("status"), "connected");
    const auto first = rpc("/hw_proxy/scale_read", {});
    devices.succeed(weight(0.455));
    EXPECT_EQ(first->result().at("weight"), 0.455);
}

TEST_F(TheFlowOfTheClient, serves_a_page_of_17_and_one_of_19_side_by_side) {
    devices.add("/dev/ttyUSB0", "scale", "serial");
    auto old_page = page("old");
    auto new_page = page("new");
    old_page.listen("/dev/ttyUSB0");
    new_page.listen("scale");
    const auto old_action = rpc("/hw_drivers/action", {{"session_id", "old"},
                                                       {"device_identifier", "/dev/ttyUSB0"},
                                                       {"data", R"({"action":"read_once"})"}});
    const auto new_action = action("new", "/dev/ttyUSB0", json::object{{"action", "read_once"}});
    devices.succeed(weight(0.455));
    ring.publish(action_result("/dev/ttyUSB0", "scale", "old", "read_once", weight(0.455)));
    devices.succeed(weight(0.455));
    EXPECT_EQ(old_action->result(), json::value(true));
    EXPECT_EQ(new_action->result().at("result"), 0.455);
    old_page.turn();
    new_page.turn();
    ASSERT_EQ(old_page.received.size(), 1u);
    ASSERT_EQ(new_page.received.size(), 1u);
    EXPECT_EQ(old_page.received[0].at("value"), 0.455);
    EXPECT_EQ(old_page.received[0].at("owner"), "old");
    EXPECT_EQ(new_page.received[0].at("result"), 0.455);
    EXPECT_EQ(new_page.received[0].at("device_identifier"), "scale");
    EXPECT_EQ(new_page.received[0].at("owner"), "old")
        << "so that it knows the answer is not its own";
}

TEST_F(TheFlowOfTheClient, prints_a_receipt_and_hears_how_it_went) {
    devices.add("usbEPSONTM-T20II?5839364D", "printer");
    auto one = page("u1");
    one.listen("usbEPSONTM-T20II?5839364D");
    const auto answer = action("u1", "usbEPSONTM-T20II?5839364D",
                               json::object{{"action", "print_receipt"}, {"receipt", "/9j/4AAQ"}});
    ring.publish(device_event("usbEPSONTM-T20II?5839364D", "printer", "status",
                              {{"status", "success"}, {"message", nullptr}}));
    devices.succeed();
    EXPECT_EQ(answer->result().at("status"), "success");
    one.turn();
    ASSERT_EQ(one.received.size(), 1u);
    const auto& event = one.received[0];
    EXPECT_EQ(event, (json::object{{"value", ""},
                                   {"result", ""},
                                   {"owner", "u1"},
                                   {"status", "success"},
                                   {"message", nullptr},
                                   {"device_identifier", "usbEPSONTM-T20II?5839364D"},
                                   {"time", event.at("time")},
                                   {"session_id", "u1"}}));
}

}  // namespace
}  // namespace backplane::sync::test
