// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A runner with real processes on a real loop, and a listener that writes down what it hears.
#pragma once

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/plugin_runner.hpp"
#include "util/memory_file.hpp"

namespace backplane::core {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int k_slowness = 6;
#else
inline constexpr int k_slowness = 1;
#endif

inline std::shared_ptr<PluginImage> load_image(const std::string& name,
                                               const std::string& kind = "driver") {
    auto image = std::make_shared<PluginImage>();
    image->name = name;
    image->id = "org.backplane.test." + name;
    image->version = "1.0.0";
    image->kind = kind;
    image->path = std::string{BP_TEST_PLUGIN_DIRECTORY} + "/" + name + ".so";
    auto bytes = sealed_memory_file_from(image->path, std::size_t{64} << 20);
    EXPECT_TRUE(bytes.has_value());
    if (bytes) image->bytes = std::move(*bytes);
    return image;
}

class RecordingListener : public RunnerListener {
public:
    struct Down {
        ExitReason reason;
        std::optional<std::chrono::milliseconds> restart_in;
    };
    struct End {
        InstanceId instance;
        ActionEnd end;
    };

    void plugin_up() override {
        ++ups;
        if (on_up) on_up();
    }
    void plugin_down(const ExitReason& reason,
                     std::optional<std::chrono::milliseconds> restart_in) override {
        downs.push_back({reason, restart_in});
        if (on_down) on_down();
    }
    void plugin_put_aside(const std::string& reason) override { put_aside.push_back(reason); }
    void instance_probed(InstanceId id, bool claimed, const std::string& reason) override {
        probed[id] = {claimed, reason};
        order.push_back("probed");
    }
    void instance_started(InstanceId id, const Result<void>& result) override {
        started[id] = result ? "ok" : result.error().code + ": " + result.error().text;
        order.push_back("started");
        if (on_started) on_started(id);
    }
    void instance_stopped(InstanceId id) override {
        stopped.push_back(id);
        order.push_back("stopped");
    }
    void instance_quiesced(InstanceId id, SavedState state) override {
        quiesced[id] = std::move(state);
        order.push_back("quiesced");
        if (on_quiesced) on_quiesced(id);
    }
    void device_reported(InstanceId, DeviceReport report, const std::string& reason) override {
        reports.emplace_back(report, reason);
        order.push_back("reported");
    }
    void device_described(InstanceId, const boost::json::object& description) override {
        descriptions.push_back(description);
        order.push_back("described");
    }
    void event_emitted(InstanceId, RunnerEvent event) override {
        order.push_back("event");
        events.push_back(std::move(event));
    }
    void action_ended(InstanceId id, std::uint64_t action, ActionEnd end) override {
        ++ended_calls;
        ended.emplace(action, End{id, std::move(end)});
    }
    void device_added(InstanceId, boost::json::object descriptor, Fd fd) override {
        added[std::string{std::string_view{descriptor.at("key").as_string()}}] = std::move(fd);
        order.push_back("added");
    }
    void device_removed(InstanceId, const std::string& key) override { removed.push_back(key); }
    void bus_settled(InstanceId) override {
        ++settled;
        order.push_back("settled");
    }

    int ups = 0, settled = 0, ended_calls = 0;
    std::vector<Down> downs;
    std::vector<std::string> put_aside, removed, order;
    std::map<InstanceId, std::pair<bool, std::string>> probed;
    std::map<InstanceId, std::string> started;
    std::vector<InstanceId> stopped;
    std::map<InstanceId, SavedState> quiesced;
    std::vector<std::pair<DeviceReport, std::string>> reports;
    std::vector<boost::json::object> descriptions;
    std::vector<RunnerEvent> events;
    std::map<std::uint64_t, End> ended;
    std::map<std::string, Fd> added;
    std::function<void()> on_up, on_down;
    std::function<void(InstanceId)> on_started, on_quiesced;
};

class RunnerFixture : public ::testing::Test {
protected:
    RunnerFixture() {
        policy_.ping_period = std::chrono::milliseconds{50} * k_slowness;
        policy_.hang_limit = std::chrono::milliseconds{300} * k_slowness;
        policy_.stop_limit = std::chrono::milliseconds{300} * k_slowness;
        policy_.load_limit = std::chrono::milliseconds{5'000} * k_slowness;
    }

    void make(const std::string& plugin, const std::string& kind = "driver") {
        runner_ = PluginRunner::create(loop_, BP_TEST_HOST_PROGRAM, load_image(plugin, kind),
                                       policy_, listener_);
    }
    void make_up(const std::string& plugin, const std::string& kind = "driver") {
        make(plugin, kind);
        runner_->run();
        ASSERT_TRUE(wait([&] { return listener_.ups == 1; })) << last_down();
    }
    /// Runs the loop until the condition holds; false when it does not within a generous time.
    bool wait(const std::function<bool()>& condition,
              std::chrono::seconds most = std::chrono::seconds{20}) {
        const auto deadline = std::chrono::steady_clock::now() + most;
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= deadline) return false;
            if (loop_.stopped()) loop_.restart();
            loop_.run_one_for(std::chrono::milliseconds{20});
        }
        return true;
    }
    std::string last_down() const {
        return listener_.downs.empty() ? "" : listener_.downs.back().reason.text;
    }

    static InstanceSpec spec(InstanceId id, boost::json::object settings = {},
                             boost::json::object descriptor = {}) {
        InstanceSpec spec;
        spec.id = id;
        spec.settings = std::move(settings);
        spec.descriptor = std::move(descriptor);
        return spec;
    }
    static RunnerAction action(InstanceId instance, std::uint64_t id, std::string name,
                               boost::json::object data = {},
                               std::chrono::milliseconds deadline = std::chrono::seconds{10}) {
        RunnerAction action;
        action.instance = instance;
        action.id = id;
        action.name = std::move(name);
        action.data = std::move(data);
        action.deadline = deadline;
        return action;
    }
    /// A running instance of "misbehaving" that does this there.
    void start_misbehaving(const std::string& what, const std::string& where, InstanceId id = 1) {
        runner_->start(spec(id, {{"do", what}, {"in", where}}));
    }
    void start_ready(InstanceId id, boost::json::object settings = {}) {
        runner_->start(spec(id, std::move(settings)));
        ASSERT_TRUE(wait([&] { return listener_.started.count(id) != 0; }));
        ASSERT_EQ(listener_.started[id], "ok");
    }
    const RecordingListener::End& ended(std::uint64_t id) {
        EXPECT_TRUE(wait([&] { return listener_.ended.count(id) != 0; })) << last_down();
        return listener_.ended[id];
    }

    boost::asio::io_context loop_{1};
    RunnerPolicy policy_;
    RecordingListener listener_;
    std::unique_ptr<PluginRunner> runner_;
};

}  // namespace backplane::core
