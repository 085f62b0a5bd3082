// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An updater with a real engine and real bundles, in a box that is only names.
#pragma once

#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backplane/core/log.hpp"
#include "fake_swaps.hpp"
#include "support/bundle_maker.hpp"
#include "support/temporary_folder.hpp"
#include "update/updater.hpp"

namespace backplane::core {

/// Answers what a test has put in; without anything it does not answer.
class FakeSource final : public BundleSource {
public:
    explicit FakeSource(boost::asio::io_context& loop) : loop_(loop) {}
    std::string name() const override { return server; }
    void fetch(BundleRequest request, Progress told, Done then) override {
        requests.push_back(std::move(request));
        progress = std::move(told);
        done = std::move(then);
        if (!answers.empty()) answer();
    }
    void answer() {
        boost::asio::post(loop_,
                          [then = done, answer = std::move(answers.front())] { then(answer); });
        answers.pop_front();
    }
    void will_send(bundle::Bytes zip, std::string etag = "\"1\"") {
        answers.push_back(
            BundleAnswer{BundleAnswer::Kind::archive, std::move(zip), std::move(etag)});
    }
    void will_say(BundleAnswer::Kind kind) { answers.push_back(BundleAnswer{kind, {}, {}}); }
    void will_fail(std::string code, std::string text) {
        answers.push_back(failure(std::move(code), std::move(text)));
    }

    std::string server = "https://shop.example.com";
    std::vector<BundleRequest> requests;
    std::deque<Result<BundleAnswer>> answers;
    Progress progress;
    Done done;

private:
    boost::asio::io_context& loop_;
};

class AnUpdater : public testing::Test {
protected:
    AnUpdater() {
        setup.automatic = false;
        setup.polls.jitter = std::chrono::milliseconds{0};
        setup.trials.least_look = std::chrono::milliseconds{5};
        setup.trials.retries = {std::chrono::milliseconds{1}};
        setup.source = &source;
        log_seen = recent_logs().empty() ? 0 : recent_logs().back().seq;
    }

    static CataloguedPlugin own_plugin(const std::string& name, const std::string& version) {
        CataloguedPlugin plugin;
        plugin.name = name;
        plugin.path = "/box/" + name + ".so";
        plugin.note.emplace();
        plugin.note->name = name;
        std::string id = "com.example." + name;
        std::replace(id.begin(), id.end(), '_', '-');
        plugin.note->id = id;
        plugin.note->version = version;
        auto image = std::make_shared<PluginImage>();
        image->name = name;
        image->version = version;
        plugin.image = image;
        return plugin;
    }
    UpdateEngine::Setup engine_setup() {
        UpdateEngine::Setup engine;
        engine.folder = folder.file("updates");
        engine.files = files.get();
        engine.policy.host = sdk::HostFacts::of_this_machine();
        engine.policy.host_version = "1.0.0";
        engine.pinned_roots = {{"acme", maker.root()}};
        engine.own = own_plugins(setup.own);
        engine.clock = [] {
            return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        };
        return engine;
    }
    void runs(const CataloguedPlugin& plugin) {
        PluginSwaps::Health& health = swaps.healths[plugin.name];
        health.present = true;
        health.version = plugin.note->version;
    }
    /// As the box starts: engine, line-up, registry, interfaces settled.
    void start() {
        updater = std::make_unique<Updater>(loop, UpdateEngine::open(engine_setup()), setup);
        line = updater->line_up();
        for (const CataloguedPlugin& plugin : line.plugins)
            if (plugin.note) runs(plugin);
        updater->begin(swaps);
        updater->ready();
    }
    void restart() {
        updater.reset();
        swaps.calls.clear();
        swaps.healths.clear();
        start();
    }

    template <typename Predicate>
    void until(Predicate done) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        loop.restart();
        while (!done() && std::chrono::steady_clock::now() < give_up)
            loop.run_one_for(std::chrono::milliseconds{20});
        ASSERT_TRUE(done());
    }
    void until_over() {
        until([&] { return updater->report().phase == UpdateReport::Phase::idle; });
    }
    Result<void> install(bundle::Bytes zip, bool force = false) {
        std::optional<Result<void>> begun;
        updater->install(std::move(zip), "a file", force,
                         [&](Result<void> result) { begun = std::move(result); });
        until([&] { return begun.has_value(); });
        until_over();
        return *begun;
    }
    Result<void> wait_for(const std::function<void(Updates::Done)>& ask) {
        std::optional<Result<void>> answer;
        ask([&](Result<void> result) { answer = std::move(result); });
        until([&] { return answer.has_value(); });
        return *answer;
    }
    UpdateStep step(const std::string& plugin) const {
        for (const UpdateStep& step : updater->report().steps)
            if (step.plugin == plugin) return step;
        return {};
    }
    DeliveredPlugin delivered(const std::string& name) const {
        for (const DeliveredPlugin& plugin : updater->plugins())
            if (plugin.name == name) return plugin;
        return {};
    }
    std::size_t logged(const std::string& event) const {
        std::size_t count = 0;
        for (const LogRecord& record : recent_logs(log_seen))
            count += record.component == "update" && record.event == event;
        return count;
    }
    void add(const std::string& file, bundle::Health health = {}) {
        tests::BundleMaker::PluginOptions options;
        options.health = health;
        maker.add(tests::test_plugin(file), options);
    }

    boost::asio::io_context loop;
    backplane::tests::TemporaryFolder folder;
    std::unique_ptr<DurableFiles> files = DurableFiles::posix();
    tests::BundleMaker maker{"acme"};
    FakeSource source{loop};
    FakeSwaps swaps{loop};
    Updater::Setup setup;
    Updater::LineUp line;
    std::unique_ptr<Updater> updater;
    std::uint64_t log_seen = 0;
};

}  // namespace backplane::core
