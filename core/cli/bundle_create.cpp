// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_create.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "backplane/inspect/inspect.hpp"
#include "bundle/verify.hpp"
#include "bundle_files.hpp"
#include "bundle_output.hpp"
#include "bundle_sign.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
using core::failure;
using core::Result;

/// Plug-ins of the command line with their builds, by their names in the bundle.
struct PluginSet {
    std::vector<bundle::ManifestPlugin> plugins;
    bundle::Files files;
};

Result<PluginSet> read_plugins(const std::vector<std::string>& paths) {
    struct Given {
        std::vector<std::string> paths;
        std::vector<Bytes> builds;
    };
    std::map<std::string, Given> by_name;
    for (const std::string& path : paths) {
        auto bytes = read_file(path, sdk::k_max_plugin_size);
        if (!bytes) return passed_on(bytes);
        // Each alone first, so that an error names the file it is in.
        const auto alone = bundle::describe_plugin({*bytes});
        if (!alone) return failure(alone.error().code, path + ": " + alone.error().text);
        Given& given = by_name[alone->name];
        given.paths.push_back(path);
        given.builds.push_back(*std::move(bytes));
    }
    PluginSet set;
    for (auto& [name, given] : by_name) {
        auto plugin = bundle::describe_plugin(given.builds);
        if (!plugin) {
            std::string all;
            for (const std::string& path : given.paths) all += (all.empty() ? "" : ", ") + path;
            return failure(plugin.error().code, all + ": " + plugin.error().text);
        }
        for (Bytes& build : given.builds) {
            const auto one = bundle::describe_plugin({build});
            if (!one) return passed_on(one);
            set.files[one->files.begin()->second.path] = std::move(build);
        }
        set.plugins.push_back(*std::move(plugin));
    }
    return set;
}

Result<bundle::ManifestPlugin*> plugin_called(std::vector<bundle::ManifestPlugin>& plugins,
                                              const std::string& name, const char* option) {
    std::string known;
    for (bundle::ManifestPlugin& each : plugins) {
        if (each.name == name) return &each;
        known += (known.empty() ? "" : ", ") + each.name;
    }
    return failure("E_NAME", std::string{option} + " names the plug-in \"" + name +
                                 "\", but the files given are of " + known +
                                 ": correct the name, or add its file");
}

core::Unexpected<core::Error> wrong_value(const char* option, const std::string& text,
                                          const char* must) {
    return failure("E_TYPE", std::string{option} + " is \"" + text + "\", but must be " + must);
}

Result<void> set_floor(bundle::ManifestPlugin& plugin, const std::string& value) {
    const auto order = bundle::compare_versions(value, plugin.version);
    if (!order) return wrong_value("--floor", plugin.name + "=" + value, "NAME=1.2.3");
    if (*order > 0) {
        return failure("E_FLOOR", "--floor says that " + plugin.name + " below " + value +
                                      " may not run, but this bundle brings " + plugin.version +
                                      ": use a floor that its own version reaches");
    }
    plugin.floor = value;
    return {};
}

Result<void> apply_options(std::vector<bundle::ManifestPlugin>& plugins,
                           const CreateOptions& options) {
    const auto each = [&](const Named& values, const char* option,
                          const auto& set) -> Result<void> {
        for (const std::string& text : values) {
            const auto [name, value] = named(text);
            const auto plugin = plugin_called(plugins, name, option);
            if (!plugin) return passed_on(plugin);
            if (auto done = set(**plugin, value); !done) return done;
        }
        return {};
    };
    using Plugin = bundle::ManifestPlugin;
    if (auto done = each(options.floors, "--floor", set_floor); !done) return done;
    auto done = each(options.probations, "--probation",
                     [](Plugin& plugin, const std::string& value) -> Result<void> {
                         const auto number = parse_number(value);
                         if (!number || *number > 86'400)
                             return wrong_value("--probation", plugin.name + "=" + value,
                                                "NAME=SECONDS, at most a day");
                         plugin.health.probation =
                             std::chrono::seconds{static_cast<std::int64_t>(*number)};
                         return {};
                     });
    if (!done) return done;
    done = each(options.actions, "--actions",
                [](Plugin& plugin, const std::string& value) -> Result<void> {
                    const auto number = parse_number(value);
                    if (!number || *number > 1'000)
                        return wrong_value("--actions", plugin.name + "=" + value,
                                           "NAME=COUNT, at most 1,000");
                    plugin.health.actions = static_cast<unsigned>(*number);
                    return {};
                });
    if (!done) return done;
    return each(options.notes, "--note",
                [](Plugin& plugin, const std::string& value) -> Result<void> {
                    const auto colon = value.find(':');
                    if (colon == std::string::npos || colon == 0)
                        return wrong_value("--note", plugin.name + "=" + value,
                                           "NAME=LANGUAGE:TEXT, such as acme_scale=en:Faster");
                    plugin.notes[value.substr(0, colon)] = value.substr(colon + 1);
                    return {};
                });
}

/// Withdrawn builds stay withdrawn: a release without the entry would let them in again.
Result<std::vector<bundle::Withdrawal>> withdrawals(
    const bundle::Release* before, const CreateOptions& options,
    const std::vector<bundle::ManifestPlugin>& plugins) {
    std::vector<bundle::Withdrawal> all;
    if (before != nullptr) all = before->withdrawn;
    for (const std::string& text : options.withdrawn) {
        const auto [sha256, reason] = named(text);
        if (reason.empty())
            return wrong_value("--withdraw", text, "SHA256=REASON, with a reason that people read");
        std::erase_if(all, [&, hash = sha256](const auto& each) { return each.sha256 == hash; });
        all.push_back({sha256, reason});
    }
    for (const auto& plugin : plugins) {
        for (const auto& [arch, file] : plugin.files) {
            for (const auto& each : all) {
                if (each.sha256 != file.sha256) continue;
                return failure("E_HASH", "the build of " + plugin.name + " " + plugin.version +
                                             " for " + arch + " is withdrawn (" + each.reason +
                                             "), and no box would run it: build it anew with "
                                             "another version");
            }
        }
    }
    return all;
}

Result<void> check_delegation(const bundle::Root& root, const std::string& vendor,
                              const std::vector<bundle::ManifestPlugin>& plugins) {
    const auto found = std::find_if(root.delegations.begin(), root.delegations.end(),
                                    [&](const auto& each) { return each.id == vendor; });
    if (found == root.delegations.end()) {
        return failure("E_DELEG", "root " + std::to_string(root.version) + " of " + root.bundle +
                                      " has no delegation \"" + vendor +
                                      "\": ask the owner of the root for one, and give the new "
                                      "root with --root");
    }
    for (const auto& plugin : plugins) {
        if (!plugin.name.starts_with(found->prefix)) {
            return failure("E_DELEG", "the delegation \"" + vendor +
                                          "\" covers names that begin "
                                          "with \"" +
                                          found->prefix + "\", but the plug-in is called " +
                                          plugin.name + ": rename it in plugin.json");
        }
        for (const std::string& cap : plugin.caps) {
            if (bundle::cap_covered(cap, found->caps)) continue;
            return failure("E_DELEG", "the plug-in " + plugin.name + " asks for the permission \"" +
                                          cap + "\", which the delegation \"" + vendor +
                                          "\" does not allow: leave it out, or ask the owner of "
                                          "the root for it");
        }
    }
    return {};
}

const bundle::Release* release_before(const BundleDocuments& documents, const std::string& vendor) {
    if (vendor.empty()) return documents.release ? &*documents.release : nullptr;
    const auto found = documents.vendors.find(vendor);
    return found == documents.vendors.end() ? nullptr : &found->second;
}

Result<std::uint64_t> next_version(const bundle::Release* before, const bundle::Root& root,
                                   const CreateOptions& options) {
    const std::uint64_t last = before == nullptr ? 0 : before->version;
    const std::uint64_t floor = options.vendor.empty() ? root.version_floor : 0;
    if (!options.version) return std::max(last + 1, floor);
    if (*options.version == 0) {
        return failure("E_ROLLBACK",
                       "--version is 0, but the first version is 1: leave it out, "
                       "and the next number is taken");
    }
    if (*options.version <= last) {
        return failure("E_ROLLBACK", "--version is " + std::to_string(*options.version) +
                                         ", but the folder has version " + std::to_string(last) +
                                         " already, and boxes accept only higher ones: use " +
                                         std::to_string(last + 1) +
                                         " or leave it out, and the next number is taken");
    }
    if (*options.version < floor) {
        return failure("E_ROLLBACK", "--version is " + std::to_string(*options.version) +
                                         ", but root " + std::to_string(root.version) +
                                         " allows no release below " + std::to_string(floor) +
                                         ": leave it out, and the next number is taken");
    }
    return *options.version;
}

std::string sha_of(const bundle::Release* release, const std::string& path) {
    if (release == nullptr) return {};
    for (const auto& plugin : release->plugins) {
        for (const auto& [arch, file] : plugin.files) {
            if (file.path == path) return file.sha256;
        }
    }
    return {};
}

/// What the manifest before listed and no manifest lists now, and signatures of the document that is replaced.
std::set<std::string> leftovers(const Workshop& shop, const bundle::Release* before,
                                const BundleDocuments& now, const std::string& document) {
    std::set<std::string> old;
    if (before != nullptr) {
        for (const auto& plugin : before->plugins) {
            for (const auto& [arch, file] : plugin.files) old.insert(file.path);
        }
    }
    const auto start = document + ".";
    for (const auto& [name, bytes] : shop.files) {
        if (name.starts_with(start) && name.ends_with(".minisig")) old.insert(name);
    }
    for (const auto& [name, bytes] : files_of(shop.files, now)) {
        if (!name.starts_with(start)) old.erase(name);
    }
    std::erase_if(old, [&](const std::string& name) { return !shop.files.contains(name); });
    return old;
}

void tell_contents(const bundle::Release& release, const bundle::Release* before) {
    for (const auto& plugin : release.plugins) {
        std::string builds;
        for (const auto& [arch, file] : plugin.files) {
            builds += (builds.empty() ? "" : ", ") + arch +
                      (file.glibc.empty() ? "" : " (glibc " + file.glibc + ")");
        }
        say("  " + plugin.kind + " " + plugin.name + " " + plugin.version + " for " + builds);
        for (const auto& [arch, file] : plugin.files) {
            const std::string old = sha_of(before, file.path);
            if (old.empty() || old == file.sha256) continue;
            say("  note: " + file.path +
                " has other content than before under the same version; boxes take it as a new "
                "build, but people see no difference: better raise the version");
        }
    }
}

Result<void> make_release(const CreateOptions& options, Workshop& shop) {
    const bundle::Root* root = shop.documents.newest_root();
    const auto dates =
        read_dates(options.root.issued, options.root.expires, std::chrono::days{365});
    if (!dates) return passed_on(dates);
    auto set = read_plugins(options.plugins);
    if (!set) return passed_on(set);
    if (auto applied = apply_options(set->plugins, options); !applied) return applied;
    if (!options.vendor.empty()) {
        if (auto ok = check_delegation(*root, options.vendor, set->plugins); !ok) return ok;
    }
    const bundle::Release* before = release_before(shop.documents, options.vendor);
    const auto version = next_version(before, *root, options);
    if (!version) return passed_on(version);
    auto withdrawn = withdrawals(before, options, set->plugins);
    if (!withdrawn) return passed_on(withdrawn);

    bundle::Release release;
    release.bundle = options.root.bundle;
    release.vendor = options.vendor;
    release.version = *version;
    release.root_version = root->version;
    release.issued = dates->issued;
    release.expires = dates->expires;
    release.min_host = options.min_host;
    release.plugins = std::move(set->plugins);
    release.withdrawn = *std::move(withdrawn);
    const bool of_vendor = !options.vendor.empty();
    const std::string document = of_vendor ? bundle::vendor_name(release.bundle, release.vendor)
                                           : bundle::release_name(release.bundle);
    const Bytes bytes =
        bytes_of(of_vendor ? bundle::write_vendor(release) : bundle::write_release(release));
    // What a box would refuse is not even written.
    const auto read = of_vendor ? bundle::parse_vendor(bytes) : bundle::parse_release(bytes);
    if (!read) return passed_on(read);

    BundleDocuments now = shop.documents;
    (of_vendor ? now.vendors[release.vendor] : now.release.emplace()) = release;
    const auto old = leftovers(shop, before, now, document);
    if (auto written = write_out(options.root.folder, shop); !written) return written;
    for (const auto& [name, content] : set->files) {
        if (auto written = write_file(options.root.folder + "/" + name, content); !written)
            return written;
    }
    if (auto written = write_file(options.root.folder + "/" + document, bytes); !written)
        return written;
    say("wrote " + document + ": version " + std::to_string(release.version) + ", root " +
        std::to_string(release.root_version) + ", expires " + date_text(release.expires));
    tell_contents(release, before);
    for (const std::string& name : old) {
        if (auto removed = remove_file(options.root.folder + "/" + name); !removed) return removed;
        say("removed " + name + ", which belongs to an earlier version");
    }
    if (root->expires < release.expires) {
        say("note: root " + std::to_string(root->version) + " expires on " +
            date_text(root->expires) +
            ", before this release: make a new one in time with "
            "\"backplane bundle root\"");
    }
    return {};
}

}  // namespace

ExitCode create_release(const CreateOptions& options) {
    auto shop = open_workshop(options.root);
    if (!shop) return say_failure(shop.error());
    const bool wants_root = !options.root.root_keys.empty() || !options.root.release_keys.empty() ||
                            options.root.root_threshold || options.root.release_threshold;
    const bundle::Root* root = shop->documents.newest_root();
    if (root == nullptr && !wants_root) {
        return say_failure(
            {"E_ROOT", "the folder " + options.root.folder + " has no root of the bundle " +
                           options.root.bundle +
                           ": give one with --root, or make the first with --root-key and "
                           "--release-key"});
    }
    if (root != nullptr && wants_root) {
        return say_failure(
            {"E_ROOT", "the bundle " + options.root.bundle + " has root " +
                           std::to_string(root->version) +
                           " already, and it says which keys may sign: leave out --root-key and "
                           "--release-key, or make the next root with \"backplane bundle root\""});
    }
    if (root == nullptr) {
        RootOptions first = options.root;
        first.expires = options.root_expires;
        if (auto added = add_root(first, *shop); !added) return say_failure(added.error());
    }
    if (auto made = make_release(options, *shop); !made) return say_failure(made.error());
    if (options.root.sign_with.empty()) {
        say("Next: sign it: backplane bundle sign " + options.root.folder + " --key …" +
            (options.zip.empty() ? "" : " --zip " + options.zip));
        return finish_output(ExitCode::ok);
    }
    return sign_bundle(
        {options.root.folder, options.root.bundle, options.root.sign_with, options.zip});
}

}  // namespace backplane::cli
