// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// /hw_proxy: what a POS without the IoT app (Community) asks of the box.
//
// The weight: the POS takes whatever number it gets for what lies on the scale now. So each reading
// is asked of the scale itself (about 15 ms) and never taken from an earlier event; while the load
// moves it is asked again, for 3 s at most; and what is no weight is an error whose text tells the
// person at the counter what to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "backplane/sync/browser.hpp"
#include "browser/json_rpc.hpp"

namespace backplane::sync {

class HwProxy : public std::enable_shared_from_this<HwProxy> {
public:
    static constexpr std::chrono::milliseconds k_scale_wait{3'000};
    static constexpr std::chrono::milliseconds k_scale_again{150};

    HwProxy(core::Devices& devices, TimerFactory timer)
        : devices_(devices), timer_(std::move(timer)) {}

    void handshake(const core::HttpExchangePtr& exchange, const RpcCall& call);
    void status_json(const core::HttpExchangePtr& exchange, const RpcCall& call);
    void scale_read(const core::HttpExchangePtr& exchange, RpcCall call);
    std::size_t reading() const noexcept { return reads_.size(); }

private:
    struct Read {
        core::HttpExchangePtr exchange;
        boost::json::value rpc_id;
        std::string device;
        std::string in_the_way;  ///< what the scale last said instead of a weight
        core::Subscription deadline;
        core::Subscription again;
    };
    void ask(std::uint64_t number);
    void outcome(std::uint64_t number, const core::ActionOutcome& outcome);
    void finish(std::uint64_t number, core::HttpResponse response);

    core::Devices& devices_;
    TimerFactory timer_;
    std::unordered_map<std::uint64_t, Read> reads_;
    std::uint64_t last_ = 0;
};

}  // namespace backplane::sync
