// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Scales on serial lines and a real box: bytes in at one end, what browsers get out at the other,
// and everything that cables, switches, neighbours and crashes do in between. What must never
// happen is a wrong number.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include <pty.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <map>

#include "support/box_test.hpp"
#include "support/listeners.hpp"
#include "support/serial_scale.hpp"

namespace backplane::tests {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto k_recovery = 2s;  // what a person at the counter is promised
const std::string k_in_motion = "The scale is in motion: wait until the load is at rest.";
const std::string k_unreachable =
    "The scale does not answer: check that it is switched on and its cable is plugged in.";
const std::string k_fault =
    "The scale's answer cannot be understood: check its protocol and line settings.";

class Stopwatch {
public:
    std::chrono::milliseconds elapsed() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begin_);
    }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

class ASerialScale : public BoxTest {
protected:
    /// What the POS reads, or nothing and the reason.
    std::optional<double> scale_read() {
        const json::object envelope = box().rpc("/hw_proxy/scale_read", {});
        reason_ = text_at(envelope, {"error", "data", "message"});
        const auto* result = envelope.if_contains("result");
        return result && result->is_object() ? number_in(result->get_object(), "weight")
                                             : std::nullopt;
    }
    json::object scale_status() {
        const json::object envelope = box().rpc("/hw_proxy/status_json", {});
        return envelope.at("result").at("scale").as_object();
    }
    HttpAnswer act(const std::string& device, const std::string& action) {
        return box().post("/api/v1/actions",
                          json::serialize(json::object{{"device", device}, {"action", action}}));
    }
    pid_t host_of(const std::string& plugin) {
        return static_cast<pid_t>(box()
                                      .wait_for_plugin(plugin,
                                                       [](const json::object& p) {
                                                           return text_at(p, {"state"}) ==
                                                                  "running";
                                                       })
                                      .at("pid")
                                      .to_number<int>());
    }

    std::string reason_;
};

// ---- the main job -------------------------------------------------------------------------------

TEST_F(ASerialScale,
       on_an_extra_port_becomes_ready_and_its_weight_reaches_a_waiting_long_poll_and_scale_read) {
    SerialScale scale{port("scale0"), 1.234};
    start_serial({"scale0"});
    const json::object device = box().wait_for_state(port("scale0"), "ready");
    EXPECT_EQ(text_at(device, {"type"}), "scale");
    EXPECT_EQ(text_at(device, {"driver"}), "toledo8217");
    EXPECT_EQ(text_at(device, {"stable_id"}), "path:" + port("scale0"));
    EXPECT_EQ(scale_read(), 1.234);
    EXPECT_EQ(text_at(scale_status(), {"status"}), "connected");

    OdooPage page{box(), "page-1", {port("scale0")}};
    page.wait_for([](const json::object& event) { return number_in(event, "result") == 1.234; });
    // The reading of the POS above was an event, too.
    auto waiting = std::async(std::launch::async, [&] {
        return page.wait_for(
            [](const json::object& event) { return number_in(event, "result") != 1.234; });
    });
    scale.set_weight(2.5);
    const json::object event = waiting.get();
    EXPECT_EQ(number_in(event, "result"), 2.5);
    EXPECT_EQ(number_in(event, "value"), 2.5);
    EXPECT_EQ(text_at(event, {"device_identifier"}), port("scale0"));
    EXPECT_EQ(text_at(event, {"status", "status"}), "connected");
    EXPECT_EQ(scale_read(), 2.5);
}

TEST_F(ASerialScale, beside_two_others_has_its_own_weights_and_its_own_listeners) {
    SerialScale first{port("scale0"), 0.1}, second{port("scale1"), 0.2}, third{port("scale2"), 0.3};
    start_serial({"scale0", "scale1", "scale2"});
    const std::vector<std::string> names{port("scale0"), port("scale1"), port("scale2")};
    for (const auto& name : names) box().wait_for_state(name, "ready");
    EXPECT_EQ(box().plugin("toledo8217").at("instances").to_number<int>(), 3);

    EventRecorder events{box(), "0"};
    OdooPage page{box(), "page-2", {names[1]}};
    page.wait_for([](const json::object& event) { return number_in(event, "result") == 0.2; });
    first.set_weight(1.1);
    third.set_weight(1.3);
    events.wait_for([&](const auto& e) { return is_weight(e, names[0], 1.1); });
    events.wait_for([&](const auto& e) { return is_weight(e, names[2], 1.3); });
    second.set_weight(1.2);
    const auto next = page.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(number_in(*next, "result"), 1.2) << "weights of other scales are not for this page";
    EXPECT_EQ(text_at(*next, {"device_identifier"}), names[1]);

    EXPECT_THAT(events.weights(names[0]), Each(testing::AnyOf(0.1, 1.1)));
    EXPECT_THAT(events.weights(names[1]), Each(testing::AnyOf(0.2, 1.2)));
    EXPECT_THAT(events.weights(names[2]), Each(testing::AnyOf(0.3, 1.3)));
}

TEST_F(ASerialScale, does_not_wait_for_another_one_that_is_silent) {
    SerialScale silent{port("scale0")}, lively{port("scale1")};
    start_serial({"scale0", "scale1"});
    box().wait_for_state(port("scale0"), "ready");
    box().wait_for_state(port("scale1"), "ready");
    EventRecorder events{box()};
    silent.switch_off();
    // A reading of the silent one is under way all the while.
    auto stuck = std::async(std::launch::async, [&] { return act(port("scale0"), "read_once"); });
    for (int grams = 1; grams <= 20; ++grams) {
        lively.set_weight(grams / 1000.0);
        events.wait_for([&](const auto& e) { return is_weight(e, port("scale1"), grams / 1000.0); },
                        0, 1s);
        EXPECT_EQ(act(port("scale1"), "read_once").status, 200);
    }
    EXPECT_NE(stuck.get().status, 200);
}

// ---- cables, switches, neighbours ---------------------------------------------------------------

TEST_F(ASerialScale,
       whose_cable_is_pulled_in_the_middle_of_an_answer_weighs_again_within_2_s_of_plugging_in) {
    SerialScale scale{port("scale0"), 1.234};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    OdooPage page{box(), "page-1", {port("scale0")}};

    scale.unplug_within_answer();
    const auto gone = page.wait_for([](const json::object& e) { return !number_in(e, "result"); });
    EXPECT_EQ(text_at(gone, {"status", "status"}), "disconnected");
    EXPECT_FALSE(text_at(gone, {"status", "message_body"}).empty());
    ASSERT_TRUE(eventually([&] { return !box().device(port("scale0")); }))
        << "the port has gone, and the device with it";
    EXPECT_EQ(scale_read(), std::nullopt);

    scale.set_weight(0.75);
    const auto before = events.last_seq();
    const Stopwatch watch;
    scale.plug();
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.75); }, before);
    EXPECT_LT(watch.elapsed(), k_recovery * k_patience);
    EXPECT_EQ(scale_read(), 0.75);
    EXPECT_THAT(events.weights(port("scale0")), Each(testing::AnyOf(1.234, 0.75)));
}

TEST_F(ASerialScale,
       that_is_pulled_and_plugged_ten_times_is_one_device_and_the_box_keeps_no_descriptors) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    const auto open_files = [&] {
        return std::distance(
            std::filesystem::directory_iterator("/proc/" + std::to_string(box().pid()) + "/fd"),
            {});
    };
    // Before the recorder's connection is counted there is nothing to compare with: after the first
    // round there is.
    std::ptrdiff_t files = 0;
    for (int round = 1; round <= 10; ++round) {
        scale.unplug();
        scale.set_weight(round / 10.0);
        scale.plug();
        events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), round / 10.0); });
        if (round == 1) files = open_files();
    }
    EXPECT_TRUE(eventually([&] { return open_files() <= files; }))
        << open_files() << " after ten, " << files << " after one";
    EXPECT_EQ(box().get("/api/v1/devices").json().at("devices").as_array().size(), 1u);
    EXPECT_EQ(box().plugin("toledo8217").at("crashes").to_number<int>(), 0);
}

TEST_F(ASerialScale,
       that_is_switched_off_is_unreachable_with_the_reason_and_back_within_2_s_of_switching_on) {
    SerialScale scale{port("scale0"), 1.234};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    OdooPage page{box(), "page-1", {port("scale0")}};

    scale.switch_off();
    const json::object device = box().wait_for_state(port("scale0"), "unreachable");
    EXPECT_EQ(text_at(device, {"reason"}), k_unreachable);
    const auto told = page.wait_for([](const json::object& e) { return !number_in(e, "result"); });
    EXPECT_EQ(text_at(told, {"status", "status"}), "disconnected");
    EXPECT_EQ(text_at(told, {"status", "message_title"}), "Scale not connected");
    EXPECT_EQ(text_at(told, {"status", "message_body"}), k_unreachable);
    EXPECT_EQ(scale_read(), std::nullopt);
    EXPECT_THAT(reason_, HasSubstr("check that it is switched on"));
    const json::object status = scale_status();
    EXPECT_EQ(text_at(status, {"status"}), "disconnected");
    EXPECT_EQ(status.at("messages").as_array().at(0).as_string(), k_unreachable);

    scale.set_weight(0.75);
    const auto before = events.last_seq();
    const Stopwatch watch;
    scale.switch_on();
    events.wait_for([&](const auto& e) { return is_state(e, port("scale0"), "ready"); }, before);
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.75); }, before);
    EXPECT_LT(watch.elapsed(), k_recovery * k_patience);
    EXPECT_EQ(scale_read(), 0.75);
    EXPECT_EQ(text_at(scale_status(), {"status"}), "connected");
    EXPECT_THAT(events.weights(port("scale0")), Each(testing::AnyOf(1.234, 0.75)));
}

TEST_F(ASerialScale, never_shows_a_number_for_garbage_half_frames_or_the_format_of_another_make) {
    const std::vector<std::string> frames{
        "",  // garbage: the scale's own
        "\x02"
        "00.5",  // half a frame, again and again: two halves are no whole
        "\x02"
        "S S      0.500 kg\r\n",  // text around the number
        "ST,GS,+  0.500kg\r\n",   // no start byte
        "00.500\r",
        "\x02"
        "-0.500\r",  // a sign
        "\x02"
        "0.5.0\r",
        "\x02"
        "00.\r",  // nothing after the point: what lost characters leave
        "\x02"
        "00000.500\r",  // too many digits
    };
    std::vector<std::string> names;
    std::vector<std::unique_ptr<SerialScale>> scales;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        names.push_back("scale" + std::to_string(i));
        scales.push_back(std::make_unique<SerialScale>(port(names.back()), 0.123));
    }
    start_serial(names);
    for (const auto& name : names) box().wait_for_state(port(name), "ready");
    EventRecorder events{box()};

    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i].empty() ? scales[i]->set_garbage(true) : scales[i]->set_format(frames[i]);
    for (const auto& name : names) {
        EXPECT_EQ(text_at(box().wait_for_state(port(name), "unreachable"), {"reason"}), k_fault)
            << name;
        const HttpAnswer read = act(port(name), "read_once");
        EXPECT_EQ(read.status, 503) << name;
        EXPECT_EQ(text_at(read.json().as_object(), {"message"}), k_fault) << name;
    }

    const auto before = events.last_seq();
    const Stopwatch watch;
    for (auto& scale : scales) {
        scale->set_weight(0.75);
        scale->set_format("");
        scale->set_garbage(false);
    }
    for (const auto& name : names)
        events.wait_for([&](const auto& e) { return is_weight(e, port(name), 0.75); }, before);
    EXPECT_LT(watch.elapsed(), k_recovery * k_patience);
    for (const auto& name : names)
        EXPECT_THAT(events.weights(port(name)), Each(testing::AnyOf(0.123, 0.75))) << name;
}

TEST_F(ASerialScale, tells_the_reason_of_every_status_bit_and_no_number) {
    SerialScale scale{port("scale0"), 1.234};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    OdooPage page{box(), "page-1", {port("scale0")}};
    page.wait_for([](const json::object& e) { return number_in(e, "result") == 1.234; });

    struct Case {
        std::uint8_t bits;
        std::string condition, status, message;
    };
    const std::string over = "Too heavy for this scale: take something off.";
    const std::string under = "The scale is below zero: empty the platter and zero it.";
    const std::string no_zero =
        "The scale cannot find its zero: empty the platter and switch it off and on.";
    // Only what differs from the reading before is an event, so no two neighbours are alike.
    const std::vector<Case> cases{
        {0x01, "in_motion", "connecting", k_in_motion},
        {0x02, "over_capacity", "error", over},
        {0x81, "in_motion", "connecting", k_in_motion},  // bit 7 is the parity of the line
        {0x03, "over_capacity", "error", over},          // the worse of two
        {0x04, "under_zero", "error", under},
        {0x08, "not_zeroed", "error", no_zero},
        {0x0D, "under_zero", "error", under},  // the status is a carriage return itself
        {0x40, "fault", "error", k_fault},
        {0x31, "in_motion", "connecting", k_in_motion},
        {0x10, "fault", "error", k_fault},  // centre of zero: no reason, and yet no weight
        {0x01, "in_motion", "connecting", k_in_motion},
        {0x20, "fault", "error", k_fault},  // net weight: neither
        {0x01, "in_motion", "connecting", k_in_motion},
        {0x00, "fault", "error", k_fault},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE("status byte " + std::to_string(one.bits));
        scale.set_status(one.bits);
        const auto event = page.wait_for(
            [&](const json::object& e) { return text_at(e, {"condition"}) == one.condition; });
        EXPECT_EQ(text_at(event, {"status", "status"}), one.status);
        EXPECT_EQ(text_at(event, {"status", "message_body"}), one.message);
        EXPECT_EQ(text_at(event, {"message"}), one.message);
    }
    for (const json::object& event : page.seen()) {
        const auto number = number_in(event, "result");
        EXPECT_TRUE(!number || number == 1.234) << json::serialize(event);
        EXPECT_EQ(number.has_value(), text_at(event, {"condition"}) == "ok")
            << json::serialize(event);
        for (const auto member : {"value", "weight"})
            EXPECT_EQ(number_in(event, member), number) << json::serialize(event);
    }
    scale.set_weight(0.75);
    page.wait_for([](const json::object& e) { return number_in(e, "result") == 0.75; });
    EXPECT_EQ(scale_read(), 0.75);
}

// ---- ports --------------------------------------------------------------------------------------

TEST_F(ASerialScale, that_comes_back_as_another_terminal_under_the_same_name_is_the_same_device) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    const json::object first = box().wait_for_state(port("scale0"), "ready");
    scale.unplug();
    ASSERT_TRUE(eventually([&] { return !box().device(port("scale0")); }));
    // Whoever takes the number that has become free makes sure that the scale gets another one.
    int master = -1, slave = -1;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    scale.set_weight(0.75);
    scale.plug();
    const json::object second = box().wait_for_state(port("scale0"), "ready");
    ::close(master);
    ::close(slave);
    EXPECT_NE(text_at(first, {"properties", "real_path"}),
              text_at(second, {"properties", "real_path"}));
    EXPECT_EQ(text_at(first, {"identifier"}), text_at(second, {"identifier"}));
    EXPECT_EQ(text_at(first, {"stable_id"}), text_at(second, {"stable_id"}));
    EXPECT_EQ(scale_read(), 0.75);
}

TEST_F(ASerialScale, is_no_longer_read_when_its_name_is_given_to_another_one_in_one_step) {
    SerialScale old_scale{port("scale0"), 0.5};
    SerialScale new_scale{port("other"), 0.9};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    // As udev replaces a link: the name is never absent.
    std::filesystem::rename(port("other"), port("scale0"));
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.9); });
    old_scale.set_weight(0.6);
    new_scale.set_weight(1.0);
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 1.0); });
    EXPECT_EQ(scale_read(), 1.0);
    EXPECT_THAT(events.weights(port("scale0")), Not(testing::Contains(0.6)));
}

TEST_F(ASerialScale, that_is_off_when_the_box_starts_is_found_after_it_is_switched_on) {
    SerialScale scale{port("scale0"), 0.5};
    scale.switch_off();
    start_serial({"scale0"});
    const json::object device = box().wait_for_state(port("scale0"), "unsupported");
    EXPECT_THAT(text_at(device, {"reason"}), HasSubstr("no Toledo 8217 is switched on here"));
    EXPECT_EQ(text_at(device, {"type"}), "unsupported");
    const HttpAnswer refused = act(port("scale0"), "read_once");
    EXPECT_EQ(refused.status, 503);
    EXPECT_THAT(text_at(refused.json().as_object(), {"message"}), HasSubstr("no driver serves"));
    EXPECT_FALSE(box().rpc("/hw_proxy/scale_read", {}).contains("result"))
        << "there is no scale for the POS";
    // Six characters ask who is there; after silence nothing else is written.
    EXPECT_GT(scale.bytes_received(), 0u);
    EXPECT_EQ(scale.bytes_received() % 6, 0u);

    scale.switch_on();
    box().wait_for_state(port("scale0"), "ready");
    EXPECT_EQ(scale_read(), 0.5);
}

TEST_F(ASerialScale,
       that_was_known_and_is_off_when_the_box_starts_is_listed_as_an_unreachable_scale) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    ASSERT_EQ(box().stop(), 0);
    scale.switch_off();

    start_serial({"scale0"});
    const json::object device = box().wait_for_state(port("scale0"), "unreachable");
    EXPECT_EQ(text_at(device, {"type"}), "scale");
    EXPECT_EQ(text_at(device, {"driver"}), "toledo8217");
    EXPECT_FALSE(text_at(device, {"reason"}).empty());
    EXPECT_EQ(text_at(scale_status(), {"status"}), "disconnected");
    EXPECT_EQ(scale_read(), std::nullopt);
    EXPECT_THAT(reason_, HasSubstr("check that it is switched on"));

    EventRecorder events{box()};
    const Stopwatch watch;
    scale.switch_on();
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.5); });
    EXPECT_LT(watch.elapsed(), (k_recovery + 500ms) * k_patience);
}

TEST_F(ASerialScale, on_the_no_probe_list_or_ignored_is_never_written_to) {
    SerialScale forbidden{port("scale0")}, ignored{port("scale1")}, hidden{port("hidden")},
        used{port("scale3")};
    start_serial({"scale0", "scale1", "hidden", "scale3"}, "no_probe: [" + port("scale0") + "]",
                 "devices:\n  " + port("scale1") + ": {ignored: true}\n");
    box().wait_for_state(port("scale3"), "ready");
    const json::object device = box().wait_for_state(port("scale0"), "unsupported");
    EXPECT_THAT(text_at(device, {"reason"}), HasSubstr("no-probe list"));
    EXPECT_FALSE(box().device(port("scale1")));
    EXPECT_FALSE(box().device(port("hidden")));
    // The other one is read again and again meanwhile: past the time of a second probe.
    ASSERT_TRUE(eventually([&] { return used.requests() > 250; }));
    EXPECT_EQ(forbidden.bytes_received(), 0u);
    EXPECT_EQ(ignored.bytes_received(), 0u);
    EXPECT_EQ(hidden.bytes_received(), 0u);
}

TEST_F(ASerialScale,
       with_a_pinned_driver_is_served_without_a_probe_and_under_the_name_of_its_owner) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial(
        {"scale0"}, "no_probe: [" + port("scale0") + "]",
        "devices:\n  \"path:" + port("scale0") + "\": {name: \"Counter 1\", driver: toledo8217}\n");
    EventRecorder events{box(), "0"};
    const json::object device = box().wait_for_state(port("scale0"), "ready");
    EXPECT_EQ(text_at(device, {"name"}), "Counter 1");
    EXPECT_EQ(scale_read(), 0.5);
    events.wait_for([&](const auto& e) { return is_state(e, port("scale0"), "ready"); });
    for (const auto& event : events.events())
        EXPECT_FALSE(is_state(event, port("scale0"), "probing"));
}

TEST_F(ASerialScale, that_is_pinned_to_a_driver_that_is_not_there_says_so_and_is_not_written_to) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"}, "", "devices:\n  " + port("scale0") + ": {driver: acme_scale}\n");
    const json::object device = box().wait_for_state(port("scale0"), "unsupported");
    EXPECT_THAT(text_at(device, {"reason"}), HasSubstr("the driver acme_scale is not installed"));
    EXPECT_EQ(scale.bytes_received(), 0u);
}

// ---- processes that die -------------------------------------------------------------------------

TEST_F(ASerialScale,
       whose_driver_is_killed_is_ready_again_without_a_probe_and_without_a_wrong_weight) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    const pid_t host = host_of("toledo8217");
    const Stopwatch watch;
    ASSERT_EQ(::kill(host, SIGKILL), 0);
    const auto down =
        events.wait_for([&](const auto& e) { return is_state(e, port("scale0"), "opening"); });
    EXPECT_THAT(text_at(down, {"data", "reason"}), HasSubstr("SIGKILL"));
    scale.set_weight(0.75);
    events.wait_for([&](const auto& e) { return is_state(e, port("scale0"), "ready"); });
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.75); });
    EXPECT_LT(watch.elapsed(), k_recovery * k_patience);
    EXPECT_EQ(scale_read(), 0.75);
    for (const auto& event : events.events())
        EXPECT_FALSE(is_state(event, port("scale0"), "probing"));
    EXPECT_THAT(events.weights(port("scale0")), Each(testing::AnyOf(0.5, 0.75)));
    const json::object plugin = box().plugin("toledo8217");
    EXPECT_EQ(plugin.at("crashes").to_number<int>(), 1);
    EXPECT_NE(plugin.at("pid").to_number<int>(), host);
}

TEST_F(ASerialScale, whose_driver_is_killed_answers_the_reading_under_way_and_the_one_that_waits) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};

    // Under way: it waits for a load that does not come to rest.
    scale.set_status(0x01);
    events.wait_for([&](const auto& e) { return is_condition(e, port("scale0"), "in_motion"); });
    OdooPage page{box(), "page-1", {port("scale0")}};
    auto under_way =
        std::async(std::launch::async, [&] { return act(port("scale0"), "read_once"); });
    ASSERT_TRUE(eventually([&] {
        return box().get("/metrics").body.find("backplane_http_waiting 3") != std::string::npos;
    })) << "the stream, the reading and the question itself";
    ASSERT_EQ(::kill(host_of("toledo8217"), SIGKILL), 0);
    const HttpAnswer interrupted = under_way.get();
    EXPECT_EQ(interrupted.status, 503);
    EXPECT_THAT(text_at(interrupted.json().as_object(), {"message"}), HasSubstr("SIGKILL"));

    // Waiting: the second and third crash in a row are followed by a pause, in which there is no
    // driver to ask.
    scale.set_weight(0.75);
    for (int crash = 2; crash <= 3; ++crash) {
        box().wait_for_state(port("scale0"), "ready");
        const auto before = events.last_seq();
        ASSERT_EQ(::kill(host_of("toledo8217"), SIGKILL), 0);
        events.wait_for([&](const auto& e) { return is_state(e, port("scale0"), "opening"); },
                        before);
    }
    const HttpAnswer waited = act(port("scale0"), "read_once");
    EXPECT_EQ(waited.status, 200) << waited.body;
    EXPECT_EQ(number_in(waited.json().at("result").as_object(), "weight"), 0.75);
}

TEST_F(ASerialScale, stays_when_the_process_of_its_interface_is_killed_and_is_watched_again) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    ASSERT_EQ(scale_read(), 0.5);
    EventRecorder events{box()};
    const pid_t host = host_of("serial");
    ASSERT_EQ(::kill(host, SIGKILL), 0);
    box().wait_for_plugin("serial", [&](const json::object& plugin) {
        return text_at(plugin, {"state"}) == "running" && plugin.at("pid").to_number<int>() != host;
    });
    scale.set_weight(0.75);
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.75); });
    for (const auto& event : events.events())
        EXPECT_NE(text_at(event, {"kind"}), "device_state") << json::serialize(event);

    scale.unplug();
    ASSERT_TRUE(eventually([&] { return !box().device(port("scale0")); }))
        << "the new process watches the port";
    scale.plug();
    box().wait_for_state(port("scale0"), "ready");
}

TEST_F(ASerialScale, that_is_pulled_while_its_interface_is_dead_has_gone_when_it_is_back) {
    SerialScale scale{port("scale0")}, other{port("scale1")};
    start_serial({"scale0", "scale1"});
    box().wait_for_state(port("scale0"), "ready");
    box().wait_for_state(port("scale1"), "ready");
    const pid_t host = host_of("serial");
    // Stopped first, so that it cannot see what happens before it dies.
    ASSERT_EQ(::kill(host, SIGSTOP), 0);
    scale.unplug();
    ASSERT_EQ(::kill(host, SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return !box().device(port("scale0")); }));
    EXPECT_EQ(text_at(*box().device(port("scale1")), {"state"}), "ready");
}

// ---- actions ------------------------------------------------------------------------------------

TEST_F(ASerialScale, answers_read_once_with_the_weight_after_the_question_never_with_an_older_one) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    for (int grams = 1; grams <= 50; ++grams) {
        scale.set_weight(grams / 1000.0);
        const HttpAnswer answer = act("scale", "read_once");
        ASSERT_EQ(answer.status, 200) << answer.body;
        const json::object reading = answer.json().at("result").as_object();
        EXPECT_EQ(number_in(reading, "weight"), grams / 1000.0);
        EXPECT_TRUE(reading.at("stable").as_bool());
    }
}

TEST_F(ASerialScale, in_motion_answers_read_once_when_the_load_is_at_rest_or_says_that_it_is_not) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    scale.set_status(0x01);
    events.wait_for([&](const auto& e) { return is_condition(e, port("scale0"), "in_motion"); });

    auto reading = std::async(std::launch::async, [&] { return act("scale", "read_once"); });
    EXPECT_EQ(reading.wait_for(300ms), std::future_status::timeout) << "there is no weight yet";
    scale.set_weight(0.75);
    EXPECT_EQ(number_in(reading.get().json().at("result").as_object(), "weight"), 0.75);

    const auto before = events.last_seq();
    scale.set_status(0x01);
    events.wait_for([&](const auto& e) { return is_condition(e, port("scale0"), "in_motion"); },
                    before);
    auto of_the_pos = std::async(std::launch::async, [&] { return scale_read(); });
    const HttpAnswer answer = act("scale", "read_once");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(text_at(answer.json().as_object(), {"message"}), k_in_motion);
    EXPECT_EQ(of_the_pos.get(), std::nullopt);
    EXPECT_EQ(reason_, k_in_motion);
}

TEST_F(ASerialScale, fails_read_once_at_once_with_the_reason_that_waiting_would_not_mend) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    scale.set_status(0x02);
    const Stopwatch watch;
    const HttpAnswer answer = act("scale", "read_once");
    EXPECT_EQ(text_at(answer.json().as_object(), {"message"}),
              "Too heavy for this scale: take something off.");
    EXPECT_EQ(text_at(answer.json().as_object(), {"code"}), "driver.IO");
    EXPECT_LT(watch.elapsed(), 1s * k_patience);
}

TEST_F(ASerialScale, refuses_an_unknown_action_in_words_and_knows_the_four_others) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    const HttpAnswer refused = act("scale", "dance");
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(text_at(refused.json().as_object(), {"message"}),
              "This scale knows no action \"dance\": it knows read_once, start_reading, "
              "stop_reading and get_status.");
    EXPECT_EQ(text_at(refused.json().as_object(), {"code"}), "driver.UNSUPPORTED");
    for (const std::string action : {"start_reading", "stop_reading", "get_status", "read_once"})
        EXPECT_EQ(act("scale", action).status, 200) << action;
}

TEST_F(ASerialScale, read_on_demand_is_left_alone_until_somebody_asks) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"}, "", "drivers:\n  toledo8217: {poll: on_demand}\n");
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    EXPECT_EQ(scale_read(), 0.5);
    const auto requests = scale.requests();
    scale.set_weight(0.75);
    EXPECT_EQ(act("scale", "start_reading").status, 200);
    events.wait_for([&](const auto& e) { return is_weight(e, port("scale0"), 0.75); });
    EXPECT_GT(scale.requests(), requests);
    EXPECT_EQ(act("scale", "stop_reading").status, 200);
    // One question may be under way; then there is none, however long a hundred other requests
    // take.
    const auto after = scale.requests();
    for (int i = 0; i < 100; ++i) box().get("/hw_proxy/hello");
    EXPECT_LE(scale.requests(), after + 1);
}

}  // namespace
}  // namespace backplane::tests
