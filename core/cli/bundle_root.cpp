// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_root.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "bundle/archive.hpp"
#include "bundle_files.hpp"
#include "bundle_keys.hpp"
#include "bundle_output.hpp"
#include "bundle_sign.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
using core::failure;
using core::Result;

/// 1 of 1, 1 of 2, 2 of 3, 2 of 4, 3 of 5: a lost key must not be the end, a stolen one not enough.
unsigned usual_threshold(std::size_t keys) {
    return static_cast<unsigned>((keys + 1) / 2);
}

/// Replaces what was asked for; the rest stays as in the root before.
Result<void> change_role(bundle::Role& role, bundle::Root& root, const char* name,
                         const std::vector<std::string>& files, std::optional<unsigned> threshold) {
    if (!files.empty()) {
        role.key_ids.clear();
        for (const std::string& path : files) {
            const auto key = load_public_key(path);
            if (!key) return passed_on(key);
            if (!role.key_ids.insert(key->id()).second) {
                return failure("E_ROOT", "the key in " + path + " is given twice for the role of " +
                                             name + ": a key counts once");
            }
            root.keys.insert_or_assign(key->id(), *key);
        }
        role.threshold = usual_threshold(role.key_ids.size());
    }
    if (threshold) role.threshold = *threshold;
    if (role.key_ids.empty()) {
        return failure("E_ROOT", std::string{"the first root needs keys, but the role of "} + name +
                                     " has none: give public key files with --" + name + "-key");
    }
    if (role.threshold < 1 || role.threshold > role.key_ids.size()) {
        return failure("E_THRESHOLD", "the role of " + std::string{name} + " has " +
                                          std::to_string(role.key_ids.size()) +
                                          " keys, but its threshold is " +
                                          std::to_string(role.threshold) +
                                          ": use a number from 1 to the number of keys");
    }
    return {};
}

Result<bundle::Delegation*> delegation(bundle::Root& root, const std::string& id,
                                       const char* option) {
    for (bundle::Delegation& each : root.delegations) {
        if (each.id == id) return &each;
    }
    return failure("E_DELEG", std::string{"there is no delegation \""} + id + "\" for " + option +
                                  ": make one with --delegate " + id + "=PREFIX");
}

Result<void> change_delegations(bundle::Root& root, const RootOptions& options) {
    for (const std::string& id : options.dropped_delegates) {
        if (std::erase_if(root.delegations, [&](const auto& each) { return each.id == id; }) == 0) {
            return failure("E_DELEG", "the root before has no delegation \"" + id +
                                          "\" to be dropped: see \"backplane bundle inspect\"");
        }
    }
    for (const std::string& text : options.delegates) {
        const auto [id, prefix] = named(text);
        const auto known = std::find_if(root.delegations.begin(), root.delegations.end(),
                                        [&](const auto& each) { return each.id == id; });
        if (known != root.delegations.end()) {
            known->prefix = prefix;
        } else {
            root.delegations.push_back({id, {}, prefix, {}});
        }
    }
    // The first value of a list replaces what the root before had, the others are added.
    std::set<std::string> begun;
    for (const std::string& text : options.delegate_keys) {
        const auto [id, path] = named(text);
        auto found = delegation(root, id, "--delegate-key");
        if (!found) return passed_on(found);
        const auto key = load_public_key(path);
        if (!key) return passed_on(key);
        bundle::Role& role = (*found)->role;
        if (begun.insert(id).second) role.key_ids.clear();
        role.key_ids.insert(key->id());
        role.threshold = usual_threshold(role.key_ids.size());
        root.keys.insert_or_assign(key->id(), *key);
    }
    begun.clear();
    for (const std::string& text : options.delegate_caps) {
        const auto [id, cap] = named(text);
        auto found = delegation(root, id, "--delegate-cap");
        if (!found) return passed_on(found);
        if (begun.insert(id).second) (*found)->caps.clear();
        (*found)->caps.push_back(cap);
    }
    for (const std::string& text : options.delegate_thresholds) {
        const auto [id, threshold] = named(text);
        auto found = delegation(root, id, "--delegate-threshold");
        if (!found) return passed_on(found);
        const auto number = parse_number(threshold);
        if (!number || *number > 16) {
            return failure("E_THRESHOLD", "the threshold of the delegation " + id + " is \"" +
                                              threshold + "\", but must be a number from 1 to 16");
        }
        (*found)->role.threshold = static_cast<unsigned>(*number);
    }
    return {};
}

/// Keys that no role uses any more only confuse.
void drop_unused_keys(bundle::Root& root) {
    std::set<std::string> used = root.root.key_ids;
    used.insert(root.release.key_ids.begin(), root.release.key_ids.end());
    for (const auto& each : root.delegations)
        used.insert(each.role.key_ids.begin(), each.role.key_ids.end());
    std::erase_if(root.keys, [&](const auto& each) { return !used.contains(each.first); });
}

/// Roots with their signatures from elsewhere into the folder, under their right names.
Result<void> copy_root(const std::string& path, const std::string& folder, bundle::Files& files) {
    namespace fs = std::filesystem;
    auto bytes = read_file(path, bundle::k_metadata_bytes);
    if (!bytes) return passed_on(bytes);
    const auto root = bundle::parse_root(*bytes);
    if (!root) return failure(root.error().code, path + ": " + root.error().text);
    const std::string name = bundle::root_name(root->bundle, root->version);
    bundle::Files found{{name, *std::move(bytes)}};
    const std::string old_name = fs::path{path}.filename().string();
    std::error_code error;
    fs::directory_iterator entries{
        fs::path{path}.parent_path().empty() ? fs::path{"."} : fs::path{path}.parent_path(), error};
    for (; !error && entries != fs::directory_iterator{}; entries.increment(error)) {
        const std::string each = entries->path().filename().string();
        if (!each.starts_with(old_name + ".") || !each.ends_with(".minisig")) continue;
        auto signature = read_file(entries->path().string(), bundle::k_metadata_bytes);
        if (!signature) return passed_on(signature);
        found[name + each.substr(old_name.size())] = *std::move(signature);
    }
    for (auto& [each, content] : found) {
        if (const auto there = files.find(each); there != files.end()) {
            if (there->second == content) continue;
            // Signatures may be newer here; the document itself must be one and the same.
            if (each != name) continue;
            return failure("E_ROOTVER",
                           "the folder has another root " + std::to_string(root->version) + " of " +
                               root->bundle + " than " + path +
                               ": boxes accept one of them only, so find out which one is right");
        }
        if (auto written = write_file(folder + "/" + each, content); !written) return written;
        files[each] = std::move(content);
    }
    return {};
}

}  // namespace

std::pair<std::string, std::string> named(const std::string& text) {
    const auto at = text.find('=');
    if (at == std::string::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
}

std::optional<std::uint64_t> parse_number(const std::string& text) {
    if (text.empty() || text.size() > 15) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

Result<Dates> read_dates(const std::string& issued, const std::string& expires,
                         std::chrono::days life) {
    const auto read = [](const char* option, const std::string& text) -> Result<bundle::Time> {
        if (const auto time = parse_date(text)) return *time;
        return failure("E_TYPE", std::string{option} + " is \"" + text +
                                     "\", but must be a day such as 2028-01-01 or a time in UTC "
                                     "such as 2028-01-01T12:00:00Z");
    };
    Dates dates;
    dates.issued = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (!issued.empty()) {
        const auto time = read("--issued", issued);
        if (!time) return passed_on(time);
        dates.issued = *time;
    }
    dates.expires = std::chrono::floor<std::chrono::days>(dates.issued) + life;
    if (!expires.empty()) {
        const auto time = read("--expires", expires);
        if (!time) return passed_on(time);
        dates.expires = *time;
    }
    if (dates.expires <= dates.issued) {
        return failure("E_EXPIRED", "it would expire on " + date_text(dates.expires) +
                                        ", which is not after " + date_text(dates.issued) +
                                        ", when it is issued: give a later day with --expires");
    }
    return dates;
}

Result<Workshop> open_workshop(const RootOptions& options) {
    Workshop shop;
    auto carried = read_folder(options.folder);
    if (!carried) return passed_on(carried);
    shop.files = std::move(carried->files);
    for (const std::string& path : options.copies) {
        std::error_code error;
        if (!std::filesystem::is_directory(path, error)) {
            if (auto copied = copy_root(path, options.folder, shop.files); !copied)
                return passed_on(copied);
            continue;
        }
        const auto other = read_folder(path);
        if (!other) return passed_on(other);
        const auto documents = read_documents(other->files);
        if (!documents) return passed_on(documents);
        const auto ours = documents->find(options.bundle);
        if (ours == documents->end() || ours->second.roots.empty()) {
            return failure("E_ROOT", "the folder " + path + " has no root of the bundle " +
                                         options.bundle + ": give the folder that holds drivers/");
        }
        for (const auto& [version, root] : ours->second.roots) {
            if (auto copied = copy_root(path + "/" + bundle::root_name(options.bundle, version),
                                        options.folder, shop.files);
                !copied)
                return passed_on(copied);
        }
    }
    auto all = read_documents(shop.files);
    if (!all) return passed_on(all);
    shop.documents = (*all)[options.bundle];
    shop.documents.bundle = options.bundle;
    return shop;
}

Result<void> add_root(const RootOptions& options, Workshop& shop) {
    bundle::Root root;
    const bundle::Root* before = shop.documents.newest_root();
    if (before != nullptr) root = *before;
    const auto dates = read_dates(options.issued, options.expires, std::chrono::days{5 * 365});
    if (!dates) return passed_on(dates);
    root.bundle = options.bundle;
    ++root.version;
    root.issued = dates->issued;
    root.expires = dates->expires;
    if (options.version_floor) root.version_floor = *options.version_floor;
    if (auto ok = change_role(root.root, root, "root", options.root_keys, options.root_threshold);
        !ok)
        return ok;
    if (auto ok = change_role(root.release, root, "release", options.release_keys,
                              options.release_threshold);
        !ok)
        return ok;
    if (auto ok = change_delegations(root, options); !ok) return ok;
    drop_unused_keys(root);
    const bool new_release_keys =
        before != nullptr && before->release.key_ids != root.release.key_ids;
    // Boxes start counting anew then, and releases signed with a key that stays would be good again.
    if (new_release_keys && !options.version_floor && shop.documents.release)
        root.version_floor = std::max(root.version_floor, shop.documents.release->version);

    const Bytes bytes = bytes_of(bundle::write_root(root));
    // What a box would refuse is not even written.
    if (const auto read = bundle::parse_root(bytes); !read) return passed_on(read);
    const std::string name = bundle::root_name(root.bundle, root.version);
    shop.words.push_back("wrote " + name + ": expires " + date_text(root.expires) + ", root " +
                         std::to_string(root.root.threshold) + " of " +
                         std::to_string(root.root.key_ids.size()) + ", release " +
                         std::to_string(root.release.threshold) + " of " +
                         std::to_string(root.release.key_ids.size()));
    if (new_release_keys) {
        shop.words.push_back(
            "The release keys change: boxes that accept this root forget how far they were and "
            "take releases from " +
            std::to_string(std::max<std::uint64_t>(root.version_floor, 1)) +
            " on; with --version-floor N older ones stay forbidden.");
    }
    shop.files[name] = bytes;
    shop.unwritten[name] = bytes;
    shop.documents.roots[root.version] = std::move(root);
    return {};
}

Result<void> write_out(const std::string& folder, Workshop& shop) {
    for (const auto& [name, bytes] : shop.unwritten) {
        if (auto written = write_file(folder + "/" + name, bytes); !written) return written;
    }
    for (const std::string& line : shop.words) say(line);
    shop.unwritten.clear();
    shop.words.clear();
    return {};
}

ExitCode create_root(const RootOptions& options) {
    auto shop = open_workshop(options);
    if (!shop) return say_failure(shop.error());
    if (auto added = add_root(options, *shop); !added) return say_failure(added.error());
    if (auto written = write_out(options.folder, *shop); !written)
        return say_failure(written.error());
    if (shop->documents.release) {
        say("The release in the folder now needs signatures of the release keys of this root.");
    }
    if (options.sign_with.empty()) {
        say("Next: sign it, with keys of the root before and of this one: backplane bundle sign " +
            options.folder + " --key …");
        return finish_output(ExitCode::ok);
    }
    return sign_bundle({options.folder, options.bundle, options.sign_with, {}});
}

}  // namespace backplane::cli
