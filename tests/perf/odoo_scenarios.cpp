// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "odoo_scenarios.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "doubles/odoo_server.hpp"
#include "figures.hpp"
#include "scale_bench.hpp"
#include "support/box_process.hpp"

namespace backplane::perf {

namespace json = boost::json;
using namespace std::chrono_literals;
using tests::BoxProcess;
using tests::Fault;
using tests::OdooServer;

namespace {

void pair(BoxProcess& box, OdooServer& server) {
    const auto answer = box.post(
        "/api/v1/odoo/pair", json::serialize(json::object{{"token", server.connection_token()}}));
    require(answer.status == 200, "the box was not paired: " + answer.body);
    require(server.wait_for_box_connected(), "the box does not come to the bus of the server");
}

}  // namespace

/// Turn by turn, so that whatever else the machine does counts for both.
void measure_away(double scale) {
    ScaleOnLine line;
    OdooServer server;
    BoxProcess box{with_config(line.config())};
    pair(box, server);
    constexpr int k_turns = 4;
    Samples up, away;
    int lost = 0;
    for (int turn = 0; turn < k_turns; ++turn) {
        sample_weights(box, line, times(scale, 100, 2), up, lost);
        server.fault(Fault::black_hole());
        sample_weights(box, line, times(scale, 100, 2), away, lost);
        server.heal();
    }
    print_figure("away", {{"up", up.summary()},
                          {"away", away.summary()},
                          {"p99_ratio", away.percentile(99) / up.percentile(99)},
                          {"lost", lost}});
}

/// From the moment at which the server listens again until the box is on its bus.
void measure_return(double scale) {
    OdooServer server;
    BoxProcess::Options options;
    options.demo = true;
    BoxProcess box{options};
    pair(box, server);
    Samples waits;
    for (int i = 0; i < times(scale, 20, 2); ++i) {
        server.stop();
        // Long and short absences, so that the box has backed off in some of them.
        std::this_thread::sleep_for(i % 4 == 0 ? 12s : 1500ms * (i % 4));
        server.start();
        const auto back = Clock::now();
        require(server.wait_for_box_connected(), "the box does not come back to the server");
        waits.add(Clock::now() - back);
    }
    print_figure("return", waits.summary());
}

}  // namespace backplane::perf
