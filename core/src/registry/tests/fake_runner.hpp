// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A plug-in without a process: records what the registry asks, and lets a test say what the plug-in answers.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/plugin_runner.hpp"

namespace backplane::core {

class FakeRunner final : public PluginRunner {
public:
    FakeRunner(std::shared_ptr<const PluginImage> image, RunnerListener& heard)
        : listener(heard), image_(std::move(image)) {}

    // What the registry asked, in order: "run", "probe 2", "start 2", "stop 2", "begin 2 read_once", …
    std::vector<std::string> calls;
    std::map<InstanceId, boost::json::object> settings;
    std::map<InstanceId, SavedState> states;  // what each was offered of its predecessor
    InstanceId last_instance = 0;
    SavedState last_state;
    std::uint64_t last_action = 0;
    bool device_was_open = false;
    RunnerStatus state;
    RunnerListener& listener;

    void come_up() {
        state.running = state.up = true;
        listener.plugin_up();
    }
    void crash(const std::string& why) {
        state.up = false;
        ++state.crashes;
        listener.plugin_down({ExitReason::Kind::signal, why}, std::chrono::milliseconds{0});
    }
    void be_put_aside(const std::string& why) {
        state = {.running = false, .up = false, .put_aside = true, .reason = why};
        listener.plugin_put_aside(why);
    }
    bool was_asked(const std::string& call) const {
        return std::find(calls.begin(), calls.end(), call) != calls.end();
    }

    void run() override { calls.push_back("run"); }
    void shut_down() override {
        calls.push_back("shut_down");
        state.running = state.up = false;
    }
    void release() override { calls.push_back("release"); }
    void probe(InstanceSpec spec, std::chrono::milliseconds) override { note("probe", spec); }
    void start(InstanceSpec spec) override { note("start", spec); }
    void start_probed(InstanceId id) override {
        calls.push_back("start_probed " + std::to_string(id));
    }
    void stop(InstanceId id) override { calls.push_back("stop " + std::to_string(id)); }
    void quiesce(InstanceId id) override { calls.push_back("quiesce " + std::to_string(id)); }
    void resume(InstanceId id) override { calls.push_back("resume " + std::to_string(id)); }
    void begin(RunnerAction action) override {
        last_action = action.id;
        calls.push_back("begin " + action.name);
    }
    void cancel(InstanceId, std::uint64_t action) override {
        calls.push_back("cancel " + std::to_string(action));
    }
    void set_log_level(LogLevel level) override {
        calls.push_back("log " + std::string(to_string(level)));
    }
    RunnerStatus status() const override { return state; }
    const PluginImage& image() const override { return *image_; }

private:
    void note(const std::string& what, InstanceSpec& spec) {
        last_instance = spec.id;
        last_state = std::move(spec.state);
        device_was_open = static_cast<bool>(spec.device);
        settings[spec.id] = std::move(spec.settings);
        states[spec.id] = std::move(spec.state);
        calls.push_back(what);
    }
    std::shared_ptr<const PluginImage> image_;
};

}  // namespace backplane::core
