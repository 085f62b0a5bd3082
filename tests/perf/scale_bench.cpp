// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "scale_bench.hpp"

#include <sys/prctl.h>

#include <cmath>
#include <random>
#include <thread>

#include "clients.hpp"

namespace backplane::perf {

using namespace std::chrono_literals;

namespace {

// The first ones find caches cold.
constexpr int k_cold = 5;

/// The emulated line is to be as exact as a crystal: by default the kernel adds up to 50 µs to every character. Only for
/// threads that are made while it lives, not for the box.
class ExactTimers {
public:
    ExactTimers() { ::prctl(PR_SET_TIMERSLACK, 1UL); }
    ~ExactTimers() { ::prctl(PR_SET_TIMERSLACK, 0UL); }
    ExactTimers(const ExactTimers&) = delete;
    ExactTimers& operator=(const ExactTimers&) = delete;
};

}  // namespace

ScaleOnLine::ScaleOnLine() : link_((folder_ / "scale0").string()) {
    const ExactTimers exact;
    scale_ = std::make_unique<tests::SerialScale>(link_, 0.5);
}

void sample_weights(tests::BoxProcess& box, ScaleOnLine& line, int count, Samples& waits,
                    int& lost) {
    const std::string device(box.wait_for_state("scale", "ready").at("identifier").as_string());
    Inbox inbox;
    LoopThread loop;
    loop.spawn(poll_for_ever(loop.loop(), box.port(), "latency", device, [&](const Answer& answer) {
        inbox.put({answer.at, answer.body});
        return true;
    }));
    std::mt19937 random{7};
    std::uniform_int_distribution<int> pause_us{30'000, 60'000};
    std::uniform_int_distribution<int> grams{100, 9900};
    int last = 0;
    for (int i = 0; i < count + k_cold; ++i) {
        // Long enough for the poll to wait again, and anywhere in the cycle of question and answer.
        std::this_thread::sleep_for(std::chrono::microseconds{pause_us(random)});
        int weight = grams(random);
        while (weight == last) weight = grams(random);
        last = weight;
        inbox.clear();
        const auto changed = Clock::now();
        line.scale().set_weight(weight / 1000.0);
        Received event;
        const bool came = inbox.take(
            event,
            [&](const Received& r) {
                const auto result = number_behind(r.text, "result");
                return !result.empty() && std::abs(to_number(result) - weight / 1000.0) < 1e-9;
            },
            15s);
        loop.check();
        if (i < k_cold) continue;
        came ? waits.add(event.at - changed) : static_cast<void>(++lost);
    }
}

}  // namespace backplane::perf
