// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The API of the box on a real HTTP server, with plug-ins that have no process and updates that a test plays.
//
// The loop runs on a thread of its own, so that a test can be a client with blocking calls.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "api/api.hpp"
#include "api/tests/fake_updates.hpp"
#include "registry/tests/fake_runner.hpp"

namespace backplane::core::test {

class ServedApi {
public:
    struct Setup {
        std::vector<std::pair<std::string, std::string>>
            plugins{};                       ///< drivers that run: name, version
        std::vector<std::string> refused{};  ///< names of files that were refused
        bool has_updates = true;
        std::vector<std::string> problems{};             ///< of the box itself
        std::function<void(HttpRouter&)> more_routes{};  ///< the homepage's
        std::string socket{};                            ///< a Unix socket to listen on, too
        std::chrono::milliseconds owner_patience{30'000};
        bool has_log_levels = true;
    };
    explicit ServedApi(Setup setup);
    ~ServedApi();
    ServedApi(const ServedApi&) = delete;
    ServedApi& operator=(const ServedApi&) = delete;

    std::uint16_t port() const noexcept { return port_; }

    /// Runs on the loop; returns what it returns.
    template <typename F>
    auto on_loop(F&& work) -> std::invoke_result_t<F> {
        std::packaged_task<std::invoke_result_t<F>()> task{std::forward<F>(work)};
        auto result = task.get_future();
        boost::asio::post(loop_, [&task] { task(); });
        return result.get();
    }
    /// Changes what the updates say and tells of it, on the loop.
    void change(const std::function<void(FakeUpdates&)>& work) {
        on_loop([&] {
            work(updates_);
            updates_.tell();
        });
    }
    std::vector<std::string> asked() {
        return on_loop([this] { return updates_.asked; });
    }
    /// What was published since the start, of this name ("update", "plugins").
    std::vector<boost::json::object> published(const std::string& name);
    // On the loop only:
    FakeRunner& runner(const std::string& plugin) { return *runners_.at(plugin); }
    FakeUpdates& updates() noexcept { return updates_; }
    boost::asio::io_context& loop() noexcept { return loop_; }
    EventRing& events() noexcept { return events_; }

private:
    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
        boost::asio::make_work_guard(loop_);
    EventRing events_;
    std::vector<EventPtr> published_;
    Subscription heard_;
    FakeUpdates updates_;
    std::map<std::string, FakeRunner*> runners_;  ///< owned by the registry
    LogLevels log_levels_{{.loop = loop_, .file = {}, .level = LogLevel::info, .components = {}}};
    std::unique_ptr<Registry> registry_;
    Subscription levels_heard_;
    std::unique_ptr<Api> api_;
    HttpRouter router_;
    std::unique_ptr<HttpServer> server_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace backplane::core::test
