// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_sign.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "bundle_documents.hpp"
#include "bundle_files.hpp"
#include "bundle_keys.hpp"
#include "bundle_output.hpp"
#include "table.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
using core::failure;
using core::Result;

/// "release of acme, version 3": what is signed, for whoever looks at the signature alone.
std::string comment_for(const std::string& document, const BundleDocuments& documents) {
    const auto today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    std::string what = document.substr(document.find('/') + 1);
    if (documents.release && document == bundle::release_name(documents.bundle))
        what += " version " + std::to_string(documents.release->version);
    for (const auto& [id, vendor] : documents.vendors) {
        if (document == bundle::vendor_name(documents.bundle, id))
            what += " version " + std::to_string(vendor.version);
    }
    return what + ", signed " + date_text(today);
}

struct Signed {
    std::size_t roles = 0;  ///< documents that the key may sign
};

/// Writes the signatures of one key that are not there yet.
Result<Signed> sign_with(const bundle::SecretKey& key, bundle::Files& files,
                         const BundleDocuments& documents, const std::string& folder) {
    const bundle::PublicKey signer = key.public_key();
    std::set<std::string> may, has;
    for (const Requirement& each : requirements(files, documents)) {
        if (!each.key_ids.contains(signer.id())) continue;
        may.insert(each.document);
        if (each.have.contains(signer.id())) has.insert(each.document);
    }
    for (const std::string& document : may) {
        if (has.contains(document)) {
            say(document + " is signed with " + signer.hint_text() + " already");
            continue;
        }
        bundle::add_signature(files, document, key, comment_for(document, documents));
        const std::string name = bundle::signature_name(document, signer);
        if (auto written = write_file(folder + "/" + name, files[name]); !written)
            return passed_on(written);
        say("signed " + document + " with " + signer.hint_text());
    }
    return Signed{may.size()};
}

core::Unexpected<core::Error> no_role(const bundle::PublicKey& key, const std::string& path,
                                      const std::map<std::string, BundleDocuments>& all) {
    std::string known;
    for (const auto& [id, documents] : all) {
        for (const auto& [key_id, each] : keys_of(documents))
            known += (known.empty() ? "" : ", ") + each.hint_text() + " (" + id + ")";
    }
    return failure("E_SIG", "the key " + key.hint_text() + " in " + path +
                                " has no role in any document here, so nothing was signed: the "
                                "roots name " +
                                (known.empty() ? "no keys" : known) +
                                "; use one of these, or make a new root with \"backplane bundle "
                                "root\"");
}

/// Tells what a box would still miss. True: nothing.
bool report_missing(const bundle::Files& files, const std::map<std::string, BundleDocuments>& all) {
    std::vector<Requirement> missing;
    for (const auto& [id, documents] : all) {
        for (Requirement& each : requirements(files, documents)) {
            if (!each.met()) missing.push_back(std::move(each));
        }
        for (const auto& [vendor, release] : documents.vendors) {
            const bundle::Root* root = documents.newest_root();
            const bool known =
                root != nullptr &&
                std::any_of(root->delegations.begin(), root->delegations.end(),
                            [&](const auto& delegation) { return delegation.id == vendor; });
            if (!known) {
                say(bundle::vendor_name(id, vendor) +
                    " has no delegation in the root, and boxes will refuse it: ask the owner of "
                    "the root for one, or remove it");
            }
        }
    }
    if (missing.empty()) {
        say("All signatures are there.");
        return true;
    }
    say("Signatures that are still missing:");
    Table table{{"DOCUMENT", "NEEDS", "HAS", "KEYS THAT CAN"}};
    for (const Requirement& each : missing) {
        std::string keys;
        for (const auto& [id, documents] : all) {
            for (const auto& [key_id, key] : keys_of(documents)) {
                if (each.key_ids.contains(key_id) && !each.have.contains(key_id) &&
                    each.document.starts_with("drivers/backplane." + id + "."))
                    keys += (keys.empty() ? "" : ", ") + key.hint_text();
            }
        }
        table.add({{each.document},
                   {std::to_string(each.threshold) + " of the " + each.role},
                   {std::to_string(each.have.size())},
                   {keys}});
    }
    std::cout << table.text(Terminal{});
    return false;
}

}  // namespace

ExitCode sign_bundle(const SignOptions& options) {
    auto carried = read_folder(options.folder);
    if (!carried) return say_failure(carried.error());
    auto all = read_documents(carried->files);
    if (!all) return say_failure(all.error());
    if (!options.bundle.empty())
        std::erase_if(*all, [&](const auto& each) { return each.first != options.bundle; });
    if (all->empty()) {
        return say_failure(
            {"E_TYPE", "the folder " + options.folder + " has no documents of " +
                           (options.bundle.empty() ? "a bundle" : "the bundle " + options.bundle) +
                           ": name the iot_handlers folder that \"backplane bundle create\" has "
                           "written"});
    }
    for (const std::string& path : options.keys) {
        const auto key = load_secret_key(path);
        if (!key) return say_failure(key.error());
        std::size_t roles = 0;
        for (const auto& [id, documents] : *all) {
            const auto done = sign_with(*key, carried->files, documents, options.folder);
            if (!done) return say_failure(done.error());
            roles += done->roles;
        }
        if (roles == 0) return say_failure(no_role(key->public_key(), path, *all).take());
    }
    const bool complete = report_missing(carried->files, *all);
    if (options.zip.empty()) return finish_output(ExitCode::ok);
    if (!complete) {
        return say_failure({"E_SIG",
                            "no zip was written, for boxes would refuse it: sign with the "
                            "missing keys first"});
    }
    bundle::Files files;
    for (const auto& [id, documents] : *all) files.merge(files_of(carried->files, documents));
    const auto zip = bundle::zip_files(files);
    if (!zip) return say_failure(zip.error());
    if (auto written = write_file(options.zip, *zip); !written) return say_failure(written.error());
    say("wrote " + options.zip + " (" + std::to_string(files.size()) + " files, " +
        std::to_string(zip->size()) + " bytes)");
    return finish_output(ExitCode::ok);
}

}  // namespace backplane::cli
