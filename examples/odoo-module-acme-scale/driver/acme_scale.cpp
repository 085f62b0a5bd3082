// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A driver for the made-up Acme scale, which sends a line four times a second: "ST,+001.234kg" at rest, "US,+001.230kg"
// while the load moves, "OV" when it is too heavy.
#include <charconv>
#include <optional>
#include <regex>

#include "backplane/device_class/scale.hpp"
#include "backplane/driver.hpp"
#include "backplane/serial/serial_lines.hpp"

namespace {

using namespace backplane::sdk;
using enum ScaleCondition;

ScaleReading parse(const std::string& line) {
    static const std::regex k_weight(R"((ST|US),([+-])(\d{3}\.\d{3})kg\r\n)");
    if (line == "OV\r\n") return ScaleReading::without_weight(over_capacity);
    std::smatch found;
    if (!std::regex_match(line, found, k_weight)) return ScaleReading::without_weight(fault);
    if (found[1] == "US") return ScaleReading::without_weight(in_motion);
    if (found[2] == "-") return ScaleReading::without_weight(under_zero);
    const std::string digits = found[3];
    double kilograms = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), kilograms);
    return ScaleReading::weight(kilograms);
}

class AcmeScale : public Driver {
public:
    explicit AcmeScale(Host& host)
        : Driver(host),
          silence_(host, [this] { show(ScaleReading::without_weight(unreachable)); }) {}

    void start() override {
        describe({{"manufacturer", "Acme"}, {"model", "Counter scale"}});
        shown_ = ScaleReading::without_weight(ok);  // nothing yet: no line says that
        port_.emplace(host(), device_fd(), serial::LineSettings{},
                      [this](const std::string& why) { report_lost(why); });
        lines_.emplace(host(), *port_, serial::Framing::until('\n', 32), 250ms,
                       [this](const std::string& line) { show(parse(line)); });
        silence_.start_once(2s);
    }
    void stop() override {
        give_up(BP_E_CANCELLED, "The scale was disconnected before it came to rest.");
        silence_.cancel();
        lines_.reset();
        port_.reset();
    }
    void action(Action action) override {
        if (action.name() != "read_once") return Driver::action(std::move(action));
        waiting_.emplace(std::move(action));  // the next line answers it
    }
    void cancel(ActionId) override {
        give_up(BP_E_BUSY, "The scale did not come to rest in time: wait, then try again.");
    }

private:
    void show(const ScaleReading& reading) {
        if (reading.condition == unreachable)
            report_unreachable(advice(unreachable));
        else
            report_ready();
        silence_.start_once(2s);
        if (reading != shown_) emit("weight", reading.to_json(), BP_EVENT_TRANSIENT);
        shown_ = reading;
        if (reading.condition == ok && waiting_)
            std::exchange(waiting_, std::nullopt)->succeed(reading.to_json());
        else if (reading.condition != in_motion)
            give_up(BP_E_IO, advice(reading.condition));
    }
    void give_up(bp_status status, std::string_view why) {
        if (waiting_) std::exchange(waiting_, std::nullopt)->fail(status, why);
    }

    Timer silence_;
    std::optional<serial::SerialPort> port_;
    std::optional<serial::SerialLines> lines_;
    std::optional<Action> waiting_;
    ScaleReading shown_;
};

}  // namespace

BACKPLANE_DRIVER(AcmeScale)
