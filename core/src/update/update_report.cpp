// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/update_report.hpp"

#include <algorithm>
#include <utility>

namespace backplane::core {

namespace {

std::string counted(std::int64_t number, std::string_view unit) {
    return std::to_string(number) + " " + std::string(unit) + (number == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& texts, std::string_view between) {
    std::string out;
    for (const std::string& text : texts) {
        if (!out.empty()) out += between;
        out += text;
    }
    return out;
}

std::string source_of(const PluginBuild& build) {
    return build.bundle.empty()
               ? "the box"
               : "bundle " + build.bundle + " " + std::to_string(build.release_version);
}

/// Whether `put_away` is the newest that ever came, so that people should see that it does not run.
bool is_newest(const PluginRecord::Quarantine& put_away, const PluginRecord& record) {
    if (!record.active) return true;
    if (record.active->sha256 == put_away.sha256) return false;
    return bundle::compare_versions(put_away.version, record.active->version).value_or(0) >= 0;
}

}  // namespace

std::string_view to_string(UpdateStep::State state) noexcept {
    switch (state) {
        case UpdateStep::State::waiting:
            return "waiting";
        case UpdateStep::State::checking:
            return "checking";
        case UpdateStep::State::swapping:
            return "swapping";
        case UpdateStep::State::done:
            return "done";
        case UpdateStep::State::failed:
            return "failed";
        case UpdateStep::State::left_out:
            return "left_out";
    }
    return "waiting";
}

std::string_view to_string(UpdateReport::Phase phase) noexcept {
    switch (phase) {
        case UpdateReport::Phase::idle:
            return "idle";
        case UpdateReport::Phase::downloading:
            return "downloading";
        case UpdateReport::Phase::verifying:
            return "verifying";
        case UpdateReport::Phase::storing:
            return "storing";
        case UpdateReport::Phase::swapping:
            return "swapping";
    }
    return "idle";
}

std::string duration_text(std::chrono::milliseconds time) {
    const std::int64_t seconds = (time.count() + 999) / 1000;
    if (seconds >= 7'200 && seconds % 3'600 == 0) return counted(seconds / 3'600, "hour");
    if (seconds >= 60 && seconds % 60 == 0) return counted(seconds / 60, "minute");
    return counted(seconds, "second");
}

std::string title_of(const PluginBuild& build) {
    return build.name + " " + build.version;
}

double unix_now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::vector<DeliveredPlugin> delivered_plugins(const std::vector<PluginRecord>& records,
                                               const std::vector<OwnPlugin>& own) {
    std::vector<DeliveredPlugin> out;
    out.reserve(records.size());
    for (const PluginRecord& record : records) {
        const auto original = std::find_if(own.begin(), own.end(), [&](const OwnPlugin& plugin) {
            return plugin.name == record.name;
        });
        DeliveredPlugin plugin;
        plugin.name = record.name;
        plugin.pinned = record.pinned;
        plugin.reason = record.reason;
        plugin.since = static_cast<double>(record.since);
        if (const PluginBuild* shown = record.active   ? &*record.active
                                       : record.staged ? &*record.staged
                                                       : nullptr)
            plugin.kind = shown->kind;
        if (record.active) {
            plugin.version = record.active->version;
            plugin.source = source_of(*record.active);
            plugin.signer = record.active->signer;
        } else if (original != own.end() && !record.disabled) {
            plugin.version = original->version;
            plugin.source = "the box";
        }
        // What one would return to is not what runs.
        const bool other_good =
            record.last_good && record.active && record.last_good->sha256 != record.active->sha256;
        if (other_good) {
            plugin.last_good = record.last_good->version;
        } else if (record.active && !record.active->bundle.empty() && original != own.end()) {
            plugin.last_good = original->version;
        }
        plugin.can_roll_back = record.active && !plugin.last_good.empty();
        if (!record.quarantine.empty()) {
            plugin.quarantined = record.quarantine.front().version;
            plugin.quarantined_reason = record.quarantine.front().reason;
            plugin.can_release = true;
        }
        plugin.state = record.disabled   ? "disabled"
                       : record.on_trial ? "trial"
                       : record.staged   ? "staged"
                       : !record.quarantine.empty() && is_newest(record.quarantine.front(), record)
                           ? "quarantined"
                       : record.pinned ? "pinned"
                                       : "good";
        out.push_back(std::move(plugin));
    }
    return out;
}

void ReportBook::begin(std::string trigger, std::string source, UpdateReport::Phase phase) {
    UpdateReport fresh;
    fresh.phase = phase;
    fresh.trigger = std::move(trigger);
    fresh.source = std::move(source);
    fresh.started = unix_now();
    fresh.last_contact = report_.last_contact;
    fresh.warnings = std::move(report_.warnings);
    report_ = std::move(fresh);
    changed_();
}

void ReportBook::enter(UpdateReport::Phase phase) {
    report_.phase = phase;
    changed_();
}

void ReportBook::received(std::uint64_t bytes, std::uint64_t expected) {
    report_.received = bytes;
    report_.expected = expected;
    changed_();
}

void ReportBook::contact() {
    report_.last_contact = unix_now();
    changed_();
}

void ReportBook::set(UpdateStep step) {
    const auto known =
        std::find_if(report_.steps.begin(), report_.steps.end(),
                     [&](const UpdateStep& other) { return other.plugin == step.plugin; });
    if (known == report_.steps.end()) {
        report_.steps.push_back(std::move(step));
    } else {
        *known = std::move(step);
    }
    changed_();
}

void ReportBook::warn(std::vector<std::string> warnings) {
    if (warnings == report_.warnings) return;
    report_.warnings = std::move(warnings);
    changed_();
}

void ReportBook::finish(std::string result, std::string code, std::string text) {
    report_.phase = UpdateReport::Phase::idle;
    report_.result = std::move(result);
    report_.code = std::move(code);
    report_.text = std::move(text);
    report_.finished = unix_now();
    changed_();
}

void ReportBook::finish_by_steps(const std::vector<Error>& rejected) {
    std::vector<std::string> updated, trouble, notes;
    std::string code;
    bool failed = false;
    const auto blame = [&](const std::string& blamed, const std::string& text) {
        // What the bundle is to blame for says more than what has happened on this box.
        if (code.empty() || (!code.starts_with("E_") && blamed.starts_with("E_"))) code = blamed;
        trouble.push_back(text);
    };
    for (const Error& error : rejected) blame(error.code, error.text);
    for (const UpdateStep& step : report_.steps) {
        switch (step.state) {
            case UpdateStep::State::done:
                updated.push_back(step.plugin + (step.to.empty() ? "" : " " + step.to));
                break;
            case UpdateStep::State::failed:
                failed = true;
                blame(step.code, step.text);
                break;
            case UpdateStep::State::left_out:
                // Its owner keeps it as it is, or the box has a newer one: nothing is wrong.
                if (step.code.starts_with("update."))
                    notes.push_back(step.text);
                else
                    blame(step.code, step.text);
                break;
            case UpdateStep::State::waiting:
            case UpdateStep::State::checking:
            case UpdateStep::State::swapping:
                failed = true;
                blame("update.stopping", step.plugin + " was not reached before the end");
                break;
        }
    }
    const auto news = static_cast<std::int64_t>(updated.size());
    const std::string done = news == 0 ? ""
                                       : counted(news, "plug-in") + (news == 1 ? " was" : " were") +
                                             " updated: " + join(updated, ", ");
    std::vector<std::string> sentences;
    if (!done.empty()) sentences.push_back(done);
    sentences.insert(sentences.end(), trouble.begin(), trouble.end());
    sentences.insert(sentences.end(), notes.begin(), notes.end());
    if (sentences.empty()) sentences.emplace_back("everything is up to date");
    const std::string text = join(sentences, "; ");
    if (trouble.empty()) return finish(updated.empty() ? "unchanged" : "updated", "", text);
    const char* result = !updated.empty()         ? "partly"
                         : failed                 ? "failed"
                         : code.starts_with("E_") ? "rejected"
                                                  : "unchanged";
    finish(result, code, text);
}

}  // namespace backplane::core
