// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The whole driver against a simulated scale: what it must never do comes first.
#include <gmock/gmock.h>

#include <deque>

#include "backplane/abi/abi.h"
#include "backplane/device_class/scale.hpp"
#include "backplane/testkit/matchers.hpp"
#include "simulated_scale.hpp"

namespace {

using namespace std::literals;
using namespace backplane::testkit;
using backplane::sdk::ScaleCondition;
using backplane::toledo8217::SimulatedScale;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Lt;
using testing::Not;
using testing::SizeIs;

constexpr const char* k_id = "org.backplane.toledo8217";
constexpr const char* k_unreachable =
    "The scale does not answer: check that it is switched on and its cable is plugged in.";
constexpr const char* k_fault =
    "The scale's answer cannot be understood: check its protocol and line settings.";
constexpr const char* k_motion = "The scale is in motion: wait until the load is at rest.";
constexpr const char* k_over = "Too heavy for this scale: take something off.";

class AToledo8217 : public testing::Test {
protected:
    ~AToledo8217() override {
        if (started_) host.stop();
        if (created_) host.destroy();
        EXPECT_THAT(host.faults(), IsEmpty());
        for (const LogLine& line : host.log()) EXPECT_GT(line.level, BP_LOG_ERROR) << line.text;
    }
    void create() {
        host.set_device(port.device());
        host.allow_concurrent_actions();
        ASSERT_EQ(host.create(), BP_OK) << host.error();
        created_ = true;
    }
    void start(json::object settings = {}) {
        host.set_settings(std::move(settings));
        if (!created_) create();
        ASSERT_EQ(host.start(), BP_OK) << host.error();
        started_ = true;
    }
    void stop() {
        host.stop();
        started_ = false;
    }
    /// The instance has been ended by the test itself.
    void forget() { started_ = created_ = false; }
    /// Until there is such an event, counted from now on.
    template <typename Matcher>
    bool see(const Matcher& data, Duration limit = 2s) {
        host.clear_events();
        return host.advance_until(
            [&] { return testing::Matches(Contains(IsEvent("weight", data)))(host.events()); },
            limit);
    }
    /// All weights that were told, in order.
    std::vector<double> weights() const {
        std::vector<double> out;
        for (const Event& event : host.events())
            if (const auto* weight = event.data.if_contains("weight"))
                out.push_back(weight->to_number<double>());
        return out;
    }
    std::optional<ActionResult> wait_for(ActionId id, Duration limit = 10s) {
        host.advance_until([&] { return host.result(id).has_value(); }, limit);
        return host.result(id);
    }

    FakeHost host{bp_plugin_entry, k_id};
    FakePort port;
    SimulatedScale scale{host, port};

private:
    bool created_ = false, started_ = false;
};

// ---- never a wrong number ----

TEST_F(AToledo8217, never_tells_a_weight_that_lost_a_character_on_the_way) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    for (std::size_t lost = 0; lost < 8; ++lost) {
        scale.drop = lost;
        host.advance(1s);
    }
    EXPECT_THAT(weights(), Each(1.234));
}

TEST_F(AToledo8217, never_tells_the_first_weight_wrong_either) {
    scale.drop = 2;
    start();
    host.advance(1s);
    EXPECT_THAT(weights(), ElementsAre(1.234));
}

TEST_F(AToledo8217, never_tells_half_a_weight) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    for (std::size_t length = 0; length < 8; ++length) {
        scale.cut = length;
        host.advance(700ms);
        scale.cut.reset();
        host.advance(1300ms);
        EXPECT_THAT(weights(), Each(1.234)) << "cut after " << length;
        EXPECT_EQ(host.device_state(), BP_DEVICE_READY) << "cut after " << length;
    }
}

TEST_F(AToledo8217, never_tells_a_weight_with_a_parity_error) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.weight = "07.777";
    scale.damage = 3;
    ASSERT_TRUE(see(HasMember("condition", "fault")));
    EXPECT_THAT(host.events().back().data,
                AllOf(HasNoMember("weight"), HasMember("message", k_fault)));
    EXPECT_THAT(host.reports().back(), IsReport(BP_DEVICE_UNREACHABLE, k_fault));
    EXPECT_THAT(weights(), IsEmpty());
    scale.damage.reset();
    EXPECT_TRUE(see(HasMember("weight", 7.777), 2s));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
}

TEST_F(AToledo8217, forgives_a_single_parity_error_without_a_word) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    for (std::size_t at = 0; at < 8; ++at) {
        scale.damage = at;
        scale.damage_once = true;
        host.advance(1s);
        EXPECT_EQ(scale.damage, std::nullopt);
    }
    EXPECT_THAT(host.events(), SizeIs(1));
    EXPECT_THAT(host.reports(), SizeIs(1));
}

TEST_F(AToledo8217, understands_no_line_with_the_wrong_parity) {
    // Seven bits with odd parity, read as eight bits without: every other character has a bit too
    // many.
    port.ignore_parity();
    scale.raw = "\x02\xb0\x31\xae\x32\xb3\x34\r";
    start();
    ASSERT_TRUE(see(HasMember("condition", "fault")));
    host.advance(5s);
    EXPECT_THAT(weights(), IsEmpty());
}

class AForeignFormat : public AToledo8217, public testing::WithParamInterface<std::string> {};

TEST_P(AForeignFormat, is_reported_as_such_and_never_as_a_weight) {
    scale.raw = GetParam();
    start();
    ASSERT_TRUE(see(HasMember("condition", "fault")));
    EXPECT_THAT(host.reports(), ElementsAre(IsReport(BP_DEVICE_UNREACHABLE, k_fault)));
    EXPECT_THAT(host.log(),
                Contains(testing::Field(&LogLine::text, HasSubstr("cannot be understood"))));
    host.advance(10s);
    EXPECT_THAT(weights(), IsEmpty());
    EXPECT_THAT(host.events(), SizeIs(1)) << "the same fault again is no news";

    scale.raw.reset();
    EXPECT_TRUE(see(HasMember("weight", 1.234), 2s));
}

INSTANTIATE_TEST_SUITE_P(OfAnotherScale, AForeignFormat,
                         testing::Values("ST,GS,   1.234kg\r\n", "\x02 1.234kg\r",
                                         "\x02"
                                         "1,234\r",
                                         "\x02-1.234\r",
                                         "\x02"
                                         "1.2.34\r",
                                         "\x02"
                                         "123456789\r",
                                         "  1.234 kg\r\n",
                                         "\x02"
                                         "E\rhello",
                                         std::string(300, '\x02'), std::string(300, '7'),
                                         "\x02"
                                         "1.234",
                                         "\x02\xff\x00?\x07"s));

TEST_F(AToledo8217, never_tells_a_weight_that_was_measured_for_an_earlier_question) {
    scale.delay = 170ms;  // later than the driver waits
    start();
    for (int i = 0; i < 20; ++i) {
        scale.weight = "0" + std::to_string(i % 10) + ".000";
        host.advance(400ms);
    }
    EXPECT_THAT(weights(), IsEmpty());
    scale.delay = 0ms;
    scale.weight = "05.555";
    host.advance(2s);
    EXPECT_THAT(weights(), Contains(5.555));
    EXPECT_EQ(weights().back(), 5.555);
}

TEST_F(AToledo8217, says_that_it_does_not_understand_a_scale_that_writes_each_weight_differently) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    // The scale above is replaced by one that alternates.
    bool odd = false;
    host.on_readable(port.peer(), [&] {
        for (const char byte : port.take_sent())
            if (byte == 'W')
                port.answer((odd = !odd) ? "\x02"
                                           "9.999\r"
                                         : "\x02"
                                           "10.001\r");
    });
    ASSERT_TRUE(see(HasMember("condition", "fault")));
    EXPECT_THAT(weights(), IsEmpty());
}

// ---- the line fails ----

TEST_F(AToledo8217,
       reports_the_device_as_lost_when_the_cable_is_pulled_in_the_middle_of_an_answer) {
    for (std::size_t at = 0; at < 8; ++at) {
        FakeHost one(bp_plugin_entry, k_id);
        FakePort wire;
        SimulatedScale here(one, wire);
        one.set_device(wire.device());
        ASSERT_EQ(one.create(), BP_OK);
        ASSERT_EQ(one.start(), BP_OK);
        one.advance(100ms);
        here.weight = "09.999";
        here.pull_at = at;
        const ActionId id = one.action("read_once");
        one.advance(100ms);
        EXPECT_THAT(one.reports().back(),
                    IsReport(BP_DEVICE_LOST, "the serial port is gone: its other end was closed"));
        EXPECT_THAT(one.result(id), FailedWith(BP_E_NO_DEVICE, k_unreachable));
        EXPECT_THAT(one.events().back().data,
                    AllOf(HasMember("condition", "unreachable"), HasNoMember("weight")));
        EXPECT_THAT(one.events(), Not(Contains(IsEvent("weight", HasMember("weight", 9.999)))));
        EXPECT_THAT(one.result(one.action("read_once")), FailedWith(BP_E_NO_DEVICE, k_unreachable));
        one.stop();
        one.destroy();
        EXPECT_THAT(one.faults(), IsEmpty());
    }
}

TEST_F(AToledo8217, is_unreachable_one_second_after_it_is_switched_off_and_back_within_two) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.on = false;
    const auto off = host.now();
    ASSERT_TRUE(see(HasMember("condition", "unreachable")));
    EXPECT_LT(host.now() - off, 1300ms);
    EXPECT_GT(host.now() - off, 900ms);
    EXPECT_THAT(
        host.events(),
        ElementsAre(IsEvent("weight", AllOf(HasNoMember("weight"), HasMember("stable", false),
                                            HasMember("message", k_unreachable)))));
    EXPECT_THAT(host.reports().back(), IsReport(BP_DEVICE_UNREACHABLE, k_unreachable));
    host.advance(1min);
    EXPECT_THAT(host.events(), SizeIs(1));
    EXPECT_THAT(host.reports(), SizeIs(2));

    scale.on = true;
    scale.weight = "02.500";
    EXPECT_TRUE(see(HasMember("weight", 2.5), 2s));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
    EXPECT_THAT(weights(), ElementsAre(2.5));
}

TEST_F(AToledo8217, is_unreachable_when_it_never_answers) {
    scale.on = false;
    start();
    ASSERT_TRUE(
        host.advance_until([&] { return host.device_state() == BP_DEVICE_UNREACHABLE; }, 1300ms));
    EXPECT_EQ(host.reports().back().reason, k_unreachable);
}

TEST_F(AToledo8217, recovers_from_an_echo_that_was_left_on) {
    scale.echo = true;
    start();
    EXPECT_TRUE(see(HasMember("weight", 1.234), 2s));
    EXPECT_FALSE(scale.echo);
}

TEST_F(AToledo8217, does_not_take_a_plug_that_sends_everything_back_for_a_scale) {
    host.on_readable(port.peer(), [&] { port.answer(port.take_sent()); });
    start();
    host.advance(10s);
    EXPECT_THAT(host.reports(), ElementsAre(IsReport(BP_DEVICE_UNREACHABLE, k_fault)));
    EXPECT_LT(port.sent().size(), 100u) << "and does not flood it";
}

TEST_F(AToledo8217, does_not_start_with_settings_that_no_port_has) {
    host.set_settings({{"baud", 12345}});
    create();
    EXPECT_EQ(host.start(), BP_E_INVALID);
    EXPECT_THAT(host.error(), HasSubstr("cannot be set to 12345 baud"));
}

TEST_F(AToledo8217, does_not_start_without_a_port) {
    FakeHost bare(bp_plugin_entry, k_id);
    ASSERT_EQ(bare.create(), BP_OK);
    EXPECT_EQ(bare.start(), BP_E_NO_DEVICE);
    EXPECT_EQ(bare.error(), "the serial port of the scale was not opened");
}

// ---- the probe ----

TEST_F(AToledo8217, is_found_by_its_echo_without_waiting) {
    create();
    const auto before = host.now();
    const ProbeResult result = host.probe();
    EXPECT_EQ(result.verdict, BP_PROBE_CLAIM) << result.reason;
    EXPECT_LT(host.now() - before, 40ms);
    EXPECT_EQ(port.sent(), "EhelloF");
    EXPECT_FALSE(scale.echo);
    EXPECT_EQ(host.timers() + host.watches(), 0u);
    const termios line = port.line();
    EXPECT_EQ(line.c_cflag & (CSIZE | PARENB | PARODD | CSTOPB), tcflag_t{CS7 | PARENB});
    EXPECT_EQ(::cfgetospeed(&line), speed_t{B9600});

    start();
    EXPECT_TRUE(see(HasMember("weight", 1.234)));
    EXPECT_THAT(port.sent(), Not(HasSubstr("hello"
                                           "F"
                                           "E")))
        << "a known device is not probed again";
}

TEST_F(AToledo8217, is_found_although_an_interrupted_session_has_left_its_echo_on) {
    scale.echo = true;
    create();
    EXPECT_EQ(host.probe(1500ms).verdict, BP_PROBE_CLAIM);
    EXPECT_EQ(port.sent(), "EhelloFEhelloF");
}

TEST_F(AToledo8217, is_not_found_where_nothing_answers_and_nothing_more_is_written_there) {
    scale.on = false;
    create();
    const ProbeResult result = host.probe();
    EXPECT_EQ(result.verdict, BP_PROBE_NO_MATCH);
    EXPECT_EQ(
        result.reason,
        "nothing answered the echo test: no Toledo 8217 is switched on here, or it is not set to "
        "9600 7E1");
    EXPECT_EQ(port.sent(), "Ehello");
}

TEST_F(AToledo8217, is_not_found_in_a_device_that_says_something_else) {
    host.on_readable(port.peer(), [&] {
        if (!port.take_sent().empty()) port.answer("ERROR\r\n");
    });
    create();
    const ProbeResult result = host.probe();
    EXPECT_EQ(result.verdict, BP_PROBE_NO_MATCH);
    EXPECT_EQ(result.reason,
              "something answered, but not as a Toledo 8217 does: 45 52 52 4F 52 0D 0A");
    EXPECT_EQ(port.sent(), "EhelloF");
}

TEST_F(AToledo8217, is_not_found_in_a_plug_that_sends_everything_back) {
    host.on_readable(port.peer(), [&] { port.answer(port.take_sent()); });
    create();
    EXPECT_EQ(host.probe(1500ms).verdict, BP_PROBE_NO_MATCH);
}

TEST_F(AToledo8217, is_not_found_where_the_echo_has_a_wrong_letter) {
    host.on_readable(port.peer(), [&] {
        if (port.take_sent() == "Ehello")
            port.answer(
                "\x02"
                "E\rhallo");
    });
    create();
    EXPECT_EQ(host.probe().verdict, BP_PROBE_NO_MATCH);
}

TEST_F(AToledo8217, is_not_found_on_a_line_with_parity_errors) {
    host.on_readable(port.peer(), [&] {
        if (!port.take_sent().empty()) port.answer_damaged(0x02);
    });
    create();
    const ProbeResult result = host.probe();
    EXPECT_EQ(result.verdict, BP_PROBE_NO_MATCH);
    EXPECT_EQ(result.reason, "something answered with parity errors at 9600 7E1");
}

TEST_F(AToledo8217, ends_the_probe_when_the_cable_is_pulled) {
    host.on_readable(port.peer(), [&] {
        if (port.take_sent().empty()) return;
        port.answer(
            "\x02"
            "E");
        host.forget_readable(port.peer());
        port.hang_up();
    });
    create();
    const ProbeResult result = host.probe();
    EXPECT_EQ(result.verdict, BP_PROBE_NO_MATCH);
    EXPECT_THAT(result.reason, HasSubstr("the serial port is gone"));
}

TEST_F(AToledo8217, leaves_nothing_behind_when_its_probe_is_cancelled) {
    scale.on = false;
    create();
    EXPECT_EQ(host.probe(10ms).verdict, 0);
    EXPECT_EQ(host.timers() + host.watches(), 0u);
}

// ---- reading ----

TEST_F(AToledo8217, tells_a_weight_when_it_changes_and_only_then) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    EXPECT_THAT(
        host.events(),
        ElementsAre(IsEvent("weight", AllOf(HasMember("unit", "kg"), HasMember("condition", "ok"),
                                            HasMember("stable", true), HasMember("net", false),
                                            HasMember("message", "")))));
    EXPECT_EQ(host.events()[0].flags, BP_EVENT_TRANSIENT);
    EXPECT_THAT(host.reports(), ElementsAre(IsReport(BP_DEVICE_READY, "")));
    EXPECT_THAT(host.descriptions(),
                ElementsAre(AllOf(HasMember("manufacturer", "Toledo"), HasMember("model", "8217"),
                                  HasMember("type", "scale"))));
    host.advance(10s);
    EXPECT_THAT(host.events(), SizeIs(1));
    scale.weight = "01.234N";
    EXPECT_TRUE(see(AllOf(HasMember("weight", 1.234), HasMember("net", true)), 100ms));
}

TEST_F(AToledo8217, reads_as_fast_as_the_line_allows) {
    start();
    host.advance(1s);
    // 1 character there and 8 back are 9.4 ms.
    EXPECT_THAT(scale.questions.size(), AllOf(Gt(100u), Le(107u)));
    scale.weight = "02.000";
    EXPECT_TRUE(see(HasMember("weight", 2.0), 25ms));
}

TEST_F(AToledo8217, does_not_spin_on_a_line_that_takes_no_time) {
    host.on_readable(port.peer(), [&] {
        for (const char byte : port.take_sent())
            if (byte == 'W')
                port.answer(
                    "\x02"
                    "01.234\r");
    });
    start();
    host.advance(1s);
    EXPECT_THAT(port.sent().size(), AllOf(Gt(90u), Lt(110u)));
}

struct StatusCase {
    std::uint8_t status;
    const char* condition;
    const char* message;
};
class AStatusByte : public AToledo8217, public testing::WithParamInterface<StatusCase> {};

TEST_P(AStatusByte, takes_the_weight_away_and_tells_the_reason) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.status = GetParam().status;
    ASSERT_TRUE(see(HasMember("condition", GetParam().condition), 100ms));
    EXPECT_THAT(
        host.events(),
        ElementsAre(IsEvent("weight", AllOf(HasNoMember("weight"), HasMember("stable", false),
                                            HasMember("message", GetParam().message)))));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
    scale.status.reset();
    EXPECT_TRUE(see(HasMember("weight", 1.234), 100ms));
}

INSTANTIATE_TEST_SUITE_P(
    OfTheScale, AStatusByte,
    testing::Values(
        StatusCase{0x01, "in_motion", k_motion}, StatusCase{0x02, "over_capacity", k_over},
        StatusCase{0x04, "under_zero", "The scale is below zero: empty the platter and zero it."},
        StatusCase{0x08, "not_zeroed",
                   "The scale cannot find its zero: empty the platter and switch it off and on."},
        StatusCase{0x40, "fault", k_fault}, StatusCase{0x41, "in_motion", k_motion},
        StatusCase{0x03, "over_capacity", k_over}, StatusCase{0x31, "in_motion", k_motion},
        // The status byte is a carriage return.
        StatusCase{0x0D, "under_zero", "The scale is below zero: empty the platter and zero it."},
        StatusCase{0x81, "in_motion", k_motion}));

TEST_F(AToledo8217, asks_again_when_a_status_says_nothing_against_a_weight) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.status = 0x10;
    host.advance(50ms);
    scale.status.reset();
    host.advance(500ms);
    EXPECT_THAT(host.events(), SizeIs(1));
    scale.status = 0x30;
    EXPECT_TRUE(see(HasMember("condition", "fault"))) << "but not for ever";
}

TEST_F(AToledo8217, needs_no_permission_of_its_own_for_two_lives) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    stop();
    start();
    EXPECT_TRUE(see(HasMember("weight", 1.234))) << "a second life begins with a first event";
}

TEST_F(AToledo8217, reads_several_scales_at_once_and_mixes_nothing_up) {
    struct Place {
        FakeHost host{bp_plugin_entry, k_id};
        FakePort port;
        SimulatedScale scale{host, port};
    };
    std::deque<Place> places(4);
    for (std::size_t i = 0; i < places.size(); ++i) {
        Place& place = places[i];
        place.scale.weight = "0" + std::to_string(i) + ".500";
        place.host.set_device(place.port.device());
        ASSERT_EQ(place.host.create(), BP_OK);
        ASSERT_EQ(place.host.start(), BP_OK);
    }
    places[2].scale.status = 0x01;
    places[3].scale.on = false;
    for (int i = 0; i < 300; ++i)
        for (Place& place : places) place.host.advance(5ms);
    EXPECT_THAT(places[0].host.events(), ElementsAre(IsEvent("weight", HasMember("weight", 0.5))));
    EXPECT_THAT(places[1].host.events(), ElementsAre(IsEvent("weight", HasMember("weight", 1.5))));
    EXPECT_THAT(places[2].host.events(),
                ElementsAre(IsEvent("weight", HasMember("condition", "in_motion"))));
    EXPECT_THAT(places[3].host.events(),
                ElementsAre(IsEvent("weight", HasMember("condition", "unreachable"))));
    for (Place& place : places) {
        place.host.stop();
        place.host.destroy();
        EXPECT_THAT(place.host.faults(), IsEmpty());
    }
}

TEST_F(AToledo8217, works_on_a_real_terminal_in_real_time) {
    FakePort terminal(FakePort::Kind::terminal);
    FakeHost real(bp_plugin_entry, k_id);
    SimulatedScale there(real, terminal);
    real.follow_real_time(true);
    real.set_device(terminal.device());
    ASSERT_EQ(real.create(), BP_OK);
    // A loaded machine may be late: then the driver asks again, and only the end counts.
    ASSERT_EQ(real.probe_real_time(10s).verdict, BP_PROBE_CLAIM);
    ASSERT_EQ(real.start(), BP_OK);
    const auto sees = [&](double weight) {
        return real.run_until(
            [&] {
                return !real.events().empty() &&
                       testing::Matches(HasMember("weight", weight))(real.events().back().data);
            },
            20s);
    };
    EXPECT_TRUE(sees(1.234));
    there.weight = "09.990";
    EXPECT_TRUE(sees(9.99));
    real.forget_readable(terminal.peer());
    terminal.hang_up();
    EXPECT_TRUE(real.run_until([&] { return real.device_state() == BP_DEVICE_LOST; }, 20s));
    real.stop();
    real.destroy();
    EXPECT_THAT(real.faults(), IsEmpty());
}

// ---- actions ----

TEST_F(AToledo8217, answers_read_once_with_a_weight_that_was_measured_afterwards) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    host.advance(3ms);  // a question is under way, and its answer already measured
    const ActionId id = host.action("read_once");
    const auto asked = host.now();
    scale.weight = "03.210";
    const auto result = wait_for(id);
    EXPECT_THAT(result, SucceededWith(AllOf(HasMember("weight", 3.21), HasMember("stable", true))));
    EXPECT_GT(scale.questions.back(), asked);
    EXPECT_LT(host.now() - asked, 40ms);
}

TEST_F(AToledo8217, waits_with_read_once_until_the_load_is_at_rest) {
    scale.status = 0x01;
    start();
    const ActionId id = host.action("read_once");
    host.advance(3s);
    EXPECT_EQ(host.result(id), std::nullopt);
    scale.status.reset();
    EXPECT_THAT(wait_for(id, 100ms), SucceededWith(HasMember("weight", 1.234)));
}

TEST_F(AToledo8217, gives_read_once_up_when_the_load_does_not_come_to_rest) {
    scale.status = 0x01;
    start();
    const ActionId patient = host.action("read_once", {}, {}, 1h);
    const ActionId hasty = host.action("read_once", {}, {}, 1s);
    host.advance(999ms);
    EXPECT_THAT(host.result(hasty), FailedWith(BP_E_BUSY, k_motion))
        << "before its deadline, so that the reason arrives";
    EXPECT_EQ(host.result(patient), std::nullopt);
    host.advance(4s + 2ms);
    EXPECT_THAT(host.result(patient), FailedWith(BP_E_BUSY, k_motion));
}

TEST_F(AToledo8217, fails_read_once_at_once_with_the_reason) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.status = 0x02;
    EXPECT_THAT(wait_for(host.action("read_once"), 100ms), FailedWith(BP_E_IO, k_over));
    scale.status = 0x04;
    EXPECT_THAT(wait_for(host.action("read_once"), 100ms),
                FailedWith(BP_E_IO, HasSubstr("below zero")));
}

TEST_F(AToledo8217, fails_read_once_of_a_scale_that_is_switched_off) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.on = false;
    EXPECT_THAT(wait_for(host.action("read_once"), 1300ms),
                FailedWith(BP_E_NO_DEVICE, k_unreachable));
    EXPECT_THAT(wait_for(host.action("read_once"), 300ms),
                FailedWith(BP_E_NO_DEVICE, k_unreachable))
        << "and faster once it is known to be off";
}

TEST_F(AToledo8217, answers_many_who_ask_at_the_same_time) {
    start();
    std::vector<ActionId> ids;
    for (int i = 0; i < 64; ++i) ids.push_back(host.action("read_once"));
    EXPECT_THAT(host.result(host.action("read_once")),
                FailedWith(BP_E_NO_SPACE, HasSubstr("Too many")));
    host.advance(100ms);
    for (const ActionId id : ids)
        EXPECT_THAT(host.result(id), SucceededWith(HasMember("weight", 1.234)));
}

TEST_F(AToledo8217, answers_get_status_whatever_the_scale_says) {
    start();
    EXPECT_THAT(wait_for(host.action("get_status"), 100ms),
                SucceededWith(HasMember("weight", 1.234)));
    scale.status = 0x01;
    EXPECT_THAT(wait_for(host.action("get_status"), 100ms),
                SucceededWith(HasMember("condition", "in_motion")));
    scale.on = false;
    EXPECT_THAT(wait_for(host.action("get_status"), 1300ms),
                SucceededWith(HasMember("condition", "unreachable")));
}

TEST_F(AToledo8217, sends_the_present_reading_again_when_reading_is_started) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    const ActionId id = host.action("start_reading");
    EXPECT_THAT(host.result(id), SucceededWith(Eq(json::value())));
    EXPECT_TRUE(see(HasMember("weight", 1.234), 50ms));
    EXPECT_THAT(host.result(host.action("stop_reading")), SucceededWith(Eq(json::value())));
    scale.weight = "02.000";
    EXPECT_TRUE(see(HasMember("weight", 2.0), 50ms)) << "a continuous scale goes on";
}

TEST_F(AToledo8217, refuses_an_action_that_it_does_not_know) {
    start();
    EXPECT_THAT(
        host.result(host.action("tare")),
        FailedWith(BP_E_UNSUPPORTED,
                   "This scale knows no action \"tare\": it knows read_once, start_reading, "
                   "stop_reading and get_status."));
}

TEST_F(AToledo8217, gives_a_reading_up_when_it_is_cancelled) {
    scale.status = 0x01;
    start();
    const ActionId id = host.action("read_once");
    host.advance(100ms);
    host.cancel(id);
    EXPECT_THAT(host.result(id),
                FailedWith(BP_E_CANCELLED, "The reading was given up: "s + k_motion));
}

TEST_F(AToledo8217, answers_who_waits_when_it_is_stopped) {
    scale.status = 0x01;
    start();
    const ActionId id = host.action("read_once");
    stop();
    EXPECT_THAT(host.result(id), FailedWith(BP_E_CANCELLED, HasSubstr("being stopped")));
}

// ---- only when asked ----

// ---- the hand-over to another version ----

TEST_F(AToledo8217, does_not_tell_a_weight_again_that_its_predecessor_has_told) {
    start();
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    const auto left = host.quiesce();
    host.destroy();
    ASSERT_TRUE(left.has_value());

    FakeHost next{bp_plugin_entry, k_id};
    FakePort next_port;
    SimulatedScale same{next, next_port};
    next.set_device(next_port.device());
    ASSERT_EQ(next.create(), BP_OK);
    ASSERT_EQ(next.restore(*left), BP_OK) << next.error();
    ASSERT_EQ(next.start(), BP_OK) << next.error();
    next.advance(1s);
    EXPECT_THAT(next.events(), IsEmpty()) << "the weight is the same";
    EXPECT_EQ(next.device_state(), BP_DEVICE_READY);
    same.weight = "02.000";
    next.advance(100ms);
    EXPECT_THAT(next.events(), ElementsAre(IsEvent("weight", HasMember("weight", 2.0))));
    next.stop();
    next.destroy();
    EXPECT_THAT(next.faults(), IsEmpty());
    forget();
}

TEST_F(AToledo8217, tells_the_weight_that_has_changed_during_the_hand_over_with_the_first_answer) {
    start({{"poll", "on_demand"}});
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    ASSERT_TRUE(host.quiesce().has_value());
    scale.weight = "02.000";
    host.clear_events();
    const std::size_t before = scale.questions.size();
    ASSERT_EQ(host.start(), BP_OK) << "the successor has failed, and this one goes on";
    ASSERT_TRUE(host.advance_until([&] { return !host.events().empty(); }, 1s));
    EXPECT_THAT(weights(), ElementsAre(2.0));
    EXPECT_EQ(scale.questions.size() - before, 1u);
}

TEST_F(AToledo8217, goes_on_reading_for_those_who_read_before_the_hand_over) {
    start({{"poll", "on_demand"}});
    host.action("start_reading");
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    ASSERT_TRUE(host.quiesce().has_value());
    ASSERT_EQ(host.start(), BP_OK);
    host.advance(100ms);
    scale.weight = "03.000";
    EXPECT_TRUE(see(HasMember("weight", 3.0), 200ms));
}

TEST_F(AToledo8217, starts_afresh_when_the_state_of_its_predecessor_is_damaged_or_newer) {
    create();
    EXPECT_EQ(host.restore({2, {'{', '}'}}), BP_E_UNSUPPORTED);
    EXPECT_EQ(host.restore({1, {'{'}}), BP_E_INVALID);
    EXPECT_EQ(host.error(), "the state of the predecessor is damaged: it is not a JSON object");
    start();
    EXPECT_TRUE(see(HasMember("weight", 1.234)));
}

TEST_F(AToledo8217, on_demand_is_quiet_after_the_first_reading) {
    start({{"poll", "on_demand"}});
    EXPECT_TRUE(see(HasMember("weight", 1.234)));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
    const std::size_t before = scale.questions.size();
    scale.weight = "02.000";
    host.advance(1min);
    EXPECT_EQ(scale.questions.size(), before);
    EXPECT_THAT(wait_for(host.action("read_once"), 100ms), SucceededWith(HasMember("weight", 2.0)));
    host.advance(1min);
    EXPECT_LE(scale.questions.size(), before + 2);
}

TEST_F(AToledo8217, on_demand_reads_between_start_and_stop) {
    start({{"poll", "on_demand"}});
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.weight = "02.000";
    host.action("start_reading");
    EXPECT_TRUE(see(HasMember("weight", 2.0), 100ms));
    scale.weight = "03.000";
    EXPECT_TRUE(see(HasMember("weight", 3.0), 100ms));
    host.action("stop_reading");
    host.advance(100ms);
    const std::size_t before = scale.questions.size();
    host.advance(10s);
    EXPECT_EQ(scale.questions.size(), before);
}

TEST_F(AToledo8217, on_demand_looks_for_the_scale_until_it_is_back) {
    start({{"poll", "on_demand"}});
    ASSERT_TRUE(see(HasMember("weight", 1.234)));
    scale.on = false;
    EXPECT_THAT(wait_for(host.action("read_once")), FailedWith(BP_E_NO_DEVICE, k_unreachable));
    scale.on = true;
    EXPECT_TRUE(host.advance_until([&] { return host.device_state() == BP_DEVICE_READY; }, 2s));
}

}  // namespace
