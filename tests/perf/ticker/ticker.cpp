// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A driver that emits numbered events at a steady pace. Each says when it was emitted, on the
// monotonic clock of the machine, so that whoever gets it knows how long it took through the plug-in
// host, the socket, the core and HTTP. No scale could send that fast over a serial line.
#include "backplane/driver.hpp"

#include <cstdint>

namespace {

using namespace backplane::sdk;

class Ticker : public Driver {
public:
    explicit Ticker(Host& host) : Driver(host), tick_(host, [this] { tick(); }) {}

    void start() override {
        describe({{"name", "Ticker"}, {"manufacturer", "Backplane"}, {"type", "ticker"}});
        report_ready();
    }
    void stop() override { tick_.cancel(); }

    void action(Action action) override {
        if (action.name() != "emit") return Driver::action(std::move(action));
        const auto number = [&action](const char* member) {
            const json::value* value = action.data().if_contains(member);
            return value && value->is_int64() ? value->get_int64() : 0;
        };
        const std::int64_t count = number("count");
        const std::int64_t period_us = number("period_us");
        if (count < 1 || period_us < 1000)
            return action.fail(BP_E_INVALID,
                               "\"emit\" needs a count of at least 1 and a period_us of at least "
                               "1000");
        next_ = 1;
        last_ = count;
        tick_.start_every(std::chrono::microseconds{period_us});
        action.succeed();
    }

private:
    void tick() {
        // The clock is read last, but the event cannot be older than the call that carries it.
        emit("tick", {{"n", next_}, {"at_ns", host().now().time_since_epoch().count()}});
        if (next_++ == last_) tick_.cancel();
    }

    Timer tick_;
    std::int64_t next_ = 1;
    std::int64_t last_ = 0;
};

}  // namespace

BACKPLANE_DRIVER(Ticker)
