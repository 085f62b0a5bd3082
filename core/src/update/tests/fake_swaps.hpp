// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box whose plug-ins are only names: writes down what it is asked, and fails where a test says so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "registry/plugin_swaps.hpp"

namespace backplane::core {

class FakeSwaps final : public PluginSwaps {
public:
    explicit FakeSwaps(boost::asio::io_context& loop) : loop_(loop) {}

    void prepare(CataloguedPlugin next, const Limits& given, Done done) override {
        limits = given;
        const std::string title = next.name + " " + next.note->version;
        prepared[next.name] = std::move(next);
        most_at_once = std::max(most_at_once, ++at_once);
        answer("prepare " + title, std::move(done));
    }
    void swap(const std::string& plugin, bool trial, const Limits&, Done done) override {
        const std::string call = "swap " + plugin + " " + prepared.at(plugin).note->version;
        if (!errors.contains(call)) {
            Health& now = healths[plugin];
            now = {};
            now.present = true;
            now.version = prepared.at(plugin).note->version;
        }
        prepared.erase(plugin);
        --at_once;
        answer(call + (trial ? " on trial" : ""), std::move(done), call);
    }
    void abandon(const std::string& plugin) override {
        prepared.erase(plugin);
        calls.push_back("abandon " + plugin);
    }
    void confirm(const std::string& plugin) override { calls.push_back("confirm " + plugin); }
    void remove(const std::string& plugin, const std::string& reason, Done done) override {
        healths.erase(plugin);
        removal_reason = reason;
        answer("remove " + plugin, std::move(done));
    }
    void release(const std::string& plugin) override { calls.push_back("release " + plugin); }
    Health health(const std::string& plugin) const override {
        const auto found = healths.find(plugin);
        return found == healths.end() ? Health{} : found->second;
    }
    void set_watcher(Watcher* to) override { watcher = to; }

    bool was_asked(const std::string& call) const {
        return std::find(calls.begin(), calls.end(), call) != calls.end();
    }
    std::size_t times_asked(const std::string& call) const {
        return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call));
    }
    std::string serving(const std::string& plugin) const { return health(plugin).version; }
    /// The answers that hold() has kept.
    void go_on() {
        hold = false;
        for (auto& one : std::exchange(held, {})) boost::asio::post(loop_, std::move(one));
    }

    std::vector<std::string> calls;
    std::map<std::string, Error> errors;  ///< by call, without "on trial"
    std::map<std::string, Health> healths;
    std::map<std::string, CataloguedPlugin> prepared;
    std::string removal_reason;
    Limits limits;
    std::size_t at_once = 0, most_at_once = 0;
    bool hold = false;  ///< keep all answers until go_on()
    std::vector<std::function<void()>> held;
    Watcher* watcher = nullptr;

private:
    void answer(const std::string& call, Done done, const std::string& key = {}) {
        calls.push_back(call);
        Result<void> result;
        if (const auto error = errors.find(key.empty() ? call : key); error != errors.end()) {
            result = failure(error->second.code, error->second.text);
            if (call.starts_with("prepare")) --at_once;
        }
        std::function<void()> tell = [done = std::move(done), result] { done(result); };
        if (hold) {
            held.push_back(std::move(tell));
        } else {
            boost::asio::post(loop_, std::move(tell));
        }
    }

    boost::asio::io_context& loop_;
};

}  // namespace backplane::core
