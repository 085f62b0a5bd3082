// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Keeps the plug-ins of the box up to date: asks the source, has the engine verify and store what came, and puts one
// build after the other in the place of the one that serves.
//
// Order of an update: fetch → accept (T1) → interfaces, then drivers, four at a time, each by PluginTrials: preflight →
// trial (T2) → swap → probation → good (T3). Owner: main(). Thread: the main loop's; what waits for the disk or
// verifies runs on a thread of its own. Failure: in the report and once in the log; nothing here ends the box.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backplane/core/update.hpp"
#include "registry/plugin_swaps.hpp"
#include "update/alive.hpp"
#include "update/engine_worker.hpp"
#include "update/plugin_trials.hpp"
#include "update/poll_schedule.hpp"
#include "update/update_report.hpp"

namespace backplane::core {

/// The box's own plug-ins as the engine wants to know them.
std::vector<OwnPlugin> own_plugins(const std::vector<CataloguedPlugin>& plugins);

class Updater final : public Updates {
public:
    struct Setup {
        std::vector<CataloguedPlugin> own;  ///< of the plug-in folder, refused ones too
        BundleSource* source = nullptr;     ///< null: nobody delivers; outlives the updater
        bool automatic = true;              ///< ask without being told to
        PollSchedule::Times polls;
        std::chrono::milliseconds settle_limit{
            10'000};  ///< the first poll waits no longer for ready()
        PluginTrials::Times trials;
        std::vector<std::string> warnings;  ///< standing, of the box
        /// Whether this box uses an interface of this name; one that it does not use stays stored. Empty: all.
        std::function<bool(const std::string& name)> uses_interface;
    };

    /// `engine`: an error when its folder cannot be used. Then the box runs with its own plug-ins.
    Updater(boost::asio::io_context& loop, Result<std::unique_ptr<UpdateEngine>> engine,
            Setup setup);
    /// Waits for the call to the disk that runs, for nothing else.
    ~Updater() override;
    Updater(const Updater&) = delete;
    Updater& operator=(const Updater&) = delete;

    /// What the registry is made of.
    struct LineUp {
        std::vector<CataloguedPlugin> plugins;
        std::set<std::string> on_trial;
    };
    /// Blocks on the disk. Once, before begin().
    LineUp line_up();
    /// The registry has been made and outlives this object. Start watching; polls follow.
    void begin(PluginSwaps& swaps);
    /// Its interfaces have told what is there: from now on the network may be asked.
    void ready();
    /// The box ends: what fails from now on is nobody's fault.
    void stop();

    /// For the status of the box: why updates cannot run, and what should not stay as it is.
    std::vector<std::string> problems() const;

    UpdateReport report() const override { return book_.report(); }
    std::vector<DeliveredPlugin> plugins() const override;
    void check(bool force, Done done) override;
    void install(std::vector<std::byte> archive, std::string label, bool force, Done done) override;
    void roll_back(const std::string& plugin, Done done) override;
    void pin(const std::string& plugin, bool pinned, Done done) override;
    void release(const std::string& plugin, Done done) override;
    void on_change(std::function<void()> changed) override {
        listeners_.push_back(std::move(changed));
    }

private:
    /// Builds that are being tried, the interfaces before the drivers.
    struct Round;

    void changed();
    void facts_changed();
    void later(Done done, Result<void> result);
    /// Why nothing may begin now.
    std::optional<Error> obstacle() const;

    void poll();
    void poll_in(std::chrono::milliseconds time);
    void fetch(bool force, std::string trigger);
    void fetched(Result<BundleAnswer> answer, bool force);
    void accept(std::vector<std::byte> archive, std::string etag, bool force);
    void accepted(const UpdateEngine::Acceptance& acceptance);
    void try_builds(std::vector<PluginBuild> builds, const std::vector<std::string>& disabled,
                    std::vector<Error> rejected);
    void go_on(const std::shared_ptr<Round>& round);
    void round_over(const std::shared_ptr<Round>& round);
    void failed(const Error& error, const char* result);
    void ended(bool answered);
    void try_staged();
    void collect_garbage();

    boost::asio::io_context& loop_;
    Setup setup_;
    std::vector<OwnPlugin> own_;
    std::vector<std::function<void()>> listeners_;
    bool change_posted_ = false;
    ReportBook book_;
    EngineWorker engine_;
    std::unique_ptr<PluginTrials> trials_;
    PluginSwaps* swaps_ = nullptr;
    std::minstd_rand random_;
    PollSchedule schedule_;
    boost::asio::steady_timer poll_timer_;
    std::vector<PluginBuild> still_staged_;  ///< from before the start, or released meanwhile
    bool ready_ = false;
    bool force_waits_ = false;  ///< somebody has asked while a check of the box's own was going on
    bool poll_waits_ = false;   ///< it was time, but something else was going on
    bool asked_ = false;        ///< what runs has asked the source
    bool polled_ = false;
    bool stopping_ = false;
    std::string last_complaint_;  ///< code and text; not logged again as long as it stays the same
    Alive alive_;
};

}  // namespace backplane::core
