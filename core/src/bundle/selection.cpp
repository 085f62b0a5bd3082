// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/selection.hpp"

#include <algorithm>

#include "bundle/release_check.hpp"

namespace backplane::core::bundle {
namespace {

std::string abi_text(unsigned major, unsigned minor) {
    return std::to_string(major) + "." + std::to_string(minor);
}

class Choice {
public:
    Choice(const SelectionSource& source, const Policy& policy, std::string floor)
        : source_(source), policy_(policy), floor_(std::move(floor)) {}

    std::optional<Error> why_not(const ManifestPlugin& plugin) const {
        const auto subject = "the plug-in " + subject_of(plugin);
        if (auto owned = check_owner(plugin, subject)) return owned;
        const auto file = plugin.files.find(policy_.host.arch);
        if (file == plugin.files.end()) {
            std::string has;
            for (const auto& [arch, each] : plugin.files) has += (has.empty() ? "" : ", ") + arch;
            return Error{"E_ARCH", subject + " has no build for " + policy_.host.arch + ", only " +
                                       (has.empty() ? "none at all" : "for " + has) +
                                       ": ask its vendor for one"};
        }
        if (auto abi = check_abi(plugin, file->second, subject)) return abi;
        if (const auto* withdrawal = find_withdrawal(source_, file->second.sha256)) {
            return Error{"E_WITHDRAWN", subject + " was withdrawn by its publisher (" +
                                            withdrawal->reason + "): install a newer version"};
        }
        if (!policy_.ignore_quarantine && policy_.quarantined.contains(file->second.sha256)) {
            return Error{"E_QUARANTINED",
                         subject +
                             " has failed on this box before and is in quarantine: wait for "
                             "a newer version, or release it by hand to try it again"};
        }
        if (!floor_.empty() && compare_versions(plugin.version, floor_).value_or(-1) < 0) {
            return Error{"E_FLOOR", subject + " is older than " + floor_ +
                                        ", the oldest version that may still run: install a "
                                        "newer one"};
        }
        return std::nullopt;
    }

private:
    std::optional<Error> check_owner(const ManifestPlugin& plugin,
                                     const std::string& subject) const {
        const auto owner = policy_.owners.find(plugin.name);
        if (owner == policy_.owners.end() || owner->second.bundle == source_.manifest->bundle)
            return std::nullopt;
        if (owner->second.bundle.empty()) {
            if (owner->second.plugin_id == plugin.id) return std::nullopt;
            return Error{"E_NAME", subject +
                                       " has the name of one that came with this box, but is " +
                                       plugin.id + " instead of " + owner->second.plugin_id +
                                       ": ask its vendor to rename it"};
        }
        return Error{"E_NAME", subject + " comes with the bundle \"" + source_.manifest->bundle +
                                   "\", but its name belongs to the bundle \"" +
                                   owner->second.bundle +
                                   "\": ask its vendor to rename it, or remove the other bundle"};
    }

    std::optional<Error> check_abi(const ManifestPlugin& plugin, const PluginFile& file,
                                   const std::string& subject) const {
        const auto& host = policy_.host;
        if (plugin.abi_major != host.abi_major || plugin.abi_minor > host.abi_minor) {
            const bool newer = plugin.abi_major >= host.abi_major;
            return Error{"E_ABI",
                         subject + " was built for the plug-in ABI " +
                             abi_text(plugin.abi_major, plugin.abi_minor) + ", this box has " +
                             abi_text(host.abi_major, host.abi_minor) +
                             (newer ? ": update the box, or install an older version of the plug-in"
                                    : ": install a newer version of the plug-in")};
        }
        const auto have = host.versions.find("GLIBC");
        const auto needs = sdk::LibraryVersion::parse(file.glibc);
        if (have == host.versions.end() || !needs || *needs <= have->second) return std::nullopt;
        return Error{"E_ABI", subject + " needs version " + needs->text() +
                                  " of the C library, this system has " + have->second.text() +
                                  ": ask its vendor for a build for older systems"};
    }

    const SelectionSource& source_;
    const Policy& policy_;
    std::string floor_;
};

/// The highest of all floors that are set for the name. An older entry cannot undo what a newer one demands.
std::string floor_of(const Release& manifest, std::string_view name, const Policy& policy) {
    std::string floor;
    const auto raise = [&](const std::string& to) {
        if (to.empty()) return;
        if (floor.empty() || compare_versions(floor, to).value_or(-1) < 0) floor = to;
    };
    if (const auto own = policy.floors.find(name); own != policy.floors.end()) raise(own->second);
    for (const auto& plugin : manifest.plugins) {
        if (plugin.name == name) raise(plugin.floor);
    }
    return floor;
}

}  // namespace

const Withdrawal* find_withdrawal(const SelectionSource& source, const std::string& sha256) {
    for (const auto* list : {source.withdrawn_by_release, &source.manifest->withdrawn}) {
        if (list == nullptr) continue;
        const auto found = std::find_if(list->begin(), list->end(),
                                        [&](const auto& each) { return each.sha256 == sha256; });
        if (found != list->end()) return &*found;
    }
    return nullptr;
}

std::vector<std::string> plugin_names(const Release& manifest) {
    std::vector<std::string> names;
    for (const auto& plugin : manifest.plugins) {
        if (std::find(names.begin(), names.end(), plugin.name) == names.end())
            names.push_back(plugin.name);
    }
    return names;
}

std::vector<const ManifestPlugin*> select(const SelectionSource& source, std::string_view name,
                                          const Policy& policy, std::vector<Refusal>& refused) {
    const Choice choice{source, policy, floor_of(*source.manifest, name, policy)};
    std::vector<const ManifestPlugin*> usable;
    for (const auto& plugin : source.manifest->plugins) {
        if (plugin.name != name) continue;
        if (auto error = choice.why_not(plugin)) {
            refused.push_back({subject_of(plugin), *std::move(error)});
        } else {
            usable.push_back(&plugin);
        }
    }
    std::stable_sort(usable.begin(), usable.end(), [](const auto* a, const auto* b) {
        return compare_versions(a->version, b->version).value_or(0) > 0;
    });
    return usable;
}

}  // namespace backplane::core::bundle
