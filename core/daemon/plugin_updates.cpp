// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "plugin_updates.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <span>
#include <utility>

#include "backplane/core/log.hpp"
#include "backplane/inspect/inspect.hpp"
#include "update/trust_folder.hpp"
#include "update/unpack_process.hpp"
#include "update/update_engine.hpp"
#include "version.hpp"

namespace backplane::daemon {

namespace {

void add_configured_keys(const core::Config& config, std::vector<core::bundle::PublicKey>& keys,
                         std::vector<std::string>& problems) {
    for (const std::string& text : config.plugins.trusted_keys) {
        auto key = core::parse_trusted_key(text);
        if (key) {
            keys.push_back(*key);
        } else {
            problems.push_back("a key of plugins.trusted_keys is not used: " + key.error().text);
        }
    }
}

/// Beside the other program that this one starts.
core::UnpackProcess unpack_process(const Options& options, std::vector<std::string>& problems) {
    core::UnpackProcess process;
    process.program =
        std::filesystem::path{options.host_program}.replace_filename("backplane-unpack").string();
    process.arch = sdk::HostFacts::of_this_machine().arch;
    if (::access(process.program.c_str(), X_OK) != 0) {
        problems.push_back("no update can be installed: the box cannot run " + process.program +
                           ", which unpacks what a server sends; reinstall");
        core::log_error("box", "update.unpack_missing", {{"program", process.program}});
    }
    return process;
}

}  // namespace

bool uses_interface(const Options& options, const core::Config& config, const std::string& name) {
    return config.interfaces.contains(name) || (name == "simulator") == options.demo;
}

std::unique_ptr<core::Updater> make_updater(boost::asio::io_context& loop, const Options& options,
                                            const core::Config& config, core::DurableFiles& files,
                                            core::BundleSource& source,
                                            std::vector<core::CataloguedPlugin> own,
                                            std::vector<std::string>& problems) {
    core::TrustFolder trust = core::read_trust_folder(options.trust_dir);
    add_configured_keys(config, trust.keys, trust.problems);
    for (const std::string& problem : trust.problems)
        core::log_warning("box", "trust.problem", {{"reason", problem}});
    problems.insert(problems.end(), trust.problems.begin(), trust.problems.end());

    core::UpdateEngine::Setup engine;
    engine.folder = options.state_dir + "/updates";
    engine.files = &files;
    engine.policy.host = sdk::HostFacts::of_this_machine();
    engine.policy.host_version = k_version;
    engine.policy.enrolled = std::move(trust.keys);
    engine.trust = [folder = options.trust_dir, config] {
        core::TrustFolder now = core::read_trust_folder(folder);
        add_configured_keys(config, now.keys, now.problems);
        for (const std::string& problem : now.problems)
            core::log_warning("box", "trust.problem", {{"reason", problem}});
        return core::UpdateEngine::Trust{std::move(now.keys), std::move(now.roots)};
    };
    engine.policy.development = config.plugins.development;
    engine.policy.accept_expired = config.plugins.update.accept_expired;
    engine.pinned_roots = std::move(trust.roots);
    engine.own = core::own_plugins(own);
    engine.clock = [] {
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    };
    engine.unpack = [process = unpack_process(options, problems)](
                        std::span<const std::byte> archive) { return process.unpack(archive); };
    engine.build_time = core::bundle::Time{std::chrono::seconds{k_build_time}};

    core::Updater::Setup setup;
    setup.own = std::move(own);
    setup.source = &source;
    setup.automatic = config.plugins.update.automatic;
    setup.polls.jitter = config.plugins.update.jitter;
    setup.polls.interval = config.plugins.update.interval;
    setup.trials.probation_cap = config.plugins.probation;
    setup.uses_interface = [options, interfaces = config](const std::string& name) {
        return uses_interface(options, interfaces, name);
    };
    if (config.plugins.development)
        core::log_warning("box", "update.development",
                          {{"reason", "every signed bundle is trusted on first sight"}});
    return std::make_unique<core::Updater>(loop, core::UpdateEngine::open(std::move(engine)),
                                           std::move(setup));
}

}  // namespace backplane::daemon
