// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/updater.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"

namespace backplane::core {

namespace {

constexpr std::string_view k_component = "update";
// Each of them is a process more beside the one it replaces.
constexpr std::size_t k_at_once = 4;

std::map<std::string, CataloguedPlugin> usable(const std::vector<CataloguedPlugin>& plugins) {
    std::map<std::string, CataloguedPlugin> out;
    for (const CataloguedPlugin& plugin : plugins)
        if (plugin.image && plugin.note) out.emplace(plugin.name, plugin);
    return out;
}

UpdateStep left_out(const bundle::Refusal& refusal) {
    UpdateStep step;
    const std::size_t space = refusal.subject.find(' ');
    step.plugin = refusal.subject.substr(0, space);
    if (space != std::string::npos) step.to = refusal.subject.substr(space + 1);
    step.state = UpdateStep::State::left_out;
    step.code = refusal.error.code;
    step.text = refusal.error.text;
    return step;
}

}  // namespace

std::vector<OwnPlugin> own_plugins(const std::vector<CataloguedPlugin>& plugins) {
    std::vector<OwnPlugin> out;
    for (const auto& [name, plugin] : usable(plugins))
        out.push_back({name, plugin.note->id, plugin.note->version});
    return out;
}

struct Updater::Round {
    std::deque<PluginBuild> interfaces, drivers;
    std::size_t running = 0;
    std::set<std::string> unsettled;  ///< plug-ins of which something else should run, perhaps
    std::vector<Error> rejected;
};

Updater::Updater(boost::asio::io_context& loop, Result<std::unique_ptr<UpdateEngine>> engine,
                 Setup setup)
    : loop_(loop),
      setup_(std::move(setup)),
      own_(own_plugins(setup_.own)),
      book_([this] { changed(); }),
      engine_(loop, std::move(engine)),
      trials_(
          std::make_unique<PluginTrials>(loop, engine_, usable(setup_.own), setup_.trials,
                                         [this](UpdateStep step) { book_.set(std::move(step)); })),
      random_(std::random_device{}()),
      schedule_(setup_.polls,
                [this] {
                    return std::uniform_real_distribution<double>{0, 1}(random_);
                }),
      poll_timer_(loop) {
    engine_.on_facts([this] { facts_changed(); });
    if (!engine_.usable())
        log_error(k_component, "update.unavailable", {{"reason", engine_.problem().text}});
    facts_changed();
}

Updater::~Updater() = default;

// ---- start and end --------------------------------------------------------------------------------------------------

Updater::LineUp Updater::line_up() {
    LineUp line;
    line.plugins = std::exchange(setup_.own, {});
    if (!engine_.usable()) return line;
    auto started = engine_.now([this](UpdateEngine& engine) {
        auto start = engine.start();
        for (const std::string& repair : engine.repairs()) {
            log_warning(k_component, "update.repaired", {{"what", repair}});
            setup_.warnings.push_back(repair);
        }
        return start;
    });
    if (!started) {
        log_error(k_component, "update.unavailable", {{"reason", started.error().text}});
        engine_.give_up(started.error());
        facts_changed();
        return line;
    }
    const auto record_of = [&](const std::string& name) -> const PluginRecord* {
        for (const PluginRecord& record : engine_.facts().plugins)
            if (record.name == name) return &record;
        return nullptr;
    };
    const auto put = [&](CataloguedPlugin plugin) {
        // A file of the box that was refused makes way too; the list need not show what nobody misses.
        std::erase_if(line.plugins,
                      [&](const CataloguedPlugin& other) { return other.name == plugin.name; });
        line.plugins.push_back(std::move(plugin));
    };
    for (LoadedBuild& loaded : started->run) {
        const PluginBuild build = loaded.build;
        const PluginRecord* record = record_of(build.name);
        const bool trial =
            record && record->on_trial && record->active && record->active->sha256 == build.sha256;
        CataloguedPlugin plugin = PluginTrials::catalogued(std::move(loaded));
        trials_->started_with(build, plugin, trial);
        if (trial) line.on_trial.insert(build.name);
        put(std::move(plugin));
    }
    for (const std::string& name : started->disabled) {
        const PluginRecord* record = record_of(name);
        CataloguedPlugin plugin;
        plugin.name = name;
        plugin.refusal = record && !record->reason.empty()
                             ? record->reason
                             : name + " may not run any more: install a newer version";
        trials_->started_without(name);
        put(std::move(plugin));
    }
    still_staged_ = std::move(started->still_staged);
    facts_changed();
    return line;
}

void Updater::begin(PluginSwaps& swaps) {
    swaps_ = &swaps;
    trials_->begin(swaps);
    poll_timer_.expires_after(setup_.settle_limit);
    poll_timer_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
        if (!error) ready();
    }));
}

void Updater::ready() {
    if (std::exchange(ready_, true) || stopping_ || !swaps_ || !engine_.usable()) return;
    poll_timer_.cancel();
    poll_in(schedule_.after_start());
    if (!book_.running()) try_staged();
}

void Updater::stop() {
    stopping_ = true;
    poll_timer_.cancel();
    trials_->stop();
}

// ---- what people are told -------------------------------------------------------------------------------------------

void Updater::changed() {
    // Many changes of one moment are told once.
    if (std::exchange(change_posted_, true)) return;
    boost::asio::post(loop_, alive_.guard([this] {
        change_posted_ = false;
        for (const auto& listener : listeners_) listener();
    }));
}

void Updater::facts_changed() {
    std::vector<std::string> warnings = setup_.warnings;
    if (!engine_.usable()) warnings.push_back("updates cannot run: " + engine_.problem().text);
    for (const std::string& warning : engine_.facts().warnings)
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
            warnings.push_back(warning);
    book_.warn(std::move(warnings));
    changed();
}

std::vector<std::string> Updater::problems() const {
    return book_.report().warnings;
}

std::vector<DeliveredPlugin> Updater::plugins() const {
    return delivered_plugins(engine_.facts().plugins, own_);
}

void Updater::later(Done done, Result<void> result) {
    if (!done) return;
    boost::asio::post(loop_, alive_.guard([done = std::move(done), result = std::move(result)] {
        done(result);
    }));
}

std::optional<Error> Updater::obstacle() const {
    if (stopping_ || !swaps_)
        return Error{"update.stopping", "the box is starting or stopping: try again when it is up"};
    if (!engine_.usable())
        return Error{"update.unavailable", "updates cannot run: " + engine_.problem().text};
    if (book_.running())
        return Error{"update.running", "an update is running already: try again when it is over"};
    return std::nullopt;
}

// ---- polls ----------------------------------------------------------------------------------------------------------

void Updater::poll_in(std::chrono::milliseconds time) {
    if (stopping_ || !setup_.automatic || !setup_.source) return;
    poll_timer_.expires_after(time);
    poll_timer_.async_wait(alive_.guard([this](const boost::system::error_code& error) {
        if (!error) poll();
    }));
}

void Updater::poll() {
    if (stopping_) return;
    if (book_.running()) {
        poll_waits_ = true;
        return;
    }
    // Not paired yet: nothing to ask, nothing to complain about.
    if (setup_.source->name().empty()) return poll_in(setup_.polls.first_retry);
    fetch(false, std::exchange(polled_, true) ? "schedule" : "start");
}

void Updater::check(bool force, Done done) {
    // Whoever presses the button just after a start is not sent away because the box asks at the same time.
    const std::string& trigger = book_.report().trigger;
    if (force && setup_.source && !stopping_ && swaps_ && engine_.usable() && book_.running() &&
        !force_waits_ && (trigger == "start" || trigger == "schedule")) {
        force_waits_ = true;
        return later(std::move(done), {});
    }
    if (auto error = obstacle()) return later(std::move(done), failure(error->code, error->text));
    if (!setup_.source)
        return later(std::move(done), failure("update.no_source",
                                              "nobody delivers plug-ins to this box: install "
                                              "them from a file"));
    fetch(force, force ? "force" : "schedule");
    later(std::move(done), {});
}

void Updater::fetch(bool force, std::string trigger) {
    const std::string name = setup_.source->name();
    book_.begin(std::move(trigger), name, UpdateReport::Phase::downloading);
    asked_ = true;
    engine_.run([force](UpdateEngine& engine) -> Result<std::string> { return engine.etag(force); },
                [this, force](Result<std::string> etag) {
                    if (stopping_) return;
                    BundleRequest request;
                    request.forced = force;
                    // Without it the server sends everything, which costs time and does no harm.
                    if (etag && !force) request.etag = std::move(*etag);
                    setup_.source->fetch(
                        std::move(request),
                        alive_.guard([this](std::uint64_t bytes, std::uint64_t expected) {
                            book_.received(bytes, expected);
                        }),
                        alive_.guard([this, force](Result<BundleAnswer> answer) {
                            if (!stopping_) fetched(std::move(answer), force);
                        }));
                });
}

void Updater::fetched(Result<BundleAnswer> answer, bool force) {
    if (!answer) return failed(answer.error(), "failed");
    book_.contact();
    if (answer->kind == BundleAnswer::Kind::archive)
        return accept(std::move(answer->bytes), std::move(answer->etag), force);
    const bool unchanged = answer->kind == BundleAnswer::Kind::unchanged;
    engine_.run(
        [etag = std::move(answer->etag)](UpdateEngine& engine) { return engine.contacted(etag); },
        [this, unchanged](const Result<void>& noted) {
            if (!noted)
                log_warning(k_component, "update.not_noted", {{"reason", noted.error().text}});
            if (unchanged) {
                book_.finish("unchanged", "", "the server has nothing newer than this box");
            } else {
                book_.finish("nothing", "",
                             "the server delivers no plug-ins: automatic updates are switched off "
                             "there, and all plug-ins stay as they are");
            }
            last_complaint_.clear();
            ended(true);
        });
}

void Updater::install(std::vector<std::byte> archive, std::string label, bool force, Done done) {
    if (auto error = obstacle()) return later(std::move(done), failure(error->code, error->text));
    book_.begin("file", std::move(label), UpdateReport::Phase::verifying);
    accept(std::move(archive), {}, force);
    later(std::move(done), {});
}

// ---- one update -----------------------------------------------------------------------------------------------------

void Updater::accept(std::vector<std::byte> archive, std::string etag, bool force) {
    book_.enter(UpdateReport::Phase::verifying);
    engine_.run([archive = std::move(archive), offer = UpdateEngine::Offer{std::move(etag), force}](
                    UpdateEngine& engine) { return engine.accept(archive, offer); },
                [this](Result<UpdateEngine::Acceptance> acceptance) {
                    if (stopping_) return;
                    if (acceptance) return accepted(*acceptance);
                    const Error& error = acceptance.error();
                    failed(error, error.code.starts_with("E_") ? "rejected" : "failed");
                });
}

void Updater::accepted(const UpdateEngine::Acceptance& acceptance) {
    std::vector<Error> rejected;
    for (const auto& bundle : acceptance.bundles)
        if (!bundle.accepted && !bundle.unchanged)
            rejected.push_back({bundle.code, "bundle " + bundle.bundle + ": " + bundle.text});
    if (acceptance.bundles.empty()) {
        book_.finish(
            "nothing", "",
            "nothing in it is for this box: of its " + std::to_string(acceptance.foreign_files) +
                " files none belongs to a signed bundle, and all plug-ins stay as they are");
        last_complaint_.clear();
        return ended(true);
    }
    if (rejected.size() == acceptance.bundles.size() && acceptance.staged.empty() &&
        acceptance.disabled.empty()) {
        std::string text;
        for (const Error& error : rejected) text += (text.empty() ? "" : "; ") + error.text;
        return failed({rejected.front().code, text}, "rejected");
    }
    book_.enter(UpdateReport::Phase::swapping);
    for (const bundle::Refusal& refusal : acceptance.left_out) book_.set(left_out(refusal));
    try_builds(acceptance.staged, acceptance.disabled, std::move(rejected));
}

void Updater::try_builds(std::vector<PluginBuild> builds, const std::vector<std::string>& disabled,
                         std::vector<Error> rejected) {
    auto round = std::make_shared<Round>();
    round->unsettled.insert(disabled.begin(), disabled.end());
    round->rejected = std::move(rejected);
    for (PluginBuild& build : builds) {
        UpdateStep step;
        step.plugin = build.name;
        step.to = build.version;
        if (build.kind == "interface" && setup_.uses_interface &&
            !setup_.uses_interface(build.name)) {
            step.state = UpdateStep::State::left_out;
            step.code = "update.not_used";
            step.text = title_of(build) +
                        " is stored, but this box does not use this interface: it is tried once "
                        "the box does";
            book_.set(std::move(step));
            continue;
        }
        step.text = title_of(build) + " waits for its turn";
        book_.set(std::move(step));
        round->unsettled.insert(build.name);
        auto& queue = build.kind == "interface" ? round->interfaces : round->drivers;
        queue.push_back(std::move(build));
    }
    go_on(round);
}

void Updater::go_on(const std::shared_ptr<Round>& round) {
    if (stopping_) return;
    // Drivers wait for all interfaces: a new one may describe devices in a way that only new drivers know.
    for (auto* queue : {&round->interfaces, &round->drivers}) {
        while (!queue->empty() && round->running < k_at_once) {
            PluginBuild build = std::move(queue->front());
            queue->pop_front();
            ++round->running;
            trials_->attempt(build, [this, round, name = build.name](bool swapped) {
                --round->running;
                if (swapped) round->unsettled.erase(name);
                go_on(round);
            });
        }
        if (round->running > 0 || !queue->empty()) return;
    }
    // What may not run any more, and was not replaced a moment ago, makes way. Where the build that was to replace it
    // has failed, the engine has decided anew what should run.
    if (!round->unsettled.empty()) {
        const std::string name = *round->unsettled.begin();
        round->unsettled.erase(round->unsettled.begin());
        return trials_->retire(name, [this, round] { go_on(round); });
    }
    round_over(round);
}

void Updater::round_over(const std::shared_ptr<Round>& round) {
    book_.finish_by_steps(round->rejected);
    const UpdateReport& report = book_.report();
    if (report.code.empty()) {
        last_complaint_.clear();
        if (report.result == "updated")
            log_info(k_component, "update.done",
                     {{"source", report.source}, {"what", report.text}});
    } else if (std::exchange(last_complaint_, report.code + report.text) !=
               report.code + report.text) {
        log_warning(k_component, "update." + report.result,
                    {{"source", report.source}, {"code", report.code}, {"reason", report.text}});
    }
    collect_garbage();
    ended(true);
}

void Updater::failed(const Error& error, const char* result) {
    // A server that is down for a day is one line, not one for each try.
    if (std::exchange(last_complaint_, error.code + error.text) != error.code + error.text)
        log_warning(
            k_component, "update." + std::string(result),
            {{"source", book_.report().source}, {"code", error.code}, {"reason", error.text}});
    book_.finish(result, error.code, error.text);
    ended(false);
}

void Updater::ended(bool answered) {
    if (stopping_) return;
    if (std::exchange(asked_, false)) {
        poll_waits_ = false;
        if (ready_) poll_in(answered ? schedule_.after_success() : schedule_.after_failure());
    } else if (std::exchange(poll_waits_, false)) {
        poll_in({});
    }
    if (std::exchange(force_waits_, false)) return fetch(true, "force");
    if (ready_) try_staged();
}

void Updater::try_staged() {
    // A bundle that came meanwhile has tried them, or replaced them.
    const auto& records = engine_.facts().plugins;
    std::erase_if(still_staged_, [&](const PluginBuild& build) {
        return std::none_of(records.begin(), records.end(), [&](const PluginRecord& record) {
            return record.staged && record.staged->sha256 == build.sha256;
        });
    });
    if (still_staged_.empty()) return;
    book_.begin("start", "what was stored before", UpdateReport::Phase::swapping);
    try_builds(std::exchange(still_staged_, {}), {}, {});
}

void Updater::collect_garbage() {
    engine_.run([](UpdateEngine& engine) { return engine.collect_garbage(); },
                [](const Result<void>& collected) {
                    if (!collected)
                        log_warning(k_component, "update.garbage_stays",
                                    {{"reason", collected.error().text}});
                });
}

// ---- the owner ------------------------------------------------------------------------------------------------------

void Updater::roll_back(const std::string& plugin, Done done) {
    if (auto error = obstacle()) return later(std::move(done), failure(error->code, error->text));
    trials_->roll_back(plugin, [this, done = std::move(done)](Result<void> result) {
        changed();
        if (done) done(std::move(result));
    });
}

void Updater::pin(const std::string& plugin, bool pinned, Done done) {
    if (!engine_.usable() || stopping_) {
        const auto error = obstacle();
        return later(std::move(done), failure(error->code, error->text));
    }
    engine_.run([plugin, pinned](UpdateEngine& engine) { return engine.pin(plugin, pinned); },
                [done = std::move(done)](Result<void> result) {
                    if (done) done(std::move(result));
                });
}

void Updater::release(const std::string& plugin, Done done) {
    if (auto error = obstacle()) return later(std::move(done), failure(error->code, error->text));
    trials_->release(
        plugin, [this, plugin, done = std::move(done)](Result<std::optional<PluginBuild>> staged) {
            changed();
            if (!staged) {
                if (done) done(failure(staged.error().code, staged.error().text));
                return;
            }
            if (*staged) {
                // Something else may have begun meanwhile; then it follows that.
                if (book_.running()) {
                    still_staged_.push_back(**staged);
                } else if (!stopping_) {
                    book_.begin("force", plugin + " was released", UpdateReport::Phase::swapping);
                    try_builds({**staged}, {}, {});
                }
            }
            if (done) done({});
        });
}

}  // namespace backplane::core
