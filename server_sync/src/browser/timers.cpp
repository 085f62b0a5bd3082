// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The only file here that needs Asio: tests put their own timers in its place.
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "backplane/sync/browser.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

TimerFactory asio_timers(boost::asio::io_context& loop) {
    return [&loop](std::chrono::milliseconds after, std::function<void()> callback) {
        struct Timer {
            explicit Timer(boost::asio::io_context& io) : asio(io) {}
            boost::asio::steady_timer asio;
            std::function<void()> callback;
        };
        // Two owners: the wait and the subscription. The end of the subscription must win over a
        // wait that has already expired but not yet been delivered, which cancel() alone does not
        // do: hence the emptied callback.
        auto timer = std::make_shared<Timer>(loop);
        timer->callback = std::move(callback);
        timer->asio.expires_after(after);
        timer->asio.async_wait([timer](const boost::system::error_code& error) {
            auto call = std::exchange(timer->callback, nullptr);
            if (!error && call) guarded("timer", std::move(call))();
        });
        return core::Subscription([timer] {
            timer->callback = nullptr;
            timer->asio.cancel();
        });
    };
}

}  // namespace backplane::sync
