// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update_scenarios.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "figures.hpp"
#include "support/listeners.hpp"
#include "support/updatable_box.hpp"

namespace backplane::perf {

namespace json = boost::json;
using namespace std::chrono_literals;
using namespace tests;

namespace {

constexpr int k_browsers = 10;
constexpr int k_plugins = 12;

/// Nobody but the button begins an update.
constexpr const char* k_only_by_button = "plugins: {update: {automatic: false}}\n";

/// From the press of the button until the box says that all is done.
Clock::duration time_of_update(const UpdatableBox& box) {
    const double before = box.last_start();
    const auto begin = Clock::now();
    box.press_button();
    const json::object report = box.wait_for_end(before, 1ms);
    const auto took = Clock::now() - begin;
    if (report.at("result").as_string() != "updated")
        throw std::runtime_error("not updated: " + json::serialize(report));
    return took;
}

/// Ten pages that each ask for a weight twice a second.
class Pages {
public:
    explicit Pages(const BoxProcess& box) {
        for (int i = 0; i < k_browsers; ++i)
            threads_.emplace_back([this, &box, i] {
                auto next = Clock::now() + 50ms * i;
                while (!over_) {
                    std::this_thread::sleep_until(next);
                    next += 500ms;
                    const auto answer =
                        box.action("swap1", {{"action", "read_once"}}, "pos-" + std::to_string(i));
                    ++asked_;
                    if (text_at(answer, {"result", "status"}) != "success") ++failed_;
                }
            });
    }
    ~Pages() { end(); }
    void end() {
        over_ = true;
        for (std::thread& thread : threads_)
            if (thread.joinable()) thread.join();
    }
    int asked() const { return asked_; }
    int failed() const { return failed_; }

private:
    std::atomic<bool> over_{false};
    std::atomic<int> asked_{0}, failed_{0};
    std::vector<std::thread> threads_;
};

}  // namespace

void measure_swap(double scale) {
    const int swaps = std::max(2, static_cast<int>(std::lround(200 * scale)));
    UpdatableBox delivery;
    delivery.own("box", "swap_bus");
    delivery.own("box", "swap_scale");
    delivery.start(k_only_by_button);
    delivery.box->wait_for_state("swap1", "ready");
    EventRecorder recorder(*delivery.box);
    Pages pages(*delivery.box);
    for (int i = 0; i < swaps; ++i) {
        delivery.maker.add(build(i % 2 ? "better" : "good", "swap_scale"));
        delivery.deliver();
        time_of_update(delivery);
    }
    pages.end();
    const auto events = recorder.events();
    Samples pauses;
    std::int64_t wrong = 0, count = 0, last = 0;
    double first_time = 0, time = 0;
    std::string by;
    for (const json::object& event : events) {
        const std::string now_by = text_at(event, {"data", "build"});
        if (now_by.empty()) continue;
        const auto n =
            static_cast<std::int64_t>(number_in(event.at("data").as_object(), "n").value_or(0));
        const double at = number_in(event, "time").value_or(0);
        if (count++ == 0)
            first_time = at;
        else if (n != last + 1)
            ++wrong;
        if (!by.empty() && by != now_by) pauses.add_ms(1000 * (at - time));
        by = now_by;
        last = n;
        time = at;
    }
    json::object figure = pauses.summary();
    figure["events"] = count;
    figure["per_second"] = static_cast<double>(count) / (time - first_time);
    figure["wrong"] = wrong;
    figure["actions"] = pages.asked();
    figure["failed"] = pages.failed();
    print_figure("swap", figure);
}

void measure_swap_all(double scale) {
    const int rounds = std::max(1, static_cast<int>(std::lround(20 * scale)));
    UpdatableBox delivery;
    delivery.own("twelve", "swap_bus");
    for (int i = 1; i <= k_plugins; ++i) delivery.own("twelve", "swap_scale_" + std::to_string(i));
    delivery.start(k_only_by_button);
    for (int i = 1; i <= k_plugins; ++i)
        delivery.box->wait_for_state("swap" + std::to_string(i), "ready");
    Samples times;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 1; i <= k_plugins; ++i)
            delivery.maker.add(
                build(round % 2 ? "twelve" : "twelve_next", "swap_scale_" + std::to_string(i)));
        delivery.deliver();
        times.add(time_of_update(delivery));
    }
    json::object figure = times.summary();
    figure["plugins"] = k_plugins;
    print_figure("swap_all", figure);
}

}  // namespace backplane::perf
