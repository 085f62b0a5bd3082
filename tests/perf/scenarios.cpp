// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "scenarios.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>

#include "clients.hpp"
#include "figures.hpp"
#include "odoo_scenarios.hpp"
#include "processes.hpp"
#include "scale_bench.hpp"
#include "support/box_process.hpp"
#include "support/serial_scale.hpp"
#include "update_scenarios.hpp"

namespace backplane::perf {

namespace json = boost::json;
using namespace std::chrono_literals;
using tests::BoxProcess;
using tests::SerialScale;
using tests::TemporaryFolder;

namespace {

// "W" and an answer such as 02 "01.234" 0D, ten bits each (start, seven data, parity, stop).
constexpr int k_characters_of_a_reading = 1 + 8;
constexpr double k_wire_ms = k_characters_of_a_reading * 10 * 1000 / 9600.0;

/// Requests that wait for their answer: long polls, streams, and perhaps the one that asks.
int waiting(const BoxProcess& box) {
    const std::string body = box.get("/metrics").body;
    const std::string mark = "\nbackplane_http_waiting ";
    const auto found = body.find(mark);
    require(found != std::string::npos, "/metrics does not tell how many requests wait");
    return std::stoi(body.substr(found + mark.size()));
}
void wait_for_listeners(const BoxProcess& box, LoopThread& loop, int wanted) {
    const bool there = tests::eventually([&] {
        loop.check();
        return waiting(box) >= wanted;
    });
    require(there, "there are not " + std::to_string(wanted) + " requests that wait");
}

/// The box's plug-ins and the source of events beside them.
class PluginsWithTicker {
public:
    PluginsWithTicker() {
        for (const auto& entry : std::filesystem::directory_iterator{BP_PLUGIN_DIR})
            if (entry.path().extension() == ".so")
                std::filesystem::copy(entry.path(), folder_.path());
        std::filesystem::copy(BP_TICKER_PLUGIN, folder_.path());
    }
    std::string path() const { return folder_.path().string(); }

private:
    TemporaryFolder folder_;
};

/// A box in which the ticker serves a port, and nothing else goes on.
class TickerBox {
public:
    TickerBox() {
        BoxProcess::Options options;
        options.plugin_dir = plugins_.path();
        options.config =
            line_.config("devices:\n  \"" + line_.link() + "\": {driver: perf_ticker}\n");
        box_ = std::make_unique<BoxProcess>(options);
        device_ = text(box_->wait_for_state("ticker", "ready"), "identifier");
    }
    BoxProcess& box() { return *box_; }
    const std::string& device() const { return device_; }
    void emit(int count, std::chrono::microseconds period) {
        const auto answer = box_->post(
            "/api/v1/actions", json::serialize(json::object{
                                   {"device", device_},
                                   {"action", "emit"},
                                   {"data", {{"count", count}, {"period_us", period.count()}}}}));
        require(answer.status == 200, "the ticker does not tick: " + answer.body);
    }

private:
    static std::string text(const json::object& object, const char* member) {
        return std::string(object.at(member).as_string());
    }
    PluginsWithTicker plugins_;
    ScaleOnLine line_;
    std::unique_ptr<BoxProcess> box_;
    std::string device_;
};

bool knocks(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool open =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return open;
}

// ---- start ----

struct StartTimes {
    Samples hello, listed;
};

void start_once(StartTimes& out, const ScaleOnLine& line, const std::filesystem::path& state,
                bool cold) {
    BoxProcess::Options options;
    options.config = line.config();
    options.wait_until_up = false;
    options.http_port = free_port();
    options.state_dir = state;
    if (cold) require(drop_page_cache(), "the page cache can be emptied by root only");
    const auto begin = Clock::now();
    BoxProcess box{options};
    const auto give_up = begin + 30s;
    while (!knocks(options.http_port)) {
        require(Clock::now() < give_up && box.alive(), "the box does not start:\n" + box.log());
        std::this_thread::sleep_for(200us);
    }
    Caller caller{options.http_port};
    const Answer hello = caller.call(get_request("/hw_proxy/hello"));
    require(hello.status == 200 && hello.body == "ping", "hello was answered by " + hello.body);
    out.hello.add(hello.at - begin);
    for (;;) {
        const Answer answer = caller.call(get_request("/api/v1/devices"));
        const json::value devices = json::parse(answer.body);
        const auto& list = devices.at("devices").as_array();
        if (std::any_of(list.begin(), list.end(), [](const json::value& device) {
                return device.at("type") == "scale" && device.at("state") == "ready";
            })) {
            out.listed.add(answer.at - begin);
            break;
        }
        require(Clock::now() < give_up, "the scale is not found: " + answer.body);
        std::this_thread::sleep_for(2ms);
    }
    require(box.stop() == 0, "the box did not stop as asked:\n" + box.log());
}

void measure_start(double scale) {
    const ScaleOnLine line;  // always the same port, by which a box knows the scale again
    StartTimes first, again;
    start_once(first, line, {}, false);  // not counted: it brings the programs into memory
    first = {};
    for (int i = 0; i < times(scale, 20); ++i) start_once(first, line, {}, false);
    const TemporaryFolder state;
    start_once(again, line, state.path(), false);  // nor this: it makes the scale known
    again = {};
    for (int i = 0; i < times(scale, 20); ++i) start_once(again, line, state.path(), false);
    print_figure("start.hello", first.hello.summary());
    print_figure("start.listed", first.listed.summary());
    print_figure("start.listed_known", again.listed.summary());
}

void measure_cold_start(double scale) {
    if (!drop_page_cache())
        return print_figure("start_cold", {{"skipped", "emptying the page cache needs root"}});
    const ScaleOnLine line;
    StartTimes cold;
    for (int i = 0; i < times(scale, 20); ++i) start_once(cold, line, {}, true);
    print_figure("start_cold.hello", cold.hello.summary());
    print_figure("start_cold.listed", cold.listed.summary());
}

// ---- memory ----

void measure_memory(double scale) {
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    const std::string device(box.wait_for_state("scale", "ready").at("identifier").as_string());
    // As in use: a page waits for weights, a person looks at the lists, the weight changes.
    Inbox inbox;
    LoopThread loop;
    loop.spawn(poll_for_ever(loop.loop(), box.port(), "memory", device, [&](const Answer& answer) {
        inbox.put({answer.at, answer.body});
        return true;
    }));
    for (int i = 1; i <= times(scale, 100); ++i) {
        line.scale().set_weight(i / 100.0);
        Received event;
        require(inbox.take(
                    event, [](const Received&) { return true; }, 5s),
                "no weight came\n" + box.log());
        for (const char* page : {"/iot_drivers/data", "/api/v1/devices", "/"})
            require(box.get(page).status == 200, page);
    }
    loop.check();
    const auto processes = process_tree(box.pid());
    const Memory all = memory_of(processes);
    json::object each;
    for (const pid_t process : processes)
        each[name_of(process) + " " + std::to_string(each.size() + 1)] =
            std::round(memory_of({process}).pss_mb * 100) / 100;
    print_figure("memory", {{"n", processes.size()},
                            {"pss_mb", std::round(all.pss_mb * 100) / 100},
                            {"private_mb", std::round(all.private_mb * 100) / 100},
                            {"each_pss_mb", each}});
}

// ---- the scale ----

void measure_latency(double scale) {
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    Samples waits;
    int lost = 0;
    sample_weights(box, line, times(scale, 200), waits, lost);
    json::object figure = waits.summary();
    figure["lost"] = lost;
    figure["wire_ms"] = k_wire_ms;
    print_figure("latency", figure);
}

void measure_rate(double scale) {
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    box.wait_for_state("scale", "ready");
    const std::chrono::duration<double> span{20 * scale};
    // From one question to a later one, so that no part of a reading is counted.
    const auto next = [&](std::uint64_t after) {
        while (line.scale().requests() == after) std::this_thread::sleep_for(100us);
        return Clock::now();
    };
    const auto first = line.scale().requests();
    const auto begin = next(first);
    const auto used = processor_time(process_tree(box.pid()));
    std::this_thread::sleep_for(span);
    const auto last = line.scale().requests();
    const auto end = next(last);
    const auto cpu = processor_time(process_tree(box.pid())) - used;
    const double seconds = std::chrono::duration<double>(end - begin).count();
    const double per_second = static_cast<double>(last - first) / seconds;
    print_figure("rate", {{"n", last - first},
                          {"per_second", per_second},
                          {"allowed", 1000 / k_wire_ms},
                          {"ratio", per_second * k_wire_ms / 1000},
                          {"cpu", cpu.count() / seconds}});
}

void measure_read_once(double scale) {
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    const std::string device(box.wait_for_state("scale", "ready").at("identifier").as_string());
    Caller caller{box.port()};
    std::mt19937 random{1};
    std::uniform_int_distribution<int> pause_us{0, 50'000};
    Samples waits;
    for (int i = 0; i < times(scale, 200) + 5; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds{pause_us(random)});
        const std::string body =
            json::serialize(json::object{{"jsonrpc", "2.0"},
                                         {"method", "call"},
                                         {"id", i},
                                         {"params",
                                          {{"session_id", "read"},
                                           {"device_identifier", device},
                                           {"data", {{"action", "read_once"}}}}}});
        const auto begin = Clock::now();
        const Answer answer = caller.call(post_request("/iot_drivers/action", body));
        require(answer.status == 200 && to_number(number_behind(answer.body, "result")) == 0.5,
                "read_once was answered by " + answer.body);
        if (i >= 5) waits.add(answer.at - begin);
    }
    json::object figure = waits.summary();
    figure["wire_ms"] = k_wire_ms;
    print_figure("read_once", figure);
}

// ---- many listeners ----

Clock::duration since(const Received& received, std::string_view text) {
    return received.at - Clock::time_point{std::chrono::nanoseconds{
                             static_cast<std::int64_t>(to_number(number_behind(text, "at_ns")))}};
}

void measure_fan_out(double scale) {
    constexpr int k_listeners = 200;
    TickerBox box;
    const int before = waiting(box.box());
    LoopThread loop;
    Inbox inbox;
    for (int i = 0; i < k_listeners; ++i)
        loop.spawn(poll_for_ever(loop.loop(), box.box().port(), "fan-" + std::to_string(i),
                                 box.device(), [&inbox](const Answer& answer) {
                                     // The end of the action "emit" is an event as well.
                                     if (!number_behind(answer.body, "n").empty())
                                         inbox.put({answer.at, answer.body});
                                     return true;
                                 }));
    Samples all, last;
    int missed = 0;
    const int rounds = times(scale, 50);
    for (int round = -2; round < rounds; ++round) {
        wait_for_listeners(box.box(), loop, before + k_listeners);
        box.emit(1, 200ms);  // by then all wait again, after the end of the action
        Samples these;
        for (int i = 0; i < k_listeners; ++i) {
            Received event;
            if (!inbox.take(
                    event, [](const Received&) { return true; }, 5s)) {
                missed += k_listeners - i;
                break;
            }
            these.add(since(event, event.text));
        }
        if (round < 0) continue;
        all.add(these);
        last.add_ms(these.percentile(100));
    }
    json::object figure = last.summary();
    figure["listeners"] = k_listeners;
    figure["missed"] = missed;
    figure["each_p50_ms"] = all.percentile(50);
    print_figure("fan_out", figure);
}

/// What one listener has seen of a numbered series.
struct Series {
    std::int64_t last = 0;
    std::uint64_t wrong = 0;  ///< not the number that was next
    Samples waits;

    /// False at the end of the series.
    bool take(const Received& received, std::int64_t count) {
        const auto text = number_behind(received.text, "n");
        if (text.empty()) return true;  // of the device, but no tick
        const auto n = static_cast<std::int64_t>(to_number(text));
        if (n != last + 1) ++wrong;
        last = n;
        waits.add(since(received, received.text));
        return n < count;
    }
};

void measure_stream(double scale, bool long_polls) {
    constexpr int k_listeners = 50;
    const int count = times(scale, 10'000, 100);
    TickerBox box;
    const auto port = box.box().port();
    const int before = waiting(box.box());
    std::vector<Series> series(k_listeners);
    std::atomic<int> done{0};
    std::atomic<int> listening{0};
    LoopThread loop;
    for (int i = 0; i < k_listeners; ++i) {
        Series* mine = &series[static_cast<std::size_t>(i)];
        const auto each = [mine, count, &done](const Received& received) {
            if (mine->take(received, count)) return true;
            ++done;
            return false;
        };
        if (long_polls)
            loop.spawn(poll_for_ever(loop.loop(), port, "stream-" + std::to_string(i), box.device(),
                                     [each](const Answer& answer) {
                                         return each({answer.at, answer.body});
                                     }));
        else
            loop.spawn(listen_for_ever(loop.loop(), port, box.device(), each));
    }
    wait_for_listeners(box.box(), loop, before + k_listeners);
    const auto processes = process_tree(box.box().pid());
    const auto used = processor_time(processes);
    const auto begin = Clock::now();
    box.emit(count, 5ms);
    const bool all = tests::eventually(
        [&] {
            loop.check();
            return done == k_listeners;
        },
        std::chrono::milliseconds{count * 10 + 20'000});
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto cpu = processor_time(processes) - used;

    Samples waits;
    std::uint64_t wrong = 0, missing = 0;
    for (const Series& one : series) {
        waits.add(one.waits);
        wrong += one.wrong;
        missing += static_cast<std::uint64_t>(count - std::min<std::int64_t>(count, one.last));
    }
    json::object figure = waits.summary();
    figure["listeners"] = k_listeners;
    figure["events"] = count;
    figure["all"] = all && wrong == 0 && missing == 0;
    figure["out_of_order"] = wrong;
    figure["missing"] = missing;
    figure["per_second"] = count / seconds;
    figure["cpu"] = cpu.count() / seconds;
    print_figure(long_polls ? "stream.polls" : "stream.sse", figure);
}
void measure_poll_stream(double scale) {
    measure_stream(scale, true);
}
void measure_sse_stream(double scale) {
    measure_stream(scale, false);
}

// ---- recovery ----

void measure_recovery(double scale) {
    ScaleOnLine line;
    // A crash each second would put the plug-in aside, as it should. The window is the shortest there is, and the next
    // kill comes after it: so each one is the first of its window.
    BoxProcess box{with_config(line.config("plugins: {window_s: 1}\n"))};
    const std::string device(box.wait_for_state("scale", "ready").at("identifier").as_string());
    const int before = waiting(box);
    Inbox inbox;
    LoopThread loop;
    loop.spawn(listen_for_ever(loop.loop(), box.port(), device, [&](const Received& event) {
        inbox.put(event);
        return true;
    }));
    wait_for_listeners(box, loop, before + 1);
    const auto is_ready = [](const Received& event) {
        return event.text.find("event: device_state") != std::string::npos &&
               event.text.find("\"state\":\"ready\"") != std::string::npos;
    };
    const auto is_weight = [](const Received& event) {
        return event.text.find("\"weight\":") != std::string::npos;
    };
    std::mt19937 random{3};
    std::uniform_int_distribution<int> phase_us{0, 20'000};
    Samples ready, weight;
    const int kills = times(scale, 100);
    for (int i = -1; i < kills; ++i) {
        std::this_thread::sleep_for(1100ms + std::chrono::microseconds{phase_us(random)});
        const auto host = static_cast<pid_t>(box.plugin("toledo8217").at("pid").to_number<int>());
        require(host > 1, "the driver has no process");
        inbox.clear();
        const auto killed = Clock::now();
        require(::kill(host, SIGKILL) == 0, "the driver's process was gone already");
        Received event;
        require(inbox.take(event, is_ready, 15s), "the scale did not come back:\n" + box.log());
        if (i >= 0) ready.add(event.at - killed);
        require(inbox.take(event, is_weight, 15s), "no weight came back:\n" + box.log());
        if (i >= 0) weight.add(event.at - killed);
        loop.check();
    }
    print_figure("recovery", ready.summary());
    print_figure("recovery.weight", weight.summary());
}

// ---- requests ----

asio::awaitable<void> ask_until(asio::io_context& loop, std::uint16_t port, Clock::time_point end,
                                Samples& waits, std::atomic<int>& done) {
    Connection connection{loop, port};
    co_await connection.connect();
    const std::string request = get_request("/hw_proxy/hello");
    while (Clock::now() < end) {
        const auto begin = Clock::now();
        const Answer answer = co_await connection.exchange(request);
        require(answer.status == 200, "hello was answered by " + answer.body);
        waits.add(answer.at - begin);
    }
    ++done;
}

void measure_hello(double scale) {
    constexpr int k_connections = 32;
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    box.wait_for_state("scale", "ready");
    const std::chrono::duration<double> span{10 * scale};
    LoopThread loop;
    std::vector<Samples> waits(k_connections);
    std::atomic<int> done{0};
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration_cast<Clock::duration>(span);
    for (Samples& mine : waits) loop.spawn(ask_until(loop.loop(), box.port(), end, mine, done));
    const bool all = tests::eventually(
        [&] {
            loop.check();
            return done == k_connections;
        },
        std::chrono::duration_cast<std::chrono::milliseconds>(span) + 20s);
    require(all, "not every request was answered");
    Samples together;
    for (const Samples& one : waits) together.add(one);
    json::object figure = together.summary();
    figure["per_second"] = static_cast<double>(together.size()) /
                           std::chrono::duration<double>(Clock::now() - begin).count();
    figure["connections"] = k_connections;
    print_figure("hello", figure);
}

}  // namespace

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> all{
        {"start", "start of the box, programs in memory", &measure_start},
        {"start_cold", "start of the box, programs on the disk", &measure_cold_start},
        {"memory", "memory of all processes with one scale", &measure_memory},
        {"latency", "a weight changes: event at a waiting long poll", &measure_latency},
        {"rate", "readings of a scale", &measure_rate},
        {"read_once", "read_once, request to answer", &measure_read_once},
        {"fan_out", "one event for 200 waiting long polls", &measure_fan_out},
        {"stream_polls", "10,000 events for 50 long polls", &measure_poll_stream},
        {"stream_sse", "10,000 events for 50 streams", &measure_sse_stream},
        {"recovery", "a driver's process is killed", &measure_recovery},
        {"swap", "a driver is replaced while ten browsers use it", &measure_swap},
        {"swap_all", "twelve plug-ins are replaced by one press of the button", &measure_swap_all},
        {"away", "a weight changes while the Odoo server is a black hole", &measure_away},
        {"return", "the Odoo server returns: the box is on its bus again", &measure_return},
        {"hello", "GET /hw_proxy/hello on 32 connections, by the own client", &measure_hello},
    };
    return all;
}

void serve() {
    ScaleOnLine line;
    BoxProcess box{with_config(line.config())};
    box.wait_for_state("scale", "ready");
    print_figure("serving", {{"port", box.port()}, {"pid", box.pid()}});
    for (std::string ignored; std::getline(std::cin, ignored);) {
    }
}

}  // namespace backplane::perf
