// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A server that answers what the test says, when the test says so: lanes without a network or a thread.
//
//     FakeLanes lanes;
//     Part part({.lanes = lanes.maker(), …});
//     EXPECT_EQ(lanes.oldest().request.url, "https://shop.example.com/iot/setup");
//     lanes.succeed(R"({"result": "channel"})");                      // now, the oldest that waits
//     lanes.when("/iot/log", FakeLanes::status(500));                // from now on, at the next run()
//     lanes.run();
//
// A callback comes from inside answer(), succeed(), fail() and run(), never from inside send().
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/requests.hpp"

namespace backplane::sync::test {

class FakeLanes {
public:
    using Answer = core::Result<ServerAnswer>;
    /// What to answer to a request of this path.
    using Rule = std::function<Answer(const ServerRequest&)>;

    /// A request as it was sent.
    struct Sent {
        std::string lane;
        ServerRequest request;
        std::string path() const { return path_of(request.url); }
        /// First header of this name, or empty.
        std::string header(std::string_view name) const {
            for (const auto& [key, value] : request.headers)
                if (key == name) return value;
            return {};
        }
    };

    FakeLanes() : state_(std::make_shared<State>()) {}
    FakeLanes(const FakeLanes&) = delete;
    FakeLanes& operator=(const FakeLanes&) = delete;

    LaneMaker maker() {
        return [state = state_](std::string name) -> std::unique_ptr<Requests> {
            state->lanes.push_back(name);
            return std::make_unique<Lane>(state, std::move(name));
        };
    }

    // ---- what was asked ----
    /// Everything that was ever sent, the cancelled ones too.
    const std::vector<Sent>& sent() const { return state_->sent; }
    std::vector<Sent> sent_to(std::string_view path) const {
        std::vector<Sent> found;
        for (const auto& one : state_->sent)
            if (one.path() == path) found.push_back(one);
        return found;
    }
    const Sent& last() const {
        if (!state_->sent.empty()) return state_->sent.back();
        ADD_FAILURE() << "nothing was sent";
        return nothing();
    }
    /// Of those that have no answer yet and were not cancelled.
    std::size_t waiting() const { return state_->waiting.size(); }
    std::size_t waiting_for(std::string_view path) const {
        std::size_t count = 0;
        for (const auto& one : state_->waiting) count += one->sent.path() == path ? 1 : 0;
        return count;
    }
    const Sent& oldest() const {
        if (!state_->waiting.empty()) return state_->waiting.front()->sent;
        ADD_FAILURE() << "no request waits for an answer";
        return nothing();
    }
    std::size_t cancelled() const { return state_->cancelled; }
    /// Names of the lanes in the order in which they were made.
    const std::vector<std::string>& lanes() const { return state_->lanes; }

    // ---- answers ----
    static Answer ok(std::string body, std::string content_type = "application/json") {
        ServerAnswer answer;
        answer.status = 200;
        answer.headers.emplace_back("Content-Type", std::move(content_type));
        answer.body = std::move(body);
        return answer;
    }
    static Answer page(std::string body = "<!DOCTYPE html><html>login</html>") {
        return ok(std::move(body), "text/html; charset=utf-8");
    }
    static Answer status(int code, std::string body = "<html>no</html>") {
        ServerAnswer answer;
        answer.status = code;
        answer.headers.emplace_back("Content-Type", "text/html");
        answer.body = std::move(body);
        return answer;
    }
    static Answer error(std::string code, std::string text = "nobody is there") {
        return core::failure(std::move(code), std::move(text));
    }

    /// To the oldest that waits; of `path` when one is given. The test fails when there is none.
    void answer(Answer with, std::string_view path = {}) {
        const auto state = state_;
        for (auto at = state->waiting.begin(); at != state->waiting.end(); ++at) {
            if (!path.empty() && (*at)->sent.path() != path) continue;
            const auto pending = *at;
            state->waiting.erase(at);
            if (auto done = std::exchange(pending->done, nullptr)) done(std::move(with));
            return;
        }
        ADD_FAILURE() << "no request waits for an answer"
                      << (path.empty() ? std::string() : " of " + std::string(path));
    }
    void succeed(std::string body, std::string_view path = {}) {
        answer(ok(std::move(body)), path);
    }
    void fail(std::string code = "net.connect", std::string_view path = {}) {
        answer(error(std::move(code)), path);
    }

    /// From now on, for every request whose path is this one; it replaces an earlier rule.
    void when(std::string path, Answer with) {
        when(std::move(path),
             Rule([with = std::move(with)](const ServerRequest&) { return with; }));
    }
    void when(std::string path, Rule rule) { state_->rules[std::move(path)] = std::move(rule); }
    void forget(std::string_view path) { state_->rules.erase(std::string(path)); }
    /// Answers all that wait and have a rule, and those that come of it, up to `most`. Returns how
    /// many were answered.
    std::size_t run(std::size_t most = 1000) {
        const auto state = state_;
        std::size_t answered = 0;
        for (auto at = state->waiting.begin(); at != state->waiting.end() && answered < most;) {
            const auto rule = state->rules.find((*at)->sent.path());
            if (rule == state->rules.end()) {
                ++at;
                continue;
            }
            const auto pending = *at;
            state->waiting.erase(at);
            auto with = Rule(rule->second)(pending->sent.request);
            if (auto done = std::exchange(pending->done, nullptr)) done(std::move(with));
            ++answered;
            at = state->waiting.begin();
        }
        return answered;
    }

    /// "/iot/setup" of "https://shop.example.com/iot/setup?x=1".
    static std::string path_of(std::string_view url) {
        const std::size_t scheme = url.find("://");
        if (scheme == std::string_view::npos) return std::string(url);
        const std::size_t slash = url.find('/', scheme + 3);
        if (slash == std::string_view::npos) return "/";
        return std::string(url.substr(slash, url.find('?', slash) - slash));
    }

private:
    struct Pending {
        Sent sent;
        Requests::Done done;  ///< empty: answered or cancelled
    };
    struct State {
        std::vector<std::string> lanes;
        std::vector<Sent> sent;
        std::deque<std::shared_ptr<Pending>> waiting;
        std::map<std::string, Rule> rules;
        std::size_t cancelled = 0;

        void cancel(const std::shared_ptr<Pending>& pending) {
            if (!std::exchange(pending->done, nullptr)) return;
            ++cancelled;
            std::erase(waiting, pending);
        }
    };
    class Lane : public Requests {
    public:
        Lane(std::shared_ptr<State> state, std::string name)
            : state_(std::move(state)), name_(std::move(name)) {}
        /// As a real one: what is under way is given up.
        ~Lane() override {
            for (const auto& weak : mine_)
                if (const auto pending = weak.lock()) state_->cancel(pending);
        }
        Lane(const Lane&) = delete;
        Lane& operator=(const Lane&) = delete;

        core::Subscription send(ServerRequest request, Done done) override {
            auto pending =
                std::make_shared<Pending>(Pending{{name_, std::move(request)}, std::move(done)});
            state_->sent.push_back(pending->sent);
            state_->waiting.push_back(pending);
            std::erase_if(mine_, [](const auto& weak) { return weak.expired(); });
            mine_.push_back(pending);
            return core::Subscription(
                [state = std::weak_ptr(state_), weak = std::weak_ptr(pending)] {
                    if (const auto all = state.lock())
                        if (const auto one = weak.lock()) all->cancel(one);
                });
        }

    private:
        std::shared_ptr<State> state_;
        std::string name_;
        std::vector<std::weak_ptr<Pending>> mine_;
    };
    static const Sent& nothing() {
        static const Sent none;
        return none;
    }

    std::shared_ptr<State> state_;  ///< with it the lanes, which may outlive this object
};

}  // namespace backplane::sync::test
