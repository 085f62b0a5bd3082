// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/registration.hpp"

#include <boost/json/parse.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "browser/tests/fakes.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* k_setup = "/iot/setup";
constexpr const char* k_taken = R"({"jsonrpc": "2.0", "id": null, "result": "channel-1"})";

class ARegistration : public AStoreBox {
protected:
    ARegistration() { start(); }

    void open(std::string configured = "https://shop.example.com") {
        account = std::make_unique<Account>(*store, std::move(configured));
        registration = std::make_unique<Registration>(
            Registration::Setup{*account, *store, devices, ring, clock.timers(),
                                [this] { return box; }, lanes.maker(), [this] { return random; }});
    }
    /// Begun, with the first request on its way.
    void begin(std::string configured = "https://shop.example.com") {
        open(std::move(configured));
        registration->begin();
        clock.advance(0ms);
    }
    void begin_registered() {
        begin();
        lanes.succeed(k_taken);
    }
    void pair(ServerAccount with) {
        bool done = false;
        account->pair(std::move(with), [&](const core::Result<void>&) { done = true; });
        ASSERT_TRUE(until([&] { return done; }));
    }
    void change(const std::string& identifier) {
        core::Event event = device_event(identifier, "scale", "ready", {{"state", "ready"}});
        event.kind = core::Event::Kind::device_state;
        ring.publish(std::move(event));
    }
    json::object params() const {
        return json::parse(lanes.last().request.body).at("params").as_object();
    }
    /// The reason that is told after this answer.
    std::string reason_after(FakeLanes::Answer answer) {
        lanes.answer(std::move(answer));
        EXPECT_EQ(registration->status().state, "failing");
        EXPECT_EQ(registration->status().reason.find('\n'), std::string::npos);
        std::string reason = registration->status().reason;
        clock.advance(60s);  // it tries again
        return reason;
    }

    FakeClock clock;
    core::EventRing ring{core::EventRing::Limits{}, [this] { return clock.now(); },
                         [] { return 1763793000.5; }};
    FakeDevices devices;
    FakeLanes lanes;
    double random = 0.5;
    BoxInfo box{.identifier = "10000000abcdef01",
                .version = "L26.11",
                .ip = "192.168.1.20",
                .domain = "",
                .mac = "dc:a6:32:00:00:01",
                .hostname = "iotbox",
                .server_url = "",
                .certificate_end = "",
                .started = {}};
    std::unique_ptr<Account> account;
    std::unique_ptr<Registration> registration;
};

// ---- when it fails ------------------------------------------------------------------------------

TEST_F(ARegistration, says_clearly_why_the_server_did_not_take_it) {
    begin();
    EXPECT_EQ(
        reason_after(FakeLanes::error("net.connect", "the Odoo server … takes no connections")),
        "the Odoo server … takes no connections");
    EXPECT_EQ(reason_after(FakeLanes::status(404)),
              "the Odoo server https://shop.example.com answered the registration of the box with "
              "\"not found\" (404): check that the IoT app is installed in the database, and, if "
              "the server has several databases, that it knows which one is meant");
    EXPECT_THAT(reason_after(FakeLanes::status(403)), HasSubstr("\"not allowed\" (403)"));
    EXPECT_THAT(reason_after(FakeLanes::status(400)), HasSubstr("an unexpected status (400)"));
    EXPECT_THAT(reason_after(FakeLanes::status(500)), HasSubstr("look into the log"));
    EXPECT_THAT(reason_after(FakeLanes::page()),
                HasSubstr("with a web page: check that its address leads to Odoo itself"));
    EXPECT_THAT(reason_after(FakeLanes::page("\xEF\xBB\xBF \n<html>")), HasSubstr("web page"));
    EXPECT_THAT(reason_after(FakeLanes::ok(
                    R"({"error": {"code": 200, "message": "Odoo Server Error", "data": {"message":
                        "No such box\nat all"}}})")),
                AllOf(HasSubstr("refuses the registration of the box (No such box?at all)"),
                      HasSubstr("pair the box again if its token is not valid any more")));
    EXPECT_THAT(reason_after(FakeLanes::ok(R"({"error": "not today"})")), HasSubstr("(not today)"));
    EXPECT_THAT(reason_after(FakeLanes::ok(R"({"error": {"code": 1}})")),
                HasSubstr("(without a reason)"));
    for (const char* body : {"", "channel", "[]", "\"channel\"", "{\"result\": ", "{}{}"})
        EXPECT_THAT(reason_after(FakeLanes::ok(body)), HasSubstr("something that is no JSON-RPC"))
            << body;
    EXPECT_THAT(reason_after(FakeLanes::ok(std::string(5000, '['))), HasSubstr("no JSON-RPC"));
    EXPECT_EQ(registration->status().failures, 17u);
    lanes.succeed(k_taken);
    EXPECT_EQ(registration->status().state, "registered");
    EXPECT_EQ(registration->status().failures, 0u);
    EXPECT_EQ(registration->status().reason, "");
}

TEST_F(ARegistration, tries_again_after_pauses_that_double_up_to_thirty_seconds) {
    begin();
    std::vector<int> pauses;
    for (int i = 0; i < 9; ++i) {
        lanes.fail();
        int waited = 0;
        while (lanes.waiting() == 0 && waited < 100'000) {
            clock.advance(50ms);
            waited += 50;
        }
        pauses.push_back(waited);
    }
    EXPECT_THAT(pauses, ElementsAre(500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000));
    EXPECT_EQ(registration->status().state, "failing") << "until it succeeds";
}

TEST_F(ARegistration, spreads_its_tries_so_that_boxes_do_not_come_together) {
    begin();
    random = 0;
    lanes.fail();
    clock.advance(399ms);
    EXPECT_EQ(lanes.waiting(), 0u);
    clock.advance(1ms);
    EXPECT_EQ(lanes.waiting(), 1u);
    random = 0.999;
    lanes.fail();
    clock.advance(1190ms);
    EXPECT_EQ(lanes.waiting(), 0u);
    clock.advance(20ms);
    EXPECT_EQ(lanes.waiting(), 1u);
}

TEST_F(ARegistration, does_not_ask_a_failing_server_more_often_because_devices_change) {
    begin();
    for (int i = 0; i < 8; ++i) {
        lanes.fail();
        clock.advance(30s);
    }
    lanes.fail();
    const std::size_t before = lanes.sent().size();
    for (int i = 0; i < 50; ++i) {
        change("/dev/ttyUSB0");
        registration->look_again();
        clock.advance(200ms);
    }
    EXPECT_EQ(lanes.sent().size(), before);
    devices.add("/dev/ttyUSB0", "scale", "serial");
    clock.advance(30s);
    EXPECT_EQ(lanes.sent().size(), before + 1);
    EXPECT_TRUE(params().at("devices").as_object().contains("/dev/ttyUSB0"));
}

TEST_F(ARegistration, does_not_wait_for_the_pause_when_the_box_has_got_another_address) {
    begin();
    for (int i = 0; i < 8; ++i) {
        lanes.fail("net.lookup");
        clock.advance(30s);
    }
    lanes.fail("net.lookup");
    box.ip = "10.0.0.7";
    registration->look_again();
    clock.advance(200ms);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_EQ(params().at("iot_box").at("ip"), "10.0.0.7");
}

TEST_F(ARegistration, tells_everything_again_when_an_answer_was_lost) {
    begin_registered();
    auto& scale = devices.add("/dev/ttyUSB0", "scale", "serial");
    scale.name = "New name";
    change("/dev/ttyUSB0");
    clock.advance(200ms);
    lanes.fail("net.timeout");
    // Back to what the server has taken once; but it may have taken the other since.
    devices.devices.clear();
    clock.advance(1s);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_TRUE(params().at("devices").as_object().empty());
}

TEST_F(ARegistration, follows_the_box_to_another_server_at_once) {
    begin();
    for (int i = 0; i < 8; ++i) {
        lanes.fail();
        clock.advance(30s);
    }
    ASSERT_EQ(lanes.waiting(), 1u);
    pair({"https://new.example.com", "token-2", "db-2", "", "shop"});
    EXPECT_EQ(lanes.cancelled(), 1u) << "nobody wants to know any more what the old one says";
    EXPECT_EQ(registration->status().failures, 0u);
    EXPECT_EQ(registration->status().reason, "");
    clock.advance(0ms);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_EQ(lanes.oldest().request.url, "https://new.example.com/iot/setup");
    EXPECT_EQ(params().at("iot_box").at("token"), "token-2");
    EXPECT_EQ(lanes.oldest().header("X-Odoo-Database"), "shop");
    EXPECT_EQ(lanes.oldest().header("User-Agent"), "OdooIoTBox/1.0");
}

TEST_F(ARegistration, stops_when_the_box_is_unpaired) {
    begin("");
    EXPECT_THAT(lanes.sent(), IsEmpty());
    pair({"https://shop.example.com", "t", "d", "e", ""});
    clock.advance(0ms);
    lanes.succeed(k_taken);
    EXPECT_EQ(registration->channel(), "channel-1");
    bool done = false;
    account->unpair([&](const core::Result<void>&) { done = true; });
    ASSERT_TRUE(until([&] { return done; }));
    EXPECT_EQ(registration->status().state, "not_paired");
    EXPECT_EQ(registration->channel(), "");
    EXPECT_EQ(registration->status().registered_at, 0);
    change("/dev/ttyUSB0");
    registration->look_again();
    clock.advance(60s);
    EXPECT_THAT(lanes.sent(), SizeIs(1));
}

TEST_F(ARegistration, sends_nothing_before_it_may) {
    open();
    change("/dev/ttyUSB0");
    registration->look_again();
    clock.advance(10s);
    EXPECT_THAT(lanes.sent(), IsEmpty());
    EXPECT_EQ(registration->status().state, "waiting");
}

TEST_F(ARegistration, calls_nobody_after_its_end) {
    begin();
    const auto told = registration->on_change([] { ADD_FAILURE() << "told after the end"; });
    registration.reset();
    EXPECT_EQ(lanes.cancelled(), 1u);
    EXPECT_EQ(clock.running(), 0u);
    change("/dev/ttyUSB0");
    pair({"https://new.example.com", "t", "d", "e", ""});
    clock.advance(60s);
    EXPECT_THAT(lanes.sent(), SizeIs(1));
}

TEST_F(ARegistration, may_be_destroyed_by_whom_it_tells) {
    begin();
    const auto told = registration->on_change([&] { registration.reset(); });
    lanes.succeed(k_taken);
    EXPECT_EQ(registration, nullptr);
    EXPECT_EQ(clock.running(), 0u);
}

// ---- what is sent -------------------------------------------------------------------------------

TEST_F(ARegistration, sends_the_box_and_its_devices_as_odoo_knows_them) {
    auto& printer = devices.add("usbEPSON", "printer");
    printer.name = "Epson TM-T20";
    printer.manufacturer = "Epson";
    printer.subtype = "receipt_printer";
    auto& scale = devices.add("/dev/ttyUSB0", "scale", "serial");
    scale.name = "Counter 1";
    scale.subtype = "checkout";
    auto& strange = devices.add("usb_dead:beef", "device");
    strange.name = "Unknown device (usb)";
    strange.state = core::DeviceState::unsupported;
    devices.add("gone", "scale").state = core::DeviceState::gone;
    auto& young = devices.add("young", "");
    young.state = core::DeviceState::discovered;
    begin();
    const auto& request = lanes.oldest().request;
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.url, "https://shop.example.com/iot/setup");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(request.total, 5s);
    const json::object printer_entry{{"name", "Epson TM-T20"},
                                     {"type", "printer"},
                                     {"manufacturer", "Epson"},
                                     {"connection", "direct"},
                                     {"subtype", "receipt_printer"}};
    const json::object scale_entry{{"name", "Counter 1"},
                                   {"type", "scale"},
                                   {"manufacturer", ""},
                                   {"connection", "serial"},
                                   {"subtype", ""}};
    const json::object strange_entry{{"name", "Unknown device (usb)"},
                                     {"identifier", "usb_dead:beef"},
                                     {"type", "unsupported"},
                                     {"connection", "direct"}};
    const json::object box_entry{{"identifier", "10000000abcdef01"},
                                 {"mac", "dc:a6:32:00:00:01"},
                                 {"ip", "192.168.1.20"},
                                 {"token", ""},
                                 {"version", "L26.11"},
                                 {"name", "iotbox"}};
    const json::object all{{"usbEPSON", printer_entry},
                           {"/dev/ttyUSB0", scale_entry},
                           {"usb_dead:beef", strange_entry}};
    EXPECT_EQ(params(), (json::object{{"iot_box", box_entry}, {"devices", all}}));
}

TEST_F(ARegistration, is_called_by_its_domain_then_its_address_then_itself) {
    box.domain = "192-168-1-20.abc.odoo-iot.com";
    begin();
    EXPECT_EQ(params().at("iot_box").at("ip"), "192-168-1-20.abc.odoo-iot.com");
    lanes.succeed(k_taken);
    box.domain.clear();
    registration->look_again();
    clock.advance(200ms);
    EXPECT_EQ(params().at("iot_box").at("ip"), "192.168.1.20");
    lanes.succeed(k_taken);
    box.ip.clear();
    registration->look_again();
    clock.advance(200ms);
    EXPECT_EQ(params().at("iot_box").at("ip"), "127.0.0.1");
}

TEST_F(ARegistration, puts_devices_that_come_together_into_one_request_within_200_ms) {
    begin_registered();
    for (int i = 0; i < 5; ++i) {
        devices.add("/dev/ttyUSB" + std::to_string(i), "scale", "serial");
        change("/dev/ttyUSB" + std::to_string(i));
        clock.advance(20ms);
    }
    EXPECT_EQ(lanes.waiting(), 0u);
    clock.advance(100ms);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_EQ(params().at("devices").as_object().size(), 5u);
    EXPECT_EQ(registration->status().state, "sending");
}

TEST_F(ARegistration, sends_what_has_changed_while_a_request_was_on_its_way) {
    begin();
    devices.add("/dev/ttyUSB0", "scale", "serial");
    change("/dev/ttyUSB0");
    clock.advance(3s);
    EXPECT_THAT(lanes.sent(), SizeIs(1)) << "one at a time";
    lanes.succeed(k_taken);
    clock.advance(200ms);
    ASSERT_EQ(lanes.waiting(), 1u);
    EXPECT_EQ(params().at("devices").as_object().size(), 1u);
}

TEST_F(ARegistration, does_not_repeat_what_the_server_has_already) {
    devices.add("/dev/ttyUSB0", "scale", "serial");
    begin_registered();
    int told = 0;
    const auto follow = registration->on_change([&] { ++told; });
    for (int i = 0; i < 20; ++i) {
        change("/dev/ttyUSB0");  // busy, ready, busy: nothing that the server knows of
        registration->look_again();
        clock.advance(1s);
    }
    EXPECT_THAT(lanes.sent(), SizeIs(1));
    EXPECT_EQ(told, 0);
    devices.devices.front().name = "Counter 1";
    change("/dev/ttyUSB0");
    clock.advance(200ms);
    EXPECT_THAT(lanes.sent(), SizeIs(2));
}

/// A box that looks at identifiers alone would leave a scanner in the database as the keyboard that it was taken for.
TEST_F(ARegistration, is_sent_again_when_a_name_type_or_subtype_changes) {
    devices.add("usbEPSON", "printer").subtype = "receipt_printer";
    begin_registered();
    std::size_t sent = lanes.sent().size();
    const auto told_after_change = [&] {
        change("usbEPSON");
        clock.advance(200ms);
        EXPECT_THAT(lanes.sent(), SizeIs(++sent));
        const json::value device = params().at("devices").at("usbEPSON");
        if (lanes.waiting() > 0) lanes.succeed(k_taken);
        return device;
    };
    auto& device = devices.devices.front();
    device.name = "Kitchen";
    EXPECT_EQ(told_after_change().at("name"), "Kitchen");
    device.subtype = "label_printer";
    EXPECT_EQ(told_after_change().at("subtype"), "label_printer");
    device.type = "scanner";
    EXPECT_EQ(told_after_change().at("type"), "scanner");
}

// ---- what comes ---------------------------------------------------------------------------------

TEST_F(ARegistration, keeps_the_channel_over_a_restart) {
    begin_registered();
    EXPECT_EQ(registration->status().state, "registered");
    EXPECT_EQ(registration->status().channel, "channel-1");
    EXPECT_EQ(registration->status().registered_at, 1763793000.5);
    ASSERT_TRUE(written());
    registration.reset();
    account.reset();
    store.reset();
    start();
    open();
    EXPECT_EQ(registration->channel(), "channel-1") << "before the server is there";
}

TEST_F(ARegistration, does_without_a_channel_of_a_server_that_names_none) {
    store->set({{"server.channel", "known"}});
    begin();
    for (const char* body : {R"({"jsonrpc": "2.0"})", R"({"result": null})",
                             R"({"result": {"a": 1}})", R"({"result": ""})", R"({"result": 5})",
                             R"({"result": "a\u0000b"})", R"({"result": "x", "error": null})"}) {
        lanes.succeed(body);
        EXPECT_EQ(registration->status().state, "registered") << body;
        EXPECT_EQ(registration->channel(), std::string(body).find("\"x\"") < 99 ? "x" : "known");
        box.version += "1";
        registration->look_again();
        clock.advance(200ms);
    }
}

TEST_F(ARegistration, tells_each_change_of_its_state) {
    begin("");
    std::vector<std::string> told;
    const auto follow = registration->on_change(
        [&] { told.push_back(registration->status().state + ' ' + registration->channel()); });
    pair({"https://shop.example.com", "t", "d", "e", ""});
    clock.advance(0ms);
    lanes.fail();
    clock.advance(1s);
    lanes.succeed(k_taken);
    EXPECT_THAT(
        told, ElementsAre("waiting ", "sending ", "failing ", "failing ", "registered channel-1"));
}

}  // namespace
}  // namespace backplane::sync::test
