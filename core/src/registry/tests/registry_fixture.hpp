// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A registry with the interface "serial" and the drivers "toledo" and "generic", on processes that the test plays.
#pragma once

#include <gmock/gmock.h>

#include <pty.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "fake_runner.hpp"
#include "registry/registry.hpp"
#include "store/device_memory.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {

using namespace std::chrono_literals;
using Report = RunnerListener::DeviceReport;

class ARegistry : public testing::Test {
protected:
    ARegistry() {
        setup.times = {.open = 2s,
                       .reopen_first = 5ms,
                       .reopen_most = 10ms,
                       .known_probe = 5ms,
                       .probe_first = 20ms,
                       .probe_most = 40ms};
        setup.linger = 5ms;
        setup.plugins.push_back(plugin("serial", sdk::PluginKind::interface));
        setup.plugins.push_back(driver("toledo", 10));
        setup.plugins.push_back(driver("generic", 0));
        int slave = -1;
        if (::openpty(&master, &slave, pts.data(), nullptr, nullptr) == 0) ::close(slave);
    }
    ~ARegistry() override {
        registry.reset();
        setup.memory = nullptr;
        ::close(master);
    }

    static CataloguedPlugin plugin(const std::string& name, sdk::PluginKind kind) {
        CataloguedPlugin out;
        out.name = name;
        out.note.emplace();
        out.note->name = name;
        out.note->id = "org.backplane." + name;
        out.note->version = "1.0.0";
        out.note->kind = kind;
        auto image = std::make_shared<PluginImage>();
        image->name = name;
        out.image = image;
        return out;
    }
    static CataloguedPlugin driver(const std::string& name, int priority) {
        CataloguedPlugin out = plugin(name, sdk::PluginKind::driver);
        out.note->device_types = {"scale"};
        sdk::MatchRule rule;
        rule.bus = "serial";
        rule.priority = priority;
        rule.probe = sdk::ProbeMode::active;
        out.note->matches = {rule};
        return out;
    }

    void begin() {
        registry = std::make_unique<Registry>(
            loop, events, std::move(setup),
            [this](std::shared_ptr<const PluginImage> image, RunnerListener& heard) {
                const std::string name = image->name;
                auto made = std::make_unique<FakeRunner>(std::move(image), heard);
                runners[name] = made.get();
                return made;
            });
        registry->begin();
        serial().come_up();
        serial().listener.instance_started(serial().last_instance, {});
    }
    FakeRunner& serial() { return *runners.at("serial"); }
    FakeRunner& toledo() { return *runners.at("toledo"); }
    FakeRunner& generic() { return *runners.at("generic"); }

    boost::json::object port(const std::string& identifier, const std::string& stable_id) const {
        return {
            {"key", identifier},      {"bus", "serial"},
            {"address", pts.data()},  {"identifier", identifier},
            {"stable_id", stable_id}, {"open", {{"kind", "device_node"}, {"path", pts.data()}}}};
    }
    void plug(const std::string& identifier = "/dev/ttyUSB0",
              const std::string& stable_id = "usb-A") {
        serial().listener.device_added(serial().last_instance, port(identifier, stable_id), Fd{});
    }
    void unplug(const std::string& key = "/dev/ttyUSB0") {
        serial().listener.device_removed(serial().last_instance, key);
    }
    template <typename Predicate>
    void until(Predicate done) {
        const auto give_up = std::chrono::steady_clock::now() + 10s;
        loop.restart();
        while (!done() && std::chrono::steady_clock::now() < give_up) loop.run_one_for(20ms);
        ASSERT_TRUE(done());
    }
    /// A scale at /dev/ttyUSB0 that toledo serves.
    void plug_ready_scale() {
        plug();
        toledo().come_up();
        until([&] { return toledo().was_asked("probe"); });
        toledo().listener.instance_probed(toledo().last_instance, true, "it echoed");
        toledo().listener.instance_started(toledo().last_instance, {});
        toledo().listener.device_reported(toledo().last_instance, Report::ready, "it answers");
    }
    DeviceInfo device(std::string_view name = "/dev/ttyUSB0") {
        const auto found = registry->find(name);
        EXPECT_TRUE(found.has_value()) << name;
        return found.value_or(DeviceInfo{});
    }
    ActionOutcome act(const std::string& name, const std::string& unique_id = {}) {
        std::optional<ActionOutcome> result;
        ask(name, result, unique_id);
        until([&] { return result.has_value(); });
        return *result;
    }
    void ask(const std::string& name, std::optional<ActionOutcome>& result,
             const std::string& unique_id = {}) {
        ActionRequest request;
        request.device = "/dev/ttyUSB0";
        request.name = name;
        request.unique_id = unique_id;
        registry->act(std::move(request),
                      [&](ActionOutcome outcome) { result = std::move(outcome); });
    }

    backplane::tests::TemporaryFolder folder;
    const std::string state_dir = folder.path();
    boost::asio::io_context loop;
    EventRing events;
    Registry::Setup setup;
    std::map<std::string, FakeRunner*> runners;
    std::unique_ptr<Registry> registry;
    std::array<char, 64> pts{};
    int master = -1;
};

}  // namespace backplane::core
