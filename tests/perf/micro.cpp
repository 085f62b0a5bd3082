// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the parts cost by themselves: where the time of the whole box goes, and what a change of one part does to it.
#include <benchmark/benchmark.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "backplane/core/event_ring.hpp"
#include "browser/dialect.hpp"
#include "browser/json_rpc.hpp"
#include "decoder.hpp"
#include "ipc/frame.hpp"

namespace {

using namespace backplane;
namespace json = boost::json;

json::object weight_data() {
    return {{"weight", 1.234}, {"unit", "kg"}, {"condition", "ok"},
            {"stable", true},  {"net", false}, {"message", ""}};
}

core::Event weight_event() {
    core::Event event;
    event.device_identifier = "/dev/ttyUSB0";
    event.device_type = "scale";
    event.name = "weight";
    event.data = weight_data();
    return event;
}

void ring_publish(benchmark::State& state) {
    core::EventRing ring;
    std::uint64_t seen = 0;
    std::vector<core::Subscription> subscriptions;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        subscriptions.push_back(
            ring.subscribe([&](const core::EventPtr& event) { seen += event->seq & 1; }));
    const core::Event event = weight_event();
    for (auto _ : state) ring.publish(event);
    benchmark::DoNotOptimize(seen);
}
BENCHMARK(ring_publish)->Arg(0)->Arg(1)->Arg(50)->Arg(500);

/// A listener that comes back after each event of a full ring: what a long poll does.
void ring_next_of_full_ring(benchmark::State& state) {
    core::EventRing ring;
    for (int i = 0; i < 10'000; ++i) ring.publish(weight_event());
    const double before_last =
        ring.first_after(ring.last_seq() - 2, [](const core::Event&) { return true; })->time;
    for (auto _ : state) {
        const auto after = ring.seq_at_time(before_last);
        benchmark::DoNotOptimize(ring.first_after(
            after, [](const core::Event& e) { return e.device_identifier == "/dev/ttyUSB0"; }));
    }
}
BENCHMARK(ring_next_of_full_ring);

/// The worst listener: nothing of the ring is for it.
void ring_search_in_vain(benchmark::State& state) {
    core::EventRing ring;
    for (int i = 0; i < 10'000; ++i) ring.publish(weight_event());
    for (auto _ : state)
        benchmark::DoNotOptimize(ring.first_after(
            0, [](const core::Event& e) { return e.device_identifier == "/dev/ttyUSB9"; }));
}
BENCHMARK(ring_search_in_vain);

core::ipc::OutgoingFrame event_frame() {
    return core::ipc::make_frame(
        core::ipc::FrameType::event, 1, 0,
        {{"kind", "weight"}, {"transient", true}, {"data", weight_data()}});
}

void frame_encode(benchmark::State& state) {
    const json::object body{{"kind", "weight"}, {"transient", true}, {"data", weight_data()}};
    for (auto _ : state)
        benchmark::DoNotOptimize(core::ipc::encode_frame(
            core::ipc::make_frame(core::ipc::FrameType::event, 1, 0, body)));
}
BENCHMARK(frame_encode);

void frame_decode(benchmark::State& state) {
    const auto frame = event_frame();
    std::vector<std::byte> packet = core::ipc::encode_frame(frame).value().head;
    const auto* text = reinterpret_cast<const std::byte*>(frame.json.data());
    packet.insert(packet.end(), text, text + frame.json.size());
    const auto decode = [&] {
        return core::ipc::decode_frame(packet, {}, core::ipc::Direction::to_core);
    };
    if (const auto decoded = decode(); !decoded) {
        state.SkipWithError(decoded.error().text.c_str());
        return;
    }
    for (auto _ : state) benchmark::DoNotOptimize(decode());
}
BENCHMARK(frame_decode);

void toledo8217_decode(benchmark::State& state) {
    const std::string answer = state.range(0) == 0 ? "\x02"
                                                     "01.234\r"
                                                   : "\x02?\x41\r";
    if (!toledo8217::decode(answer)) {
        state.SkipWithError("the answer is not understood");
        return;
    }
    for (auto _ : state) benchmark::DoNotOptimize(toledo8217::decode(answer));
}
BENCHMARK(toledo8217_decode)->Arg(0)->Arg(1);

void rpc_read_poll(benchmark::State& state) {
    core::HttpRequest request;
    request.method = core::HttpMethod::post;
    request.target = request.path = "/iot_drivers/event";
    request.headers = {{"Host", "box"}, {"Content-Type", "application/json"}};
    request.body =
        R"({"jsonrpc":"2.0","method":"call","id":1,"params":{"listener":{"session_id":"a-session",)"
        R"("devices":["/dev/ttyUSB0"],"last_event":1777881600.25}}})";
    if (!std::holds_alternative<sync::RpcCall>(sync::read_rpc(request, sync::RpcMethods::any))) {
        state.SkipWithError("the poll is not understood");
        return;
    }
    for (auto _ : state) benchmark::DoNotOptimize(sync::read_rpc(request, sync::RpcMethods::any));
}
BENCHMARK(rpc_read_poll);

void rpc_answer_poll(benchmark::State& state) {
    const core::Event event = weight_event();
    const json::value id = 1;
    for (auto _ : state)
        benchmark::DoNotOptimize(sync::rpc_result(
            id, sync::event_for_listener(event, "/dev/ttyUSB0", "a-session", "another-session")));
}
BENCHMARK(rpc_answer_poll);

}  // namespace

BENCHMARK_MAIN();
