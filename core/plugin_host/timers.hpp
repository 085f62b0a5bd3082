// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane.timer/1 of one instance. Thread: the driver thread.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <map>
#include <memory>

#include "context.hpp"

namespace backplane::core::host {

class Timers : public std::enable_shared_from_this<Timers> {
public:
    Timers(Context& context, std::uint64_t instance) : context_(context), instance_(instance) {}

    bp_status start(std::uint64_t delay_ns, std::uint64_t period_ns, bp_timer_fn fn, void* user,
                    std::uint64_t* out_id);
    bp_status cancel(std::uint64_t id);
    /// How many were left.
    std::size_t clear();

private:
    struct Entry {
        boost::asio::steady_timer timer;
        bp_timer_fn fn;
        void* user;
        std::chrono::nanoseconds period;
    };
    void arm(std::uint64_t id, Entry& entry);
    void fire(std::uint64_t id);

    Context& context_;
    const std::uint64_t instance_;
    std::map<std::uint64_t, Entry> entries_;
};

}  // namespace backplane::core::host
