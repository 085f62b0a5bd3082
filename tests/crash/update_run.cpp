// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/update_run.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace backplane::crash {
namespace {

using core::PluginBuild;
using core::PluginRecord;
using core::Result;

/// Smaller than those of the other tests: without what a debugger needs.
std::filesystem::path small_plugin(const std::string& name) {
    return std::filesystem::path{BP_SMALL_PLUGINS} / name;
}

const std::string k_scale = "acme_scale", k_display = "acme_display";

std::string etag_of(int release) {
    return "\"release-" + std::to_string(release) + "\"";
}

Result<void> accept(Box& box, int release) {
    const Bytes& zip = box.publisher().zips.at(static_cast<std::size_t>(release - 1));
    auto accepted = box.engine().accept(zip, {etag_of(release), false});
    if (!accepted) return core::Unexpected<core::Error>{accepted.error()};
    for (const auto& each : accepted->bundles) {
        if (!each.accepted) return core::failure(each.code, each.text);
    }
    return {};
}

/// An answer that is no bundle: its ETag is to be remembered as rejected, and nothing else.
Result<void> refuse(Box& box) {
    const Bytes page = tests::bytes_of("<html>Internal Server Error</html>");
    const auto accepted = box.engine().accept(page, {"\"page\"", false});
    if (accepted) return core::failure("test", "a web page was accepted as a bundle");
    if (accepted.error().code != "E_ZIP") return core::Unexpected<core::Error>{accepted.error()};
    // That it could not be remembered is no error of accept(): the next poll tries it again.
    if (box.engine().etag(false) != "\"page\"")
        return core::failure("test.not_remembered", "the rejection was not remembered");
    return {};
}

Result<void> preflight(Box& box, const std::string& name) {
    const auto may = box.engine().begin_preflight(name);
    if (!may) return core::Unexpected<core::Error>{may.error()};
    if (!*may) return core::failure("test", "the attempts of " + name + " are used up");
    return {};
}

Result<void> restart(Box& box) {
    if (auto opened = box.open(); !opened) return opened;
    return box.start();
}

std::vector<Step> make_steps() {
    const auto begin_trial = [](const std::string& name) {
        return [name](Box& box) { return box.engine().begin_trial(name); };
    };
    const auto check = [](const std::string& name) {
        return [name](Box& box) { return preflight(box, name); };
    };
    const auto confirm = [](const std::string& name) {
        return [name](Box& box) { return box.engine().confirm(name); };
    };
    const auto deliver = [](int release) {
        return [release](Box& box) { return accept(box, release); };
    };
    const auto collect = [](Box& box) { return box.engine().collect_garbage(); };
    const auto fail = [](Box& box) -> Result<void> {
        auto back = box.engine().trial_failed(k_scale, "it crashed");
        if (!back) return core::Unexpected<core::Error>{back.error()};
        return {};
    };
    const std::string good1 = "acme_scale: 1.0.0; etag \"release-1\"";
    const std::string display = "acme_display: 1.0.0; acme_scale: 1.0.0, ";
    const std::string bad = "quarantined 1.1.0";
    const std::string third = "; etag \"release-3\"";
    return {
        {"the first start", restart, "etag "},
        {"release 1", deliver(1), "acme_scale: none, staged 1.0.0 (0); etag \"release-1\""},
        {"its check", check(k_scale), "acme_scale: none, staged 1.0.0 (1); etag \"release-1\""},
        {"its trial", begin_trial(k_scale), "acme_scale: 1.0.0 on trial (1); etag \"release-1\""},
        {"its end", confirm(k_scale), good1},
        {"tidying up", collect, good1},
        {"a web page", refuse, "acme_scale: 1.0.0; etag \"page\""},
        {"release 2", deliver(2),
         "acme_display: none, staged 1.0.0 (0); acme_scale: 1.0.0, staged 1.1.0 (0); etag "
         "\"release-2\""},
        {"its check of the scale", check(k_scale),
         "acme_display: none, staged 1.0.0 (0); acme_scale: 1.0.0, staged 1.1.0 (1); etag "
         "\"release-2\""},
        {"its trial of the scale", begin_trial(k_scale),
         "acme_display: none, staged 1.0.0 (0); acme_scale: 1.1.0 on trial (1), good 1.0.0; etag "
         "\"release-2\""},
        {"its check of the display", check(k_display),
         "acme_display: none, staged 1.0.0 (1); acme_scale: 1.1.0 on trial (1), good 1.0.0; etag "
         "\"release-2\""},
        {"its trial of the display", begin_trial(k_display),
         "acme_display: 1.0.0 on trial (1); acme_scale: 1.1.0 on trial (1), good 1.0.0; etag "
         "\"release-2\""},
        {"the display is good", confirm(k_display),
         "acme_display: 1.0.0; acme_scale: 1.1.0 on trial (1), good 1.0.0; etag \"release-2\""},
        {"the scale is bad", fail, display + bad + "; etag \"release-2\""},
        {"release 3", deliver(3), display + "staged 1.2.0 (0), " + bad + third},
        {"its check of the scale", check(k_scale), display + "staged 1.2.0 (1), " + bad + third},
        {"its trial of the scale", begin_trial(k_scale),
         "acme_display: 1.0.0; acme_scale: 1.2.0 on trial (1), good 1.0.0, " + bad + third},
        {"a restart in the trial", restart,
         "acme_display: 1.0.0; acme_scale: 1.2.0 on trial (2), good 1.0.0, " + bad + third},
        {"the scale is good", confirm(k_scale),
         "acme_display: 1.0.0; acme_scale: 1.2.0, good 1.0.0, " + bad + third},
        {"tidying up", collect,
         "acme_display: 1.0.0; acme_scale: 1.2.0, good 1.0.0, " + bad + third},
        {"a restart", restart,
         "acme_display: 1.0.0; acme_scale: 1.2.0, good 1.0.0, " + bad + third},
    };
}

}  // namespace

Publisher::Publisher() {
    tests::BundleMaker maker{"acme", 2};
    root = maker.root();
    maker.add(small_plugin("1.0.0/acme_scale.so"));
    zips.push_back(maker.zip(1));
    maker.rotate(tests::BundleMaker::ReleaseKeys::keep);
    maker.add(small_plugin("1.1.0/acme_scale.so"));
    maker.add(small_plugin("1.0.0/acme_display.so"));
    zips.push_back(maker.zip(2));
    maker.rotate(tests::BundleMaker::ReleaseKeys::change);
    maker.add(small_plugin("1.2.0/acme_scale.so"));
    zips.push_back(maker.zip(3));
    now = maker.issued + std::chrono::hours{1};
}

Box::Box(const Publisher& publisher, core::DurableFiles& files, std::string vfs, std::string folder)
    : publisher_(publisher) {
    setup_.folder = std::move(folder);
    setup_.files = &files;
    setup_.sqlite_vfs = std::move(vfs);
    setup_.policy.host = sdk::HostFacts::of_this_machine();
    setup_.policy.host_version = "0.1.0";
    setup_.pinned_roots["acme"] = publisher.root;
    setup_.clock = [this] { return publisher_.now; };
}

Result<void> Box::open() {
    engine_.reset();
    auto opened = core::UpdateEngine::open(setup_);
    if (!opened) return core::Unexpected<core::Error>{opened.error()};
    engine_ = std::move(opened).value();
    return {};
}

Result<void> Box::start() {
    auto started = engine_->start();
    if (!started) return core::Unexpected<core::Error>{started.error()};
    if (!engine_->repairs().empty())
        return core::failure("test.repairs", engine_->repairs().front());
    return {};
}

std::string Box::summary() const {
    std::string text;
    for (const PluginRecord& record : engine_->plugins()) {
        text += record.name + ": " + (record.active ? record.active->version : "none");
        if (record.on_trial) text += " on trial (" + std::to_string(record.trial_starts) + ')';
        if (record.last_good) text += ", good " + record.last_good->version;
        if (record.staged) {
            text += ", staged " + record.staged->version + " (" +
                    std::to_string(record.preflight_starts) + ')';
        }
        for (const auto& each : record.quarantine) text += ", quarantined " + each.version;
        if (record.disabled) text += ", disabled";
        text += "; ";
    }
    return text + "etag " + engine_->etag(false);
}

std::vector<std::string> Box::problems() {
    std::vector<std::string> problems = start_problems();
    const std::vector<PluginRecord> records = engine_->plugins();
    std::string newest;
    for (const PluginRecord& record : records) {
        for (const auto& build : {record.last_good, record.staged}) {
            if (!build) continue;
            if (const auto loaded = engine_->load(*build); !loaded)
                problems.push_back(build->name + ' ' + build->version + ": " + loaded.error().text);
        }
        for (const auto& each : record.quarantine) {
            if (record.active && record.active->sha256 == each.sha256)
                problems.push_back("what is in quarantine runs: " + each.version);
            if (record.name == k_scale) newest = each.version;
        }
        if (record.name != k_scale) continue;
        for (const auto& build : {record.active, record.staged})
            if (build && build->version > newest) newest = build->version;
    }
    const bool has_display = std::any_of(records.begin(), records.end(), [](const auto& each) {
        return each.name == k_display && (each.active || each.staged);
    });
    const std::string etag = engine_->etag(false);
    for (int release = 1; release <= 3; ++release) {
        if (etag != etag_of(release)) continue;
        if (newest != "1." + std::to_string(release - 1) + ".0" || has_display != (release > 1))
            problems.push_back("the ETag is of " + etag + " and the content is not");
    }
    return problems;
}

std::vector<std::string> Box::start_problems() {
    std::vector<std::string> problems;
    const std::vector<PluginRecord> before = engine_->plugins();
    const auto started = engine_->start();
    if (!started) return {"it does not start: " + started.error().text};
    for (const std::string& repair : engine_->repairs()) problems.push_back("repaired: " + repair);
    for (const PluginRecord& record : before) {
        if (!record.active) continue;
        const std::string title = record.name + ' ' + record.active->version;
        const bool runs =
            std::any_of(started->run.begin(), started->run.end(),
                        [&](const auto& each) { return each.build == *record.active; });
        if (!runs) problems.push_back(title + " is active and cannot be loaded");
        const auto after = engine_->plugin(record.name);
        if (record.on_trial && after && after->trial_starts != record.trial_starts + 1)
            problems.push_back(title + " was started on trial and that was not counted");
    }
    return problems;
}

const std::vector<Step>& update_steps() {
    static const std::vector<Step> steps = make_steps();
    return steps;
}

const std::string& summary_after(std::size_t steps) {
    return update_steps()[steps == 0 ? 0 : steps - 1].then;
}

Result<void> go_on(Box& box, std::size_t from) {
    const auto& steps = update_steps();
    for (std::size_t i = from; i < steps.size(); ++i) {
        if (auto done = steps[i].act(box); !done) {
            return core::failure(done.error().code,
                                 "step \"" + steps[i].name + "\": " + done.error().text);
        }
    }
    return {};
}

DiskImage empty_disk() {
    DiskImage image;
    image.folders.insert("/box");
    return image;
}

Recording record_update(const Publisher& publisher, ModelDisk::Swallow swallow) {
    ModelDisk disk{empty_disk()};
    disk.swallow = std::move(swallow);
    ModelBox model{publisher, disk};
    for (const Step& step : update_steps()) {
        const auto done = step.act(model.box);
        if (!done) throw std::runtime_error{step.name + ": " + done.error().text};
        if (const std::string now = model.box.summary(); now != step.then)
            throw std::runtime_error{step.name + ": expected " + step.then + "\nfound    " + now};
        disk.mark();
    }
    // Closing the box is not part of what is cut: the last cut is in front of it.
    Recording recording = disk.recording();
    model.box.close();
    return recording;
}

}  // namespace backplane::crash
