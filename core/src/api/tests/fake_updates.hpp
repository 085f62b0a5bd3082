// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Updates whose course a test decides: records what was asked, says what the test wants.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backplane/core/update.hpp"

namespace backplane::core::test {

class FakeUpdates final : public Updates {
public:
    // What the box says now; change it on the loop only, then call tell().
    UpdateReport now;
    std::vector<DeliveredPlugin> list;
    // What was asked, in order: "check", "check force", "install <label> <bytes>", "rollback acme_scale", …
    std::vector<std::string> asked;
    std::vector<std::byte> archive;  // of the last install()
    /// Runs with each question, before its answer: what a real one would begin.
    std::function<void(const std::string&)> on_question;
    /// By what was asked without its arguments: the answer; otherwise all is well.
    std::map<std::string, Error> errors;
    bool keep_answers = false;  ///< in `kept` instead of giving them
    std::vector<Done> kept;

    void tell() {
        if (changed_) changed_();
    }

    UpdateReport report() const override { return now; }
    std::vector<DeliveredPlugin> plugins() const override { return list; }
    void check(bool force, Done done) override {
        answer("check", force ? "check force" : "check", std::move(done));
    }
    void install(std::vector<std::byte> bytes, std::string label, bool force, Done done) override {
        archive = std::move(bytes);
        answer("install",
               "install " + label + " " + std::to_string(archive.size()) + (force ? " force" : ""),
               std::move(done));
    }
    void roll_back(const std::string& plugin, Done done) override {
        answer("rollback", "rollback " + plugin, std::move(done));
    }
    void pin(const std::string& plugin, bool pinned, Done done) override {
        answer(pinned ? "pin" : "unpin", (pinned ? "pin " : "unpin ") + plugin, std::move(done));
    }
    void release(const std::string& plugin, Done done) override {
        answer("release", "release " + plugin, std::move(done));
    }
    void on_change(std::function<void()> changed) override { changed_ = std::move(changed); }

private:
    void answer(const std::string& what, const std::string& whole, Done done) {
        asked.push_back(whole);
        if (on_question) on_question(whole);
        if (keep_answers) return kept.push_back(std::move(done));
        const auto it = errors.find(what);
        if (it == errors.end()) return done({});
        done(failure(it->second.code, it->second.text));
    }
    std::function<void()> changed_;
};

inline DeliveredPlugin delivered_plugin(const std::string& name, const std::string& version,
                                        const std::string& state) {
    DeliveredPlugin plugin;
    plugin.name = name;
    plugin.kind = "driver";
    plugin.version = version;
    plugin.source = "bundle acme 12";
    plugin.signer = "Acme Ltd";
    plugin.state = state;
    return plugin;
}

}  // namespace backplane::core::test
