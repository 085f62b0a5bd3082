// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an update asks of the running box: put another build of a plug-in in the place of the one that serves.
//
// Two steps, so that what must be durable can be written between them: prepare() starts the new process beside the old
// one, without a device; swap() hands the devices over, one after the other. Whatever fails, the old build serves on.
// Thread: the main loop's. `done` is called later, once, unless the object is destroyed before.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "backplane/core/result.hpp"
#include "registry/plugin_catalogue.hpp"

namespace backplane::core {

class PluginSwaps {
public:
    using Done = std::function<void(Result<void>)>;

    struct Limits {
        std::chrono::milliseconds load{2'000};  ///< process up, library loaded, note told
        std::chrono::milliseconds hold{2'000};  ///< for the actions that run on the old build
        std::chrono::milliseconds open{5'000};  ///< a device that was ready must be ready again
    };

    /// Told of builds that run on trial.
    class Watcher {
    public:
        virtual ~Watcher() = default;
        /// It crashed, hung, broke a limit, or was put aside. Never from inside a call to PluginSwaps.
        virtual void trial_trouble(const std::string& plugin, const std::string& reason) = 0;
    };

    virtual ~PluginSwaps() = default;

    /// Start the process of `next`; nothing of the running build changes. Error codes: "swap.running" (this plug-in is
    /// being swapped), "swap.load" (it did not load in time; the text has the reason), "swap.settings" (the
    /// configuration does not fit its schema), "box.stopping".
    virtual void prepare(CataloguedPlugin next, const Limits& limits, Done done) = 0;
    /// Hand everything over to the prepared build. `trial`: its first crash is told to the watcher and is not repaired by
    /// restarts as long as confirm() has not been called. Error codes: "swap.not_prepared", "swap.busy" (an action did
    /// not end in time), "swap.start" (it did not take a device), "swap.not_ready" (a device that worked does not work
    /// with it), "swap.crashed". After an error the old build serves again and the new one has ended.
    virtual void swap(const std::string& plugin, bool trial, const Limits& limits, Done done) = 0;
    /// End what was prepared.
    virtual void abandon(const std::string& plugin) = 0;
    /// The build that runs has proved itself.
    virtual void confirm(const std::string& plugin) = 0;
    /// No build of this plug-in may run: its devices lose their driver, with this reason.
    virtual void remove(const std::string& plugin, const std::string& reason, Done done) = 0;
    /// Forget the crashes of what runs; a plug-in that was put aside may run again.
    virtual void release(const std::string& plugin) = 0;

    struct Health {
        bool present = false;
        std::string version;
        std::uint64_t crashes = 0;
        std::uint64_t actions_succeeded = 0;  ///< since this build serves
        bool put_aside = false;
        std::string reason;
    };
    virtual Health health(const std::string& plugin) const = 0;
    virtual void set_watcher(Watcher* watcher) = 0;
};

}  // namespace backplane::core
