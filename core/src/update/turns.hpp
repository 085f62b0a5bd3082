// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One thing at a time for each plug-in: an update, its end of probation, a crash and a wish of the owner may come
// together, and each must find the plug-in as the one before has left it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "update/alive.hpp"

namespace backplane::core {

/// Thread: the main loop's.
class Turns {
public:
    explicit Turns(boost::asio::io_context& loop) : loop_(loop) {}

    /// Calls `task` as soon as nobody else has the turn of `name`: at once, or later from the loop. It ends with leave().
    void take(const std::string& name, std::function<void()> task) {
        auto [place, free] = waiting_.try_emplace(name);
        if (free) return task();
        place->second.push_back(std::move(task));
    }
    void leave(const std::string& name) {
        const auto place = waiting_.find(name);
        if (place == waiting_.end()) return;
        if (place->second.empty()) {
            waiting_.erase(place);
            return;
        }
        auto next = std::move(place->second.front());
        place->second.pop_front();
        boost::asio::post(loop_, alive_.guard(std::move(next)));
    }

private:
    boost::asio::io_context& loop_;
    std::map<std::string, std::deque<std::function<void()>>, std::less<>> waiting_;
    Alive alive_;
};

}  // namespace backplane::core
