// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Updates of plug-ins as the rest of the box sees them: what is going on, what is installed, what the owner may ask for;
// and where bundles come from.
//
// Thread: the main loop's. Nothing here waits: answers come through `done`, later.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core {

struct BundleRequest {
    std::string etag;    ///< of what was accepted last; empty: send everything
    bool forced = false;  ///< somebody asks now; otherwise it is the check after a start
};

struct BundleAnswer {
    enum class Kind {
        unchanged,  ///< what we have is what the server has
        nothing,    ///< the server does not deliver plug-ins (automatic update is off)
        archive,
    };
    Kind kind = Kind::nothing;
    std::vector<std::byte> bytes;  ///< of the archive
    std::string etag;
};

/// Where bundles come from. One fetch at a time.
class BundleSource {
public:
    using Progress = std::function<void(std::uint64_t received, std::uint64_t expected)>;  ///< 0: unknown
    using Done = std::function<void(Result<BundleAnswer>)>;

    virtual ~BundleSource() = default;
    /// For people: "https://shop.example.com". Empty: no server is known, and fetch() says so.
    virtual std::string name() const = 0;
    /// Error codes: E_NET, E_SIZE, E_SLOW, E_SERVER. Both are called on the main loop, never from inside fetch(); not
    /// after the source has been destroyed.
    virtual void fetch(BundleRequest request, Progress progress, Done done) = 0;
};

/// What happens to one plug-in in the running or the last update.
struct UpdateStep {
    enum class State { waiting, checking, swapping, done, failed, left_out };
    std::string plugin;
    std::string from, to;  ///< versions; from empty: new
    State state = State::waiting;
    std::string code;  ///< of a failure: "E_FLOOR", "swap.not_ready"
    std::string text;  ///< for people
};
std::string_view to_string(UpdateStep::State state) noexcept;

struct UpdateReport {
    enum class Phase { idle, downloading, verifying, storing, swapping };
    Phase phase = Phase::idle;
    std::string trigger;  ///< of the running or last one: "start", "force", "file", "schedule"; empty: none yet
    std::string source;   ///< where it came from, for people
    std::uint64_t received = 0, expected = 0;  ///< bytes of the download
    std::vector<UpdateStep> steps;
    /// Of the last one that ended: "updated", "unchanged", "nothing", "partly", "rejected", "failed"; empty: none yet.
    std::string result;
    std::string code;  ///< of a rejection or failure
    std::string text;  ///< one sentence or two for people
    double started = 0, finished = 0;  ///< Unix time, seconds
    double last_contact = 0;           ///< last time the server answered sensibly
    std::vector<std::string> warnings;  ///< standing: development mode, expired release, no contact for 30 days, …
};
std::string_view to_string(UpdateReport::Phase phase) noexcept;

/// One plug-in that a bundle has delivered, as lists show it beside what the process does.
struct DeliveredPlugin {
    std::string name, kind;
    std::string version;    ///< that should run
    std::string source;     ///< "the box" or "bundle acme 12"
    std::string signer;     ///< who signed it, or empty
    /// "good", "trial", "staged", "pinned", "disabled"; "quarantined" when its newest build is put away
    std::string state;
    std::string reason;     ///< why it is in this state
    std::string last_good;  ///< version to which a rollback returns; empty: none
    std::string quarantined;         ///< version of the newest build that was put away, or empty
    std::string quarantined_reason;
    bool pinned = false;
    bool can_roll_back = false;
    bool can_release = false;
    double since = 0;
};

class Updates {
public:
    using Done = std::function<void(Result<void>)>;
    virtual ~Updates() = default;

    virtual UpdateReport report() const = 0;
    virtual std::vector<DeliveredPlugin> plugins() const = 0;

    /// Ask the source now. `done` when it has begun; error "update.running" while one runs, "update.stopping". Force
    /// waits for a check that the box has begun by itself, and then asks again.
    virtual void check(bool force, Done done) = 0;
    /// The same bytes from a file. `label` says from where.
    virtual void install(std::vector<std::byte> archive, std::string label, bool force, Done done) = 0;

    /// To the last good build, and stay there: the build that ran is quarantined at the owner's wish. `done` when it runs.
    virtual void roll_back(const std::string& plugin, Done done) = 0;
    /// Keep (or no longer keep) what runs, whatever bundles bring; floors and withdrawals still count.
    virtual void pin(const std::string& plugin, bool pinned, Done done) = 0;
    /// Forget quarantine and crashes of this plug-in; its newest build gets a new trial.
    virtual void release(const std::string& plugin, Done done) = 0;

    /// Called after each change of report() or plugins().
    virtual void on_change(std::function<void()> changed) = 0;
};

}  // namespace backplane::core
