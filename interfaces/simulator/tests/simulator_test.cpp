// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The simulator from both of its ends: actions on one, the pseudo terminal that a driver opens on
// the other. The clock stands still unless a test moves it, so the timing of the line is checked to
// the microsecond.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backplane/interface.hpp"
#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/matchers.hpp"
#include "backplane/unique_fd.hpp"
#include "toledo8217.hpp"

namespace backplane::simulator {
namespace {

using namespace testkit;
using namespace std::string_literals;
using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
namespace json = boost::json;

// 10 bits of 9600 a second.
constexpr auto k_byte = std::chrono::nanoseconds{10'000'000'000 / 9600};

/// The other end of a simulated line, opened as core opens it.
class Port {
public:
    explicit Port(const std::string& path)
        : fd_(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
        if (!fd_) throw std::runtime_error("cannot open " + path);
    }
    int fd() const { return fd_.get(); }
    void write(const std::string& bytes) const {
        ASSERT_EQ(::write(fd_.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    /// All that has arrived. The kernel carries bytes over in the background, and only a read that
    /// finds nothing waits for it to finish: so until nothing is found.
    std::string read() const {
        std::string all;
        std::array<char, 8192> bytes{};
        for (ssize_t size = 0; (size = ::read(fd_.get(), bytes.data(), bytes.size())) > 0;)
            all.append(bytes.data(), static_cast<std::size_t>(size));
        return all;
    }
    bool hung_up() const {
        pollfd ready{fd_.get(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP);
    }

private:
    sdk::UniqueFd fd_;
};

class TheSimulator : public testing::Test {
protected:
    void start(json::object settings = {}) {
        host.set_settings(std::move(settings));
        ASSERT_EQ(host.create(), BP_OK) << host.error();
        ASSERT_EQ(host.start(), BP_OK) << host.error();
        started = true;
    }
    void TearDown() override {
        if (started) {
            host.stop();
            host.destroy();
        }
        EXPECT_THAT(host.faults(), IsEmpty());
    }
    std::string refusal(json::object settings) {
        if (!std::exchange(created, true)) {
            EXPECT_EQ(host.create(), BP_OK) << host.error();
        }
        host.set_settings(std::move(settings));
        EXPECT_EQ(host.start(), BP_E_INVALID);
        return host.error();
    }
    std::string path(const std::string& name = "scale") const {
        const auto it = host.devices().find(name);
        return it == host.devices().end() ? "" : std::string(it->second.at("address").as_string());
    }
    std::optional<ActionResult> act(const std::string& action, json::object data) {
        const auto id = host.action(action, std::move(data));
        host.pump();
        return host.result(id);
    }
    std::optional<ActionResult> set(json::object data) {
        data["name"] = "scale";
        return act("set", std::move(data));
    }
    /// What the scale answers when there is all the time in the world.
    std::string answer(const Port& port, const std::string& request) {
        port.write(request);
        host.advance(1s);
        return port.read();
    }
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const BusReport& report : host.bus())
            out.push_back(report.kind == BusReport::Kind::settled ? "settled"
                          : report.kind == BusReport::Kind::added ? "+" + report.key
                                                                  : "-" + report.key);
        return out;
    }

    FakeHost host{bp_plugin_entry, "org.backplane.simulator"};
    bool started = false, created = false;
};

TEST_F(TheSimulator, reports_one_scale_when_nothing_is_configured) {
    start();
    EXPECT_THAT(told(), ElementsAre("+scale", "settled"));
    const json::object expected{
        {"bus", "serial"},
        {"address", path()},
        {"connection", "serial"},
        {"name", "Simulated scale scale"},
        {"manufacturer", "Backplane"},
        {"model", "Toledo 8217 simulator"},
        {"open", {{"kind", "device_node"}, {"path", path()}}},
        {"properties", {{"simulated", true}, {"kind", "toledo8217"}}},
        {"key", "scale"},
        {"identifier", "simulator:scale"},
        {"stable_id", "simulator:scale"},
    };
    EXPECT_EQ(host.devices().at("scale"), expected) << json::serialize(host.devices().at("scale"));
    EXPECT_THAT(path(), StartsWith("/dev/pts/"));
}

TEST_F(TheSimulator, reports_the_devices_that_are_configured) {
    start({{"devices",
            json::array{json::object{{"name", "b"}, {"kind", "toledo8217"}, {"weight_kg", 2}},
                        json::object{{"name", "a"}}}}});
    EXPECT_THAT(told(), ElementsAre("+a", "+b", "settled"));
    EXPECT_NE(path("a"), path("b"));
    EXPECT_EQ(answer(Port{path("b")}, "W"), "\x02"s + "02.000\r");
}

TEST_F(TheSimulator, refuses_wrong_settings_and_says_what_is_wrong) {
    const auto devices = [](std::initializer_list<json::value_ref> list) {
        return json::object{{"devices", json::array(list)}};
    };
    const auto scale = [](const char* member, const json::value& value) {
        json::object device{{"name", "s"}};
        device[member] = value;
        return device;
    };
    EXPECT_EQ(refusal({{"devices", 1}}), "the setting devices of the simulator is not a list");
    EXPECT_THAT(refusal(devices({1})), HasSubstr("is not an object"));
    EXPECT_EQ(refusal(devices({json::object{}})),
              "a device of the simulator has no name: add \"name\"");
    EXPECT_EQ(refusal(devices({scale("name", "a b")})),
              "\"a b\" cannot name a simulated device: use 1 to 32 letters, digits, - and _");
    EXPECT_EQ(refusal(devices({scale("name", "a"), scale("name", "a")})),
              "two simulated devices are named \"a\": rename one");
    EXPECT_EQ(refusal(devices({scale("kind", "printer")})),
              "simulated device s: there is no kind \"printer\"; there is toledo8217");
    EXPECT_EQ(refusal(devices({scale("baud", 7)})),
              "simulated device s: \"baud\" must be a whole number from 300 "
              "to 115200, not 7");
    EXPECT_THAT(refusal(devices({scale("colour", "red")})),
                HasSubstr("there is no member \"colour\"; there is weight_kg, baud"));
    host.destroy();
}

TEST_F(TheSimulator, answers_a_request_for_the_weight) {
    start();
    EXPECT_EQ(answer(Port{path()}, "W"), "\x02"s + "00.500\r");
}

// The frame of eight bytes follows one byte of request: nine byte times, 9.375 ms, and not a
// microsecond less.
TEST_F(TheSimulator, answers_no_faster_than_a_line_of_9600_baud) {
    start();
    const Port port{path()};
    port.write("W");
    host.pump();
    EXPECT_EQ(port.read(), "") << "the request is still on the line";
    host.advance(k_byte);
    EXPECT_EQ(port.read(), "") << "the request has arrived, the answer begins";
    std::string received;
    for (std::size_t i = 1; i <= 8; ++i) {
        host.advance(k_byte - 1us);
        EXPECT_EQ(port.read(), "") << "byte " << i << " before its time";
        host.advance(1us);
        received += port.read();
        EXPECT_EQ(received.size(), i);
    }
    EXPECT_EQ(received, "\x02"s + "00.500\r");
    EXPECT_EQ(host.timers(), 0u) << "an idle line costs nothing";
}

TEST_F(TheSimulator, is_as_fast_as_the_line_that_is_configured) {
    start({{"devices", json::array{json::object{{"name", "scale"}, {"baud", 4800}}}}});
    const Port port{path()};
    port.write("W");
    host.pump();
    host.advance(k_byte * 18 - 1us);
    EXPECT_EQ(port.read().size(), 7u);
    host.advance(2us);
    EXPECT_EQ(port.read(), "\r");
}

TEST_F(TheSimulator, takes_the_time_of_the_line_for_each_of_many_requests) {
    start();
    const Port port{path()};
    port.write("WWW");
    host.pump();
    // Both directions at once: the third answer ends 1 + 3 * 8 byte times after the first bit.
    host.advance(k_byte * 25 - 1us);
    EXPECT_EQ(port.read().size(), 23u);
    host.advance(1us);
    EXPECT_EQ(port.read(), "\r");
}

TEST_F(TheSimulator, keeps_to_the_line_also_in_real_time) {
    start();
    host.follow_real_time(true);
    const Port port{path()};
    using Clock = std::chrono::steady_clock;
    for (int i = 0; i < 5; ++i) {
        std::string received;
        const auto asked = Clock::now();
        port.write("W");
        ASSERT_TRUE(host.run_until(
            [&] {
                received += port.read();
                return received.size() >= 8;
            },
            30s));
        EXPECT_GE(Clock::now() - asked, k_byte * 9);
        EXPECT_EQ(received, "\x02"s + "00.500\r");
    }
}

TEST_F(TheSimulator, echoes_between_e_and_f) {
    start();
    const Port port{path()};
    EXPECT_EQ(answer(port, "Ehello"), "\x02"s + "E\rhello");
    EXPECT_EQ(answer(port, "WE\r"), "WE\r") << "no command but F counts now";
    EXPECT_EQ(answer(port, "F"), "\x02"s + "F\r");
    EXPECT_EQ(answer(port, "W"), "\x02"s + "00.500\r");
}

TEST_F(TheSimulator, answers_an_unknown_command_with_the_status_bad_command) {
    start();
    const Port port{path()};
    EXPECT_EQ(answer(port, "x"), "\x02"s + "?\x40\r");
    EXPECT_EQ(answer(port, std::string(1, '\0')), "\x02"s + "?\x40\r");
    EXPECT_EQ(answer(port, "\r\n"), "") << "ends of lines are no commands";
}

TEST_F(TheSimulator, writes_weights_as_the_display_of_the_scale) {
    EXPECT_EQ(Toledo8217::weight_text(0), "00.000");
    EXPECT_EQ(Toledo8217::weight_text(0.0004), "00.000");
    EXPECT_EQ(Toledo8217::weight_text(0.0005), "00.001");
    EXPECT_EQ(Toledo8217::weight_text(1.234), "01.234");
    EXPECT_EQ(Toledo8217::weight_text(15.005), "15.005");
    EXPECT_EQ(Toledo8217::weight_text(99.999), "99.999");
}

TEST_F(TheSimulator, gives_a_status_instead_of_a_weight_it_cannot_vouch_for) {
    start();
    const Port port{path()};
    const std::vector<std::pair<const char*, char>> conditions{{"motion", '\x01'},
                                                               {"over_capacity", '\x02'},
                                                               {"under_zero", '\x04'},
                                                               {"not_zeroed", '\x08'}};
    for (const auto& [member, bit] : conditions) {
        EXPECT_THAT(set({{member, true}}), SucceededWith(HasMember(member, true)));
        EXPECT_EQ(answer(port, "W"), "\x02?"s + bit + '\r') << member;
        EXPECT_THAT(set({{member, false}}), SucceededWith(HasMember(member, false)));
    }
    set({{"motion", true}, {"under_zero", true}, {"not_zeroed", true}});
    EXPECT_EQ(answer(port, "W"), "\x02?\r\r"s)
        << "the status is a byte like the one that ends the frame";
    set({{"net", true}});
    EXPECT_EQ(answer(port, "W"), "\x02?\x2d\r"s);
    set({{"motion", false}, {"under_zero", false}, {"not_zeroed", false}});
    EXPECT_EQ(answer(port, "W"), "\x02"s + "00.500N\r");
}

TEST_F(TheSimulator, changes_what_it_is_told_and_answers_with_the_whole_state) {
    start();
    const auto before = host.now().count();
    const auto result = set({{"weight_kg", 1.234}});
    ASSERT_TRUE(result);
    const json::value expected{
        {"name", "scale"},        {"weight_kg", 1.234},  {"motion", false},
        {"over_capacity", false}, {"under_zero", false}, {"not_zeroed", false},
        {"net", false},           {"silent", false},     {"garbage", false},
        {"unplugged", false},     {"delay_ms", 0},       {"baud", 9600},
        {"requests", 0},          {"address", path()},   {"changed_at_ns", before}};
    EXPECT_EQ(result->value, expected) << json::serialize(result->value);
    EXPECT_EQ(answer(Port{path()}, "W"), "\x02"s + "01.234\r");
}

TEST_F(TheSimulator, answers_with_what_was_true_when_the_request_arrived) {
    start();
    const Port port{path()};
    port.write("W");
    host.pump();
    host.advance(k_byte * 3);
    set({{"weight_kg", 9}});
    host.advance(1s);
    EXPECT_EQ(port.read(), "\x02"s + "00.500\r") << "never a mixture of two weights";
}

TEST_F(TheSimulator, refuses_what_it_cannot_be_and_changes_nothing) {
    start();
    EXPECT_THAT(
        set({{"motion", true}, {"weight_kg", "2"}}),
        FailedWith(BP_E_INVALID,
                   "nothing was changed: \"weight_kg\" must be a number from 0 to 99.999 (below "
                   "zero: {\"under_zero\": true}), not \"2\""));
    EXPECT_THAT(set({{"weight_kg", -1}}), FailedWith(BP_E_INVALID, HasSubstr("not -1")));
    EXPECT_THAT(set({{"weight_kg", 100}}), FailedWith(BP_E_INVALID, HasSubstr("from 0 to 99.999")));
    EXPECT_THAT(
        set({{"motion", 1}}),
        FailedWith(BP_E_INVALID, "nothing was changed: \"motion\" must be true or false, not 1"));
    EXPECT_THAT(
        set({{"delay_ms", 1.5}}),
        FailedWith(
            BP_E_INVALID,
            "nothing was changed: \"delay_ms\" must be a whole number from 0 to 60000, not 1.5"));
    EXPECT_THAT(
        set({{"motion", true}, {"wieght_kg", 2}}),
        FailedWith(BP_E_INVALID,
                   "nothing was changed: there is no member \"wieght_kg\"; there is weight_kg, "
                   "motion, over_capacity, under_zero, not_zeroed, net, silent, garbage, "
                   "unplugged, delay_ms"));
    EXPECT_THAT(act("get", {{"name", "scale"}}),
                SucceededWith(AllOf(HasMember("motion", false), HasMember("weight_kg", 0.5))));
}

TEST_F(TheSimulator, refuses_an_unknown_device_and_names_those_it_has) {
    start({{"devices", json::array{json::object{{"name", "a"}}, json::object{{"name", "b"}}}}});
    EXPECT_THAT(act("set", {{"name", "c"}}),
                FailedWith(BP_E_INVALID, "there is no simulated device \"c\"; there is a, b"));
    EXPECT_THAT(act("set", {{"weight_kg", 1}}),
                FailedWith(BP_E_INVALID, "which device is meant? add \"name\"; there is a, b"));
    EXPECT_THAT(act("set", {{"name", 1}}),
                FailedWith(BP_E_INVALID, "\"name\" must be a text, not 1"));
    EXPECT_THAT(act("get", {{"name", "c"}}), FailedWith(BP_E_INVALID, HasSubstr("there is a, b")));
    EXPECT_THAT(
        act("tare", {}),
        FailedWith(BP_E_UNSUPPORTED, "the simulator knows no action \"tare\"; there is set, get"));
}

TEST_F(TheSimulator, never_cuts_a_character_in_half_in_its_messages) {
    start();
    std::string name = "x";
    for (int i = 0; i < 40; ++i) name += "\xc3\xa9";
    EXPECT_THAT(act("get", {{"name", name}}),
                FailedWith(BP_E_INVALID, "there is no simulated device \"" + name.substr(0, 59) +
                                             "...\"; there is scale"));
}

TEST_F(TheSimulator, lists_all_devices) {
    start({{"devices", json::array{json::object{{"name", "a"}},
                                   json::object{{"name", "b"}, {"weight_kg", 3}}}}});
    const auto result = act("get", {});
    ASSERT_TRUE(result);
    ASSERT_EQ(result->status, BP_OK) << result->message;
    const json::array& devices = result->value.at("devices").as_array();
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_THAT(devices[0], HasMember("name", "a"));
    EXPECT_THAT(devices[1], AllOf(HasMember("name", "b"), HasMember("weight_kg", 3),
                                  HasMember("address", path("b"))));
    EXPECT_THAT(act("get", {{"colour", 1}}),
                FailedWith(BP_E_INVALID, HasSubstr("no member \"colour\"")));
}

TEST_F(TheSimulator, counts_the_requests_for_the_weight) {
    start();
    answer(Port{path()}, "WWx");
    EXPECT_THAT(act("get", {{"name", "scale"}}), SucceededWith(HasMember("requests", 2)));
}

TEST_F(TheSimulator, says_nothing_when_it_is_switched_off) {
    start();
    const Port port{path()};
    port.write("EW");
    host.pump();
    host.advance(k_byte * 2);
    EXPECT_EQ(port.read(), "\x02");
    set({{"silent", true}});
    EXPECT_EQ(answer(port, "W").size(), 0u) << "what was on the line breaks off";
    EXPECT_FALSE(port.hung_up()) << "the cable is still plugged in";
    set({{"silent", false}});
    EXPECT_EQ(answer(port, "W"), "\x02"s + "00.500\r") << "the echo is forgotten";
}

TEST_F(TheSimulator, answers_garbage_when_it_is_told_to) {
    start();
    const Port port{path()};
    set({{"garbage", true}});
    EXPECT_EQ(answer(port, "W"), "\x02\x7f\x00?\x07"s);
}

TEST_F(TheSimulator, waits_before_it_answers_when_it_is_told_to) {
    start();
    set({{"delay_ms", 200}});
    const Port port{path()};
    port.write("W");
    host.pump();
    host.advance(200ms + k_byte * 9 - 1us);
    EXPECT_EQ(port.read().size(), 7u);
    host.advance(1us);
    EXPECT_EQ(port.read(), "\r");
}

TEST_F(TheSimulator, can_be_unplugged_in_the_middle_of_an_answer_and_plugged_in_again) {
    start();
    const std::string first = path();
    const Port port{first};
    port.write("W");
    host.pump();
    host.advance(k_byte * 5);
    EXPECT_THAT(set({{"unplugged", true}}), SucceededWith(HasMember("address", nullptr)));
    EXPECT_TRUE(port.hung_up());
    EXPECT_THAT(told(), ElementsAre("+scale", "settled", "-scale"));
    host.advance(1s);

    EXPECT_THAT(set({{"weight_kg", 2}}), SucceededWith(HasMember("unplugged", true)))
        << "it goes on, unseen";
    EXPECT_THAT(set({{"unplugged", false}}), SucceededWith(HasMember("weight_kg", 2)));
    EXPECT_THAT(told(), ElementsAre("+scale", "settled", "-scale", "+scale"));
    EXPECT_EQ(answer(Port{path()}, "W"), "\x02"s + "02.000\r");
    EXPECT_THAT(set({{"unplugged", false}}), SucceededWith(_));
    EXPECT_EQ(told().size(), 4u) << "what is plugged in already is not plugged in again";
}

TEST_F(TheSimulator, stays_on_the_line_when_a_driver_closes_it_and_another_one_opens_it) {
    start();
    {
        const Port port{path()};
        EXPECT_EQ(answer(port, "W"), "\x02"s + "00.500\r");
    }
    host.advance(1s);
    EXPECT_EQ(answer(Port{path()}, "W"), "\x02"s + "00.500\r");
    EXPECT_EQ(host.timers(), 0u);
}

// A driver locks its port with TIOCEXCL. A real port forgets that with the last close, but the
// simulator never closes its own end: without help, nobody but root could open the port again after
// a driver's crash.
TEST_F(TheSimulator, forgets_the_lock_of_a_driver_that_has_closed_the_line) {
    start();
    const Port watcher{path()};
    const auto locked = [&] {
        int exclusive = -1;
        EXPECT_EQ(::ioctl(watcher.fd(), TIOCGEXCL, &exclusive), 0);
        return exclusive != 0;
    };
    {
        const Port driver{path()};
        ASSERT_EQ(::ioctl(driver.fd(), TIOCEXCL), 0);
        host.pump();
        EXPECT_TRUE(locked());
    }
    EXPECT_TRUE(host.run_until([&] { return !locked(); }, 30s));
}

TEST_F(TheSimulator, loses_what_exceeds_a_receiver_without_flow_control_but_lives_on) {
    start();
    const Port port{path()};
    std::size_t written = 0;
    const std::string flood(4096, 'W');
    for (int i = 0; i < 64; ++i) {
        const ssize_t size = ::write(port.fd(), flood.data(), flood.size());
        if (size > 0) written += static_cast<std::size_t>(size);
        host.pump();
    }
    ASSERT_GT(written, 64u * 1024);
    // 4096 bytes of requests and as much of answers are all that there can be on the line.
    host.advance(60s);
    EXPECT_LT(port.read().size(), 64u * 1024);
    EXPECT_EQ(answer(port, "W"), "\x02"s + "00.500\r");
}

TEST_F(TheSimulator, leaves_nothing_behind_when_it_is_stopped_in_the_middle_of_an_answer) {
    start();
    const Port port{path()};
    port.write("W");
    host.pump();
    host.advance(k_byte * 4);
    host.stop();
    EXPECT_TRUE(port.hung_up());
    ASSERT_EQ(host.start(), BP_OK) << host.error();
    EXPECT_EQ(answer(Port{path()}, "W"), "\x02"s + "00.500\r");
}

}  // namespace
}  // namespace backplane::simulator
