// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The serial helper against a line that does everything that lines do.
#include <unistd.h>

#include "backplane/driver.hpp"
#include "backplane/serial/serial_exchange.hpp"
#include "backplane/serial/serial_lines.hpp"
#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/fake_port.hpp"
#include "backplane/testkit/matchers.hpp"

namespace {

using namespace std::literals;
using namespace backplane::sdk::serial;
using backplane::sdk::Driver;
using backplane::sdk::Failure;
using backplane::sdk::Host;
using backplane::testkit::FakeHost;
using backplane::testkit::FakePort;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Outcome = Answer::Outcome;

/// Lends its host to the test, which holds the port and the exchange itself.
class Puppet : public Driver {
public:
    explicit Puppet(Host& host) : Driver(host) { lent = &host; }
    ~Puppet() override { lent = nullptr; }
    void start() override {}
    static inline Host* lent = nullptr;
};
BACKPLANE_DRIVER(Puppet)

constexpr LineSettings k_toledo{9600, 7, Parity::even, 1, FlowControl::none};

class ASerialLine : public testing::Test {
protected:
    ASerialLine() {
        if (fake.create() != BP_OK || fake.start() != BP_OK) throw std::runtime_error(fake.error());
    }
    ~ASerialLine() override {
        lines.reset();
        exchange.reset();
        port.reset();
        fake.stop();
        fake.destroy();
        EXPECT_THAT(fake.faults(), IsEmpty());
        for (const auto& line : fake.log()) ADD_FAILURE() << line.text;
    }
    Host& host() { return *Puppet::lent; }
    void open(const LineSettings& line = k_toledo) {
        port.emplace(host(), wire.device(), line,
                     [this](const std::string& reason) { lost.push_back(reason); });
        exchange.emplace(host(), *port);
    }
    void ask(const std::string& bytes, const Framing& framing = Framing::until('\r', 16)) {
        exchange->request(bytes, framing, {300ms, 150ms},
                          [this](Answer answer) { answers.push_back(answer); });
    }
    /// The answer that comes without the clock being moved by more than `limit`.
    Answer answer(backplane::testkit::Duration limit = 2s) {
        const std::size_t before = answers.size();
        if (!fake.advance_until([&] { return answers.size() > before; }, limit))
            throw std::runtime_error("no answer");
        return answers.back();
    }

    FakeHost fake{bp_plugin_entry, "org.backplane.puppet"};
    FakePort wire;
    std::optional<SerialPort> port;
    std::optional<SerialExchange> exchange;
    std::optional<SerialLines> lines;
    std::vector<Answer> answers;
    std::vector<std::string> lost, frames, troubles;
};

// ---- settings ----

TEST_F(ASerialLine, is_set_to_raw_mode_with_marks_for_damaged_bytes) {
    open();
    const termios line = wire.line();
    EXPECT_EQ(::cfgetospeed(&line), speed_t{B9600});
    EXPECT_EQ(line.c_cflag & (CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS), tcflag_t{CS7 | PARENB});
    EXPECT_EQ(line.c_iflag & (INPCK | PARMRK | IGNPAR | ICRNL | IXON), tcflag_t{INPCK | PARMRK});
    EXPECT_EQ(line.c_lflag & (ICANON | ECHO | ISIG), tcflag_t{0});
    EXPECT_EQ(line.c_cc[VMIN], 1);
    EXPECT_THAT(port->applied().not_applied, IsEmpty());
    EXPECT_TRUE(port->applied().marks);
}

TEST_F(ASerialLine, tells_what_the_adapter_did_not_apply_and_works_on) {
    wire.ignore_parity();
    open();
    EXPECT_THAT(port->applied().not_applied, ElementsAre("7 data bits", "even parity"));
    ask("W");
    wire.answer("1.0\r");
    EXPECT_EQ(answer().bytes, "1.0\r");
}

TEST_F(ASerialLine, refuses_a_speed_that_no_port_has) {
    try {
        open({9601, 8, Parity::none, 1, FlowControl::none});
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.status(), BP_E_INVALID);
        EXPECT_THAT(failure.what(), HasSubstr("cannot be set to 9601 baud"));
        EXPECT_THAT(failure.what(), HasSubstr("4800, 9600, 19200"));
    }
}

TEST_F(ASerialLine, says_so_when_the_port_takes_no_settings_at_all) {
    wire.refuse_settings();
    try {
        open();
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.status(), BP_E_IO);
        EXPECT_THAT(failure.what(),
                    HasSubstr("does not take the settings 9600 7E1: Input/output error"));
    }
}

TEST_F(ASerialLine, works_on_a_pseudo_terminal_although_that_has_no_parity) {
    FakePort terminal(FakePort::Kind::terminal);
    fake.follow_real_time(true);
    SerialPort real(host(), terminal.device(), k_toledo,
                    [&](const std::string& reason) { lost.push_back(reason); });
    EXPECT_THAT(real.applied().not_applied, ElementsAre("7 data bits", "even parity"));
    SerialExchange talk(host(), real);
    talk.request("W", Framing::until('\r'), {10s, 10s},
                 [this](Answer got) { answers.push_back(got); });
    ASSERT_TRUE(fake.run_until([&] { return terminal.sent() == "W"; }));
    terminal.answer("\xff 1.0\r");
    ASSERT_TRUE(fake.run_until([&] { return !answers.empty(); }));
    EXPECT_EQ(answers[0].bytes, "\xff 1.0\r") << "the kernel doubles FF, and it is halved again";
    terminal.hang_up();
    ASSERT_TRUE(fake.run_until([&] { return !lost.empty(); }));
    EXPECT_THAT(lost[0], HasSubstr("the serial port is gone: "));
}

TEST_F(ASerialLine, works_over_a_stream_that_has_no_line_settings) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const AppliedLine applied = apply(ends[0], k_toledo);
    EXPECT_FALSE(applied.terminal);
    EXPECT_FALSE(applied.marks);
    EXPECT_THAT(applied.not_applied, ElementsAre("9600 7E1"));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(LineSettingsOfAUser, replace_the_drivers_and_are_checked) {
    const LineSettings line =
        k_toledo.changed_by({{"baud", 4800}, {"parity", "odd"}, {"poll", "on_demand"}});
    EXPECT_EQ(to_string(line), "4800 7O1");
    EXPECT_THROW(k_toledo.changed_by({{"parity", "sometimes"}}), Failure);
    EXPECT_THROW(k_toledo.changed_by({{"baud", "fast"}}), Failure);
    EXPECT_THROW(k_toledo.changed_by({{"baud", -1}}), Failure);
}

TEST(LineSettingsOfAUser, know_what_a_character_takes) {
    EXPECT_EQ(k_toledo.character_time(), 1'041'666ns);
}

// ---- marks ----

TEST(AMarkDecoder, decodes_marks_that_are_split_at_every_byte) {
    const std::string raw = "a\xff\0b\xff\xff\xff\0\0c"s;
    const std::vector<Byte> expected{{'a', Byte::Kind::good},
                                     {'b', Byte::Kind::damaged},
                                     {'\xff', Byte::Kind::good},
                                     {'\0', Byte::Kind::line_break},
                                     {'c', Byte::Kind::good}};
    for (std::size_t split = 0; split <= raw.size(); ++split) {
        MarkDecoder decoder;
        std::vector<Byte> bytes;
        decoder.decode(std::span(raw).first(split), bytes);
        decoder.decode(std::span(raw).subspan(split), bytes);
        EXPECT_EQ(bytes, expected) << "split at " << split;
    }
}

TEST(AMarkDecoder, trusts_no_byte_after_half_a_mark) {
    MarkDecoder decoder;
    std::vector<Byte> bytes;
    decoder.decode(
        "\xff"
        "1"s,
        bytes);
    EXPECT_THAT(bytes, ElementsAre(Byte{'1', Byte::Kind::damaged}));
}

// ---- the port ----

TEST_F(ASerialLine, is_lost_once_after_the_bytes_that_came_before) {
    open();
    ask("W");
    wire.answer("1.0\r");
    wire.hang_up();
    fake.advance(1s);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].bytes, "1.0\r");
    EXPECT_THAT(lost, ElementsAre("the serial port is gone: its other end was closed"));
}

TEST_F(ASerialLine, does_not_end_the_process_when_it_writes_to_a_port_that_has_gone) {
    open();
    wire.hang_up();
    ask("W");
    fake.advance(10ms);
    EXPECT_THAT(lost, ElementsAre(HasSubstr("its other end was closed")));
}

TEST_F(ASerialLine, bounds_what_waits_to_be_sent_and_sends_it_later) {
    open();
    const std::string block(16 * 1024, 'x');
    std::size_t accepted = 0;
    try {
        for (int i = 0; i < 1000; ++i) {
            port->write(block);
            accepted += block.size();
        }
        FAIL() << "nothing bounds the queue";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.status(), BP_E_NO_SPACE);
        EXPECT_THAT(failure.what(), HasSubstr("takes no more"));
    }
    EXPECT_TRUE(fake.advance_until([&] { return wire.sent().size() == accepted; }, 1s));
}

TEST_F(ASerialLine, may_be_closed_from_inside_an_answer) {
    open();
    exchange->request("W", Framing::until('\r'), {300ms, 150ms}, [this](Answer) {
        exchange.reset();
        port.reset();
    });
    wire.answer("1\r2\r");
    fake.advance(1s);
    EXPECT_FALSE(port);
    EXPECT_EQ(fake.watches(), 0u);
    EXPECT_EQ(fake.timers(), 0u);
}

// ---- question and answer ----

TEST_F(ASerialLine, ends_an_exchange_with_the_last_byte_and_waits_for_nothing) {
    open();
    ask("W");
    EXPECT_EQ(wire.take_sent(), "W");
    const auto before = fake.now();
    wire.answer("01.234\r");
    EXPECT_EQ(answer().outcome, Outcome::frame);
    EXPECT_EQ(fake.now(), before);
}

TEST_F(ASerialLine, joins_answers_that_are_split_at_every_byte) {
    const std::string frame = "01.234\r";
    for (std::size_t split = 1; split < frame.size(); ++split) {
        open();
        ask("W");
        wire.answer(frame.substr(0, split));
        fake.after(100ms, [&] { wire.answer(frame.substr(split)); });
        EXPECT_EQ(answer().bytes, frame) << "split at " << split;
        exchange.reset();
        port.reset();
    }
}

TEST_F(ASerialLine, accepts_slow_bytes_up_to_the_deadline) {
    open();
    const std::string frame = "1.234\r";
    for (std::size_t i = 0; i < frame.size(); ++i)
        fake.after(45ms * static_cast<int>(i + 1), [&, i] { wire.answer(frame.substr(i, 1)); });
    ask("W");
    EXPECT_EQ(answer().bytes, frame);
    fake.advance(1s);

    for (int i = 0; i < 10; ++i) fake.after(100ms * (i + 1), [&] { wire.answer("1"); });
    ask("W");
    const auto before = fake.now();
    EXPECT_EQ(answer().outcome, Outcome::garbage)
        << "each pause is short enough, but all together take too long";
    EXPECT_LT(fake.now() - before, 305ms);
}

TEST_F(ASerialLine, gives_up_after_silence) {
    open();
    ask("W");
    const auto before = fake.now();
    EXPECT_EQ(answer().outcome, Outcome::timeout);
    EXPECT_NEAR(static_cast<double>((fake.now() - before).count()), 151e6, 1e6);
}

TEST_F(ASerialLine, drops_what_was_there_before_the_request) {
    open();
    wire.answer("9.999\r");
    fake.advance(10ms);
    wire.answer("8.888\r");
    ask("W");
    wire.answer("1.234\r");
    EXPECT_EQ(answer().bytes, "1.234\r");
}

TEST_F(ASerialLine, hands_out_a_doubled_answer_once) {
    open();
    ask("W");
    wire.answer("1.234\r1.234\r");
    EXPECT_EQ(answer().bytes, "1.234\r");
    fake.advance(1s);
    EXPECT_EQ(answers.size(), 1u);
    ask("W");
    EXPECT_EQ(answer().outcome, Outcome::timeout) << "the second one was not the answer to this";
}

TEST_F(ASerialLine, never_takes_a_late_answer_for_that_of_the_next_request) {
    open();
    ask("W");
    EXPECT_EQ(answer().outcome, Outcome::timeout);
    ask("W");
    fake.after(20ms, [&] { wire.answer("late\r"); });
    fake.after(170ms, [&] { wire.answer("second\r"); });
    EXPECT_EQ(answer().outcome, Outcome::stale);
    ask("W");
    wire.answer("third\r");
    const Answer third = answer();
    EXPECT_EQ(third.outcome, Outcome::frame);
    EXPECT_EQ(third.bytes, "third\r");
}

TEST_F(ASerialLine, also_remembers_a_request_that_was_given_up) {
    open();
    ask("W");
    exchange->cancel();
    ask("W");
    wire.answer("whose?\r");
    EXPECT_EQ(answer().outcome, Outcome::stale);
}

TEST_F(ASerialLine, ends_a_stale_exchange_even_if_the_line_is_never_quiet) {
    open();
    ask("W");
    EXPECT_EQ(answer().outcome, Outcome::timeout);
    ask("W");
    std::function<void()> chatter = [&] {
        wire.answer("x\r");
        fake.after(20ms, chatter);
    };
    chatter();
    EXPECT_EQ(answer(3s).outcome, Outcome::stale);
}

TEST_F(ASerialLine, finds_the_frame_behind_garbage_by_its_first_byte) {
    open();
    ask("W", Framing::until('\r', 16).starting_with('\2'));
    wire.answer(
        "\r\r??1.0\r\2"
        "1.234\r");
    EXPECT_EQ(answer().bytes,
              "\2"
              "1.234\r");
}

TEST_F(ASerialLine, reports_garbage_with_what_came) {
    open();
    ask("W", Framing::until('\r', 16).starting_with('\2'));
    wire.answer("hello");
    const Answer got = answer();
    EXPECT_EQ(got.outcome, Outcome::garbage);
    EXPECT_EQ(got.bytes, "hello");
}

TEST_F(ASerialLine, reports_a_frame_that_becomes_too_long_once_the_line_is_quiet) {
    open();
    ask("W");
    wire.answer(std::string(100, '1'));
    fake.after(20ms, [&] { wire.answer("11\r"); });
    EXPECT_EQ(answer().outcome, Outcome::overflow);
    ask("W");
    wire.answer("1.0\r");
    EXPECT_EQ(answer().bytes, "1.0\r");
}

TEST_F(ASerialLine, keeps_little_of_a_flood) {
    open();
    ask("W", Framing::until('\r', 16).starting_with('\2'));
    std::function<void()> flood = [&] {
        wire.answer(std::string(1000, 'x'));
        fake.after(1ms, flood);
    };
    flood();
    const Answer got = answer(5s);
    EXPECT_EQ(got.outcome, Outcome::garbage);
    EXPECT_EQ(got.bytes, std::string(256, 'x'));
}

TEST_F(ASerialLine, reports_a_damaged_byte_at_every_place_of_a_frame) {
    const std::string frame = "1.234\r";
    for (std::size_t bad = 0; bad < frame.size(); ++bad) {
        open();
        ask("W");
        for (std::size_t i = 0; i < frame.size(); ++i)
            if (i == bad)
                wire.answer_damaged(static_cast<std::uint8_t>(frame[i]));
            else
                wire.answer(frame.substr(i, 1));
        EXPECT_EQ(answer().outcome, Outcome::damaged) << "at " << bad;
        ask("W");
        wire.answer(frame);
        EXPECT_EQ(answer().bytes, frame) << "after damage at " << bad;
        exchange.reset();
        port.reset();
    }
}

TEST_F(ASerialLine, takes_a_break_for_damage) {
    open();
    ask("W");
    wire.answer("1.2");
    wire.answer_break();
    EXPECT_EQ(answer().outcome, Outcome::damaged);
}

TEST_F(ASerialLine, reads_frames_of_fixed_length_whatever_is_in_them) {
    open();
    ask("S", Framing::fixed(4));
    wire.answer("\2?\r\r");
    EXPECT_EQ(answer().bytes, "\2?\r\r");
}

TEST_F(ASerialLine, waits_for_exactly_the_bytes_it_was_told) {
    open();
    ask("E", Framing::exactly("\2E\rhello"));
    wire.answer("\2X\2E\2E\rhel");
    fake.advance(1ms);
    EXPECT_THAT(answers, IsEmpty());
    wire.answer("lo");
    EXPECT_EQ(answer().bytes, "\2E\rhello");
}

TEST_F(ASerialLine, refuses_a_second_request_while_one_is_under_way) {
    open();
    ask("W");
    EXPECT_THROW(ask("W"), Failure);
}

// ---- lines that come by themselves ----

class AContinuousLine : public ASerialLine {
protected:
    void listen() {
        open();
        exchange.reset();
        lines.emplace(
            host(), *port, Framing::until('\n', 12), 100ms,
            [this](std::string frame) { frames.push_back(frame); },
            [this](std::string_view what) { troubles.emplace_back(what); });
    }
};

TEST_F(AContinuousLine, hands_out_frames_however_they_are_split) {
    listen();
    for (const char byte : "1\n22\n333\n"s) {
        wire.answer(std::string(1, byte));
        fake.pump();
    }
    wire.answer("4\n5");
    fake.pump();
    wire.answer("5\n");
    fake.pump();
    EXPECT_THAT(frames, ElementsAre("1\n", "22\n", "333\n", "4\n", "55\n"));
}

TEST_F(AContinuousLine, skips_a_damaged_frame_up_to_its_end) {
    listen();
    wire.answer("1");
    wire.answer_damaged('2');
    wire.answer("3\n4\n");
    fake.pump();
    EXPECT_THAT(frames, ElementsAre("4\n"));
    EXPECT_THAT(troubles, ElementsAre("a byte came with a parity or framing error"));
}

TEST_F(AContinuousLine, skips_a_frame_that_is_too_long) {
    listen();
    wire.answer(std::string(50, '9') + "\n1\n");
    fake.pump();
    EXPECT_THAT(frames, ElementsAre("1\n"));
    EXPECT_THAT(troubles, ElementsAre("a frame became longer than frames are"));
}

TEST_F(AContinuousLine, does_not_join_half_a_frame_with_one_that_comes_later) {
    listen();
    wire.answer("12");
    fake.advance(200ms);
    wire.answer("3.4\n");
    fake.pump();
    EXPECT_THAT(frames, ElementsAre("3.4\n"));
    EXPECT_THAT(troubles, ElementsAre("a frame was not finished"));
}

}  // namespace
