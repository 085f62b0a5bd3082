// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Driver of scales that speak the Toledo 8217 protocol: asks "W" again and again, and tells what
// comes.
//
// What must stay true: a weight goes out only when the scale vouches for it, and a weight that a
// person asked for was measured after the question. Everything doubtful (damage, garbage, a late
// answer, an unusual layout) costs one more question, which is 10 ms, and never a wrong number.
#include "backplane/driver.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backplane/device_class/scale.hpp"
#include "backplane/serial/serial_exchange.hpp"
#include "decoder.hpp"
#include "kept_state.hpp"

namespace backplane::toledo8217 {
namespace {

using namespace std::chrono_literals;
using sdk::ActionId;
using sdk::ScaleCondition;
using sdk::ScaleReading;
using sdk::TimePoint;
using sdk::serial::Answer;
using sdk::serial::Framing;
using sdk::serial::Timing;
using Outcome = sdk::serial::Answer::Outcome;
namespace json = sdk::json;

constexpr sdk::serial::LineSettings k_line{9600, 7, sdk::serial::Parity::even, 1,
                                           sdk::serial::FlowControl::none};

// A whole answer takes 10 ms at 9600 baud; USB adapters and slow scales add some tens.
constexpr Timing k_weight_timing{300ms, 150ms};
constexpr Timing k_echo_timing{300ms, 150ms};
constexpr Timing k_echo_off_timing{100ms, 100ms};

constexpr auto k_retry_pause = 250ms;
constexpr auto k_down_after = 1s;    // without a usable answer
constexpr auto k_longest_wait = 5s;  // of read_once for the load to come to rest
constexpr int k_max_layout_changes = 10;
constexpr std::size_t k_max_reads = 64;

const std::string k_echo_answer =
    "\x02"
    "E\rhello";
const std::string k_echo_off_answer =
    "\x02"
    "F\r";

bp_status status_of(ScaleCondition condition) {
    switch (condition) {
        case ScaleCondition::in_motion:
            return BP_E_BUSY;
        case ScaleCondition::unreachable:
            return BP_E_NO_DEVICE;
        default:
            return BP_E_IO;
    }
}

std::string hex(std::string_view bytes) {
    static constexpr char k_digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char byte : bytes.substr(0, 16)) {
        const auto value = static_cast<unsigned char>(byte);
        if (!out.empty()) out += ' ';
        out += k_digits[value >> 4];
        out += k_digits[value & 0xf];
    }
    return bytes.size() > 16 ? out + " …" : out;
}

class Scale : public sdk::Driver {
public:
    explicit Scale(sdk::Host& host)
        : Driver(host),
          next_question_(host, [this] { ask(); }),
          patience_(host, [this] { end_of_patience(); }) {}

    // ---- probe ----

    /// "E" switches an echo on, "F" off again: what comes back in between is ours, and no other
    /// device does that.
    void probe() {
        open([this](const std::string& reason) { end_probe(false, reason); });
        say_hello(true);
    }
    void cancel_probe() { close(); }

    // ---- life ----

    void start() override {
        const json::object settings = host().settings();
        const json::value* poll = settings.if_contains("poll");
        continuous_ = !(poll && *poll == "on_demand");
        Kept kept = std::exchange(kept_, {});
        reading_ = kept.reading;
        last_ = kept.last;
        layout_ = kept.layout;
        layout_changes_ = 0;
        failing_since_.reset();
        failures_ = 0;
        reported_.reset();
        describe({{"name", "Toledo 8217"},
                  {"manufacturer", "Toledo"},
                  {"model", "8217"},
                  {"type", "scale"}});
        open([this](const std::string& reason) { lost(reason); });
        ask();
    }
    void stop() override {
        close();
        next_question_.cancel();
        patience_.cancel();
        for (Read& read : take_reads([](const Read&) { return true; }))
            read.action.fail(BP_E_CANCELLED, "The scale is being stopped: try again in a moment.");
    }

    // ---- hand-over to another version ----

    /// What the successor would otherwise tell again, or have to find out again: what was told last,
    /// how this scale writes, and that somebody is reading.
    static constexpr std::uint32_t k_state_version = k_kept_version;
    std::vector<std::uint8_t> save_state() {
        kept_ = {reading_, layout_, last_};  // for ourselves, should the successor fail
        return to_bytes(kept_);
    }
    bool restore_state(std::uint32_t version, std::span<const std::uint8_t> state) {
        if (version != k_kept_version) return false;
        kept_ = kept_from(state);
        return true;
    }

    // ---- actions ----

    void action(sdk::Action action) override {
        if (action.name() == "read_once") {
            add_read(std::move(action), false);
        } else if (action.name() == "get_status") {
            add_read(std::move(action), true);
        } else if (action.name() == "start_reading") {
            reading_ = true;
            last_.reset();  // so the next reading is news again; the last one may be old
            if (!next_question_.pending()) ask();
            action.succeed();
        } else if (action.name() == "stop_reading") {
            reading_ = false;
            action.succeed();
        } else {
            action.fail(BP_E_UNSUPPORTED,
                        "This scale knows no action \"" + action.name() +
                            "\": it knows read_once, start_reading, stop_reading and get_status.");
        }
    }
    void cancel(ActionId id) override {
        for (Read& read : take_reads([id](const Read& one) { return one.action.id() == id; }))
            read.action.fail(BP_E_CANCELLED,
                             "The reading was given up: " + std::string(advice(read.last)));
    }

private:
    /// One read_once or get_status that waits for its answer.
    struct Read {
        sdk::Action action;
        bool any;             // get_status: whatever the scale says is an answer
        std::uint64_t after;  // only questions later than this one count
        TimePoint limit;
        ScaleCondition last;  // why there has been no weight so far
    };

    // ---- the line ----

    void open(std::function<void(const std::string&)> lost) {
        close();
        if (device_fd() < 0)
            throw sdk::Failure(BP_E_NO_DEVICE, "the serial port of the scale was not opened");
        port_.emplace(host(), device_fd(), k_line.changed_by(host().settings()), std::move(lost));
        exchange_.emplace(host(), *port_);
        std::string missing;
        for (const std::string& what : port_->applied().not_applied)
            missing += (missing.empty() ? "" : ", ") + what;
        if (!missing.empty())
            host().log_debug("this port does not do: " + missing + "; reading without");
    }
    void close() noexcept {
        exchange_.reset();
        port_.reset();
    }

    // ---- probe ----

    void say_hello(bool first) {
        exchange_->request(
            "Ehello", Framing::exactly(k_echo_answer), k_echo_timing, [this, first](Answer answer) {
                switch (answer.outcome) {
                    case Outcome::frame:
                    case Outcome::stale:  // after an echo that was left on: the same bytes, and
                                          // nothing is measured here
                        echo_off([this] { end_probe(true, "it answers the echo test"); });
                        return;
                    case Outcome::timeout:
                        end_probe(false,
                                  "nothing answered the echo test: no Toledo 8217 is switched on "
                                  "here, or it is not "
                                  "set to " +
                                      to_string(port_->line()));
                        return;
                    case Outcome::garbage:
                        // An interrupted session has left the echo on, which swallows the "E".
                        if (first && answer.bytes == "Ehello")
                            return echo_off([this] { say_hello(false); });
                        break;
                    case Outcome::damaged:
                    case Outcome::overflow:
                        break;
                }
                const std::string why =
                    answer.outcome == Outcome::damaged
                        ? "something answered with parity errors at " + to_string(port_->line())
                        : "something answered, but not as a Toledo 8217 does: " + hex(answer.bytes);
                echo_off([this, why] { end_probe(false, why); });
            });
    }
    void echo_off(std::function<void()> then) {
        exchange_->request("F", Framing::exactly(k_echo_off_answer), k_echo_off_timing,
                           [then = std::move(then)](const Answer&) { then(); });
    }
    void end_probe(bool match, const std::string& reason) {
        const std::string text = reason;  // it may live in what is closed now
        close();
        match ? claim(text) : no_match(text);
    }

    // ---- question and answer ----

    void ask() {
        next_question_.cancel();
        if (!exchange_ || exchange_->busy()) return;
        try {
            asked_at_ = host().now();
            exchange_->request("W", {&frame_length, k_stx, std::nullopt, k_max_frame},
                               k_weight_timing,
                               [this](Answer answer) { answered(std::move(answer)); });
            ++question_;
        } catch (const sdk::Failure& failure) {
            lost(failure.what());
        }
    }

    void answered(Answer answer) {
        switch (answer.outcome) {
            case Outcome::frame:
                if (const auto decoded = decode(answer.bytes);
                    decoded && decoded->kind != Decoded::Kind::nothing)
                    return understood(*decoded, answer.bytes.size());
                return failed(ScaleCondition::fault, answer);
            case Outcome::stale:
                return ask();  // not of this question; the line is clean again
            case Outcome::timeout:
                return failed(ScaleCondition::unreachable, answer);
            case Outcome::garbage:
            case Outcome::damaged:
            case Outcome::overflow:
                return failed(ScaleCondition::fault, answer);
        }
    }

    void understood(const Decoded& decoded, std::size_t length) {
        failures_ = 0;
        failing_since_.reset();
        report(ScaleCondition::ok);
        // Of "01.234" with a lost character, "01.34" is left, which is a number too. So a weight
        // that is written in another way than the last one counts when the next one is written like
        // that as well.
        if (decoded.kind == Decoded::Kind::weight && layout_ != decoded.layout) {
            layout_ = decoded.layout;
            if (++layout_changes_ <= k_max_layout_changes) return ask_when_line_allows(length);
            tell(ScaleReading::without_weight(ScaleCondition::fault));
        } else {
            layout_changes_ = 0;
            tell(decoded.reading);
        }
        if (wants_more()) ask_when_line_allows(length);
    }

    /// At once, but not faster than a real line could carry it: an emulator without one would fill
    /// the processor.
    void ask_when_line_allows(std::size_t answer_length) {
        if (!port_) return;
        const TimePoint due = asked_at_ + port_->line().character_time() *
                                              static_cast<std::int64_t>(answer_length + 1);
        if (const TimePoint now = host().now(); now < due)
            next_question_.start_once(due - now);
        else
            ask();
    }

    void failed(ScaleCondition condition, const Answer& answer) {
        if (!failing_since_) failing_since_ = asked_at_;
        ++failures_;
        failing_as_ = condition;
        for (Read& read : reads_)
            if (question_ > read.after) read.last = condition;
        if (host().now() - *failing_since_ >= k_down_after) {
            layout_.reset();
            layout_changes_ = 0;
            if (reported_ != condition && condition == ScaleCondition::fault)
                host().log_warning("the scale's answer cannot be understood: " + hex(answer.bytes));
            report(condition);
            tell(ScaleReading::without_weight(condition));
        }
        if (!port_) return;
        if (answer.bytes.starts_with('W')) {
            // Its echo is on: a session was interrupted in its probe. Not ask(), which would be
            // echoed again.
            return echo_off([this] { retry(); });
        }
        retry();
    }
    void retry() {
        if (failures_ == 1)
            ask();
        else
            next_question_.start_once(k_retry_pause);
    }

    bool wants_more() const {
        // The first reading is always wanted: it tells whether the scale is there.
        return continuous_ || reading_ || !reads_.empty() || !last_ || failing_since_;
    }

    void report(ScaleCondition condition) {
        if (reported_ == condition) return;
        reported_ = condition;
        if (condition == ScaleCondition::ok)
            report_ready();
        else
            report_unreachable(advice(condition));
    }

    void lost(const std::string& reason) {
        const std::string text = reason;  // it may live in what is closed now
        close();
        next_question_.cancel();
        ++question_;  // whoever waits is answered, whenever he asked
        tell(ScaleReading::without_weight(ScaleCondition::unreachable));
        report_lost(text);
    }

    // ---- readings ----

    /// The scale has said something: to all when it is news, and to those who have asked.
    void tell(const ScaleReading& reading) {
        if (last_ != reading) {
            last_ = reading;
            emit("weight", reading.to_json(), BP_EVENT_TRANSIENT);
        }
        auto done = take_reads([&](Read& read) {
            if (question_ <= read.after) return false;
            read.last = reading.condition;
            return read.any || reading.condition != ScaleCondition::in_motion;
        });
        for (Read& read : done) answer_read(read, reading);
    }
    static void answer_read(Read& read, const ScaleReading& reading) {
        if (read.any || reading.condition == ScaleCondition::ok)
            read.action.succeed(reading.to_json());
        else
            read.action.fail(status_of(reading.condition), advice(reading.condition));
    }

    void add_read(sdk::Action action, bool any) {
        if (!exchange_) {
            Read read{std::move(action), any, 0, {}, ScaleCondition::unreachable};
            return answer_read(read, ScaleReading::without_weight(ScaleCondition::unreachable));
        }
        if (reads_.size() >= k_max_reads)
            return action.fail(
                BP_E_NO_SPACE,
                "Too many readings of this scale are under way: wait for one of them.");
        const TimePoint now = host().now();
        const auto time = std::max<std::chrono::nanoseconds>(action.deadline() - now, 0ns);
        // A margin, so that the reason arrives instead of a mere "deadline has passed".
        const auto margin = std::min<std::chrono::nanoseconds>(200ms, time / 4);
        const TimePoint limit =
            now + std::min<std::chrono::nanoseconds>(time - margin, k_longest_wait);
        const ScaleCondition so_far = failing_since_ ? failing_as_ : ScaleCondition::unreachable;
        reads_.push_back({std::move(action), any, question_, limit, so_far});
        arm_patience();
        if (!exchange_->busy()) ask();
    }

    template <typename Predicate>
    std::vector<Read> take_reads(Predicate wanted) {
        // Taken out before they are answered: an answer may bring the next action.
        std::vector<Read> out;
        for (auto it = reads_.begin(); it != reads_.end();)
            if (wanted(*it)) {
                out.push_back(std::move(*it));
                it = reads_.erase(it);
            } else {
                ++it;
            }
        return out;
    }
    void arm_patience() {
        patience_.cancel();
        const auto first =
            std::min_element(reads_.begin(), reads_.end(),
                             [](const Read& a, const Read& b) { return a.limit < b.limit; });
        if (first != reads_.end()) patience_.start_once(first->limit - host().now());
    }
    void end_of_patience() {
        const TimePoint now = host().now();
        for (Read& read : take_reads([now](const Read& one) { return one.limit <= now; }))
            answer_read(read, ScaleReading::without_weight(read.last));
        arm_patience();
    }

    std::optional<sdk::serial::SerialPort> port_;
    std::optional<sdk::serial::SerialExchange> exchange_;
    sdk::Timer next_question_;
    sdk::Timer patience_;

    bool continuous_ = true;
    bool reading_ = false;  // between start_reading and stop_reading
    std::uint64_t question_ = 0;
    TimePoint asked_at_{};
    int failures_ = 0;  // in a row
    std::optional<TimePoint> failing_since_;
    ScaleCondition failing_as_ = ScaleCondition::unreachable;
    std::optional<ScaleCondition> reported_;
    std::optional<Layout> layout_;
    int layout_changes_ = 0;
    std::optional<ScaleReading> last_;
    std::vector<Read> reads_;
    Kept kept_;  // taken by the next start()
};

}  // namespace
}  // namespace backplane::toledo8217

BACKPLANE_DRIVER(backplane::toledo8217::Scale)
