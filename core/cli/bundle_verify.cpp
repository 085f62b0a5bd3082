// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_verify.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <memory>
#include <set>

#include "bundle/verify.hpp"
#include "bundle_documents.hpp"
#include "bundle_files.hpp"
#include "bundle_keys.hpp"
#include "bundle_output.hpp"
#include "bundle_trust.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
namespace json = boost::json;
using core::Result;

struct Trust {
    bundle::TrustStates states;
    bundle::Policy policy;
};

Result<Trust> trust_of(const VerifyOptions& options) {
    Trust trust;
    std::vector<std::string> roots = options.roots, keys = options.keys;
    if (roots.empty() && keys.empty() && !options.development) {
        const auto folder = read_trust_folder(options.trust_folder);
        if (!folder) return passed_on(folder);
        for (const Trusted& each : *folder) (each.root ? roots : keys).push_back(each.path);
    }
    for (const std::string& path : roots) {
        auto bytes = read_file(path, bundle::k_metadata_bytes);
        if (!bytes) return passed_on(bytes);
        const auto root = bundle::parse_root(*bytes);
        if (!root) return core::failure(root.error().code, path + ": " + root.error().text);
        trust.states[root->bundle].root = std::make_shared<const Bytes>(*std::move(bytes));
    }
    for (const std::string& path : keys) {
        const auto key = load_public_key(path);
        if (!key) return passed_on(key);
        trust.policy.enrolled.push_back(*key);
    }
    trust.policy.development = options.development;
    trust.policy.host_version = options.host_version;
    trust.policy.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (!options.now.empty()) {
        const auto now = parse_date(options.now);
        if (!now) {
            return core::failure(
                "E_TYPE", "--now is \"" + options.now + "\", but must be a day such as 2028-01-01");
        }
        trust.policy.now = *now;
    }
    return trust;
}

/// All architectures that any document lists, this machine's first of all. What is said of them is checked later.
std::vector<std::string> architectures_of(const bundle::Files& files) {
    std::set<std::string> all;
    if (const auto documents = read_documents(files)) {
        const auto add = [&](const bundle::Release& release) {
            for (const auto& plugin : release.plugins) {
                for (const auto& [arch, file] : plugin.files) all.insert(arch);
            }
        };
        for (const auto& [id, each] : *documents) {
            if (each.release) add(*each.release);
            for (const auto& [vendor, release] : each.vendors) add(release);
        }
    }
    if (all.empty()) all.insert(sdk::HostFacts::of_this_machine().arch);
    return {all.begin(), all.end()};
}

Result<sdk::HostFacts> facts_for(const std::string& arch, const std::string& glibc) {
    sdk::HostFacts facts = sdk::HostFacts::of_this_machine();
    // Libraries of another machine cannot be known here, but what is asked for can be.
    if (facts.arch != arch || !glibc.empty()) facts.versions.clear();
    facts.arch = arch;
    if (glibc.empty()) return facts;
    const auto version = sdk::LibraryVersion::parse(glibc);
    if (!version) {
        return core::failure("E_TYPE",
                             "--glibc is \"" + glibc + "\", but must be a version such as 2.36");
    }
    facts.versions["GLIBC"] = *version;
    return facts;
}

/// One machine's view, in words and as JSON.
struct Verdict {
    bool good = true;
    json::array bundles, rejected;
};

json::object error_object(const core::Error& error) {
    return {{"code", error.code}, {"text", error.text}};
}

Verdict judge(const bundle::Verification& found, const std::string& arch, bool chosen,
              bool in_words) {
    Verdict verdict;
    const auto tell = [&](const std::string& line) {
        if (in_words) say(line);
    };
    tell("On " + arch + ":");
    for (const auto& each : found.bundles) {
        tell("  bundle " + each.bundle + " " + std::to_string(each.release.version) +
             ": accepted, signed by " + each.signer +
             (each.in_grace ? "; EXPIRED on " + date_text(each.release.expires) : ""));
        json::array plugins, refused;
        for (const auto& plugin : each.plugins) {
            tell("  " + plugin.manifest.kind + " " + plugin.manifest.name + " " +
                 plugin.manifest.version + ": would be installed");
            plugins.push_back(json::object{{"name", plugin.manifest.name},
                                           {"version", plugin.manifest.version},
                                           {"sha256", plugin.file.sha256}});
        }
        for (const auto& refusal : each.refused) {
            // A plug-in of which another machine has a build is no fault of the bundle.
            const bool other_machine = refusal.error.code == "E_ARCH" && !chosen;
            verdict.good = verdict.good && other_machine;
            tell("  " + refusal.subject + ": " +
                 (other_machine ? "not for this machine" : "REFUSED") + ", " + refusal.error.code +
                 ": " + refusal.error.text);
            json::object object = error_object(refusal.error);
            object["subject"] = refusal.subject;
            refused.push_back(std::move(object));
        }
        verdict.bundles.push_back(json::object{{"bundle", each.bundle},
                                               {"version", each.release.version},
                                               {"signer", each.signer},
                                               {"in_grace", each.in_grace},
                                               {"plugins", std::move(plugins)},
                                               {"refused", std::move(refused)}});
    }
    for (const auto& each : found.rejected) {
        verdict.good = false;
        tell("  bundle " + each.bundle + ": REJECTED, " + each.error.code + ": " + each.error.text);
        json::object object = error_object(each.error);
        object["bundle"] = each.bundle;
        verdict.rejected.push_back(std::move(object));
    }
    if (found.nothing_for_us()) {
        verdict.good = false;
        tell("  there is no bundle in it: a box would keep what it has (" +
             std::to_string(found.foreign_files) + " other files)");
    }
    return verdict;
}

}  // namespace

ExitCode verify_bundle(const VerifyOptions& options) {
    auto trust = trust_of(options);
    if (!trust) return say_failure(trust.error());
    const auto carried = read_carried(options.path);
    if (!carried) return say_failure(carried.error());

    bool good = carried->strange.empty();
    json::array strange, machines;
    for (const std::string& name : carried->strange) {
        strange.emplace_back(name);
        if (options.json) continue;
        say("E_NAME: " + name +
            (name.ends_with(".so")
                 ? ": other boxes would load a file whose name ends in .so as a library of their "
                   "own: remove it, and let \"backplane bundle create\" name it"
                 : ": this looks like a file of a bundle, but boxes take only drivers/NAME and "
                   "interfaces/NAME with at most 96 of a-z, 0-9, '.', '_' and '-': remove it, or "
                   "let \"backplane bundle create\" name it"));
    }
    const bool chosen = !options.architectures.empty();
    for (const std::string& arch :
         chosen ? options.architectures : architectures_of(carried->files)) {
        auto facts = facts_for(arch, options.glibc);
        if (!facts) return say_failure(facts.error());
        trust->policy.host = *std::move(facts);
        const auto found = bundle::verify_archive(carried->zip, trust->states, trust->policy);
        if (!found) return say_failure(found.error());
        Verdict verdict = judge(*found, arch, chosen, !options.json);
        good = good && verdict.good;
        machines.push_back(json::object{{"arch", arch},
                                        {"good", verdict.good},
                                        {"bundles", std::move(verdict.bundles)},
                                        {"rejected", std::move(verdict.rejected)}});
    }
    if (options.json) {
        std::cout << json::serialize(json::object{{"good", good},
                                                  {"strange_names", std::move(strange)},
                                                  {"machines", std::move(machines)}})
                  << '\n';
    } else {
        if (options.development)
            say("Development mode: only boxes that are switched to it take this bundle as shown.");
        say(good ? "A box accepts it." : "A box does not accept all of it.");
    }
    return finish_output(good ? ExitCode::ok : ExitCode::failed);
}

}  // namespace backplane::cli
