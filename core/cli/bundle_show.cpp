// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_show.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <map>

#include "bundle_documents.hpp"
#include "bundle_files.hpp"
#include "bundle_output.hpp"
#include "table.hpp"
#include "util/sha256.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
namespace json = boost::json;

template <typename Texts>
std::string joined(const Texts& texts) {
    std::string all;
    for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
    return all;
}

std::string key_names(const bundle::Root& root, const bundle::Role& role) {
    std::string all;
    for (const std::string& id : role.key_ids) {
        const auto key = root.keys.find(id);
        all += (all.empty() ? "" : ", ") + (key == root.keys.end() ? id : key->second.hint_text());
    }
    return std::to_string(role.threshold) + " of " + std::to_string(role.key_ids.size()) + ": " +
           all;
}

void show_roots(const BundleDocuments& documents) {
    Table table{{"ROOT", "ISSUED", "EXPIRES", "LOWEST RELEASE", "ROOT KEYS", "RELEASE KEYS"}};
    for (const auto& [version, root] : documents.roots) {
        table.add({{std::to_string(version)},
                   {date_text(root.issued)},
                   {date_text(root.expires)},
                   {root.version_floor == 0 ? "" : std::to_string(root.version_floor)},
                   {key_names(root, root.root)},
                   {key_names(root, root.release)}});
    }
    std::cout << table.text(Terminal{});
    for (const auto& [version, root] : documents.roots) {
        for (const auto& delegation : root.delegations) {
            say("root " + std::to_string(version) + " lets the vendor " + delegation.id +
                " deliver plug-ins called " + delegation.prefix + "… (" +
                (delegation.caps.empty() ? "no permissions" : joined(delegation.caps)) +
                "), keys " + key_names(root, delegation.role));
        }
    }
}

void show_release(const bundle::Release& release, const bundle::Files& files) {
    say((release.vendor.empty() ? "Release " : "Vendor " + release.vendor + ", version ") +
        std::to_string(release.version) + ", issued " + date_text(release.issued) + ", expires " +
        date_text(release.expires) + ", made under root " + std::to_string(release.root_version) +
        (release.min_host.empty() ? "" : ", needs box " + release.min_host));
    Table table{{"PLUG-IN", "VERSION", "KIND", "ARCHITECTURE", "BYTES", "GLIBC", "PERMISSIONS",
                 "LOWEST", "FILE"}};
    for (const auto& plugin : release.plugins) {
        for (const auto& [arch, file] : plugin.files) {
            const auto found = files.find(file.path);
            std::string state = "as listed";
            if (found == files.end())
                state = "MISSING";
            else if (core::sha256_hex(found->second) != file.sha256)
                state = "DIFFERS";
            table.add({{plugin.name},
                       {plugin.version},
                       {plugin.kind},
                       {arch},
                       {std::to_string(file.length)},
                       {file.glibc},
                       {joined(plugin.caps)},
                       {plugin.floor},
                       {state}});
        }
    }
    std::cout << table.text(Terminal{});
    for (const auto& withdrawal : release.withdrawn)
        say("withdrawn: " + withdrawal.sha256 + ": " + withdrawal.reason);
}

void show_signatures(const BundleDocuments& documents, const bundle::Files& files) {
    Table table{{"SIGNATURE", "KEY", "STATE"}};
    const auto keys = keys_of(documents);
    for (const auto& [name, bytes] : files) {
        if (!name.ends_with(".json") ||
            !name.starts_with("drivers/backplane." + documents.bundle + "."))
            continue;
        for (const auto& found : signatures_of(files, name, keys))
            table.add(
                {{found.name}, {found.hint}, {found.problem.empty() ? "fits" : found.problem}});
    }
    std::cout << table.text(Terminal{});
    for (const auto& each : requirements(files, documents)) {
        if (each.met()) continue;
        say("missing: " + each.document + " has " + std::to_string(each.have.size()) + " of the " +
            std::to_string(each.threshold) + " signatures that it needs of the " + each.role);
    }
}

json::object role_object(const bundle::Role& role) {
    json::array ids;
    for (const std::string& id : role.key_ids) ids.emplace_back(id);
    return {{"keyids", std::move(ids)}, {"threshold", role.threshold}};
}

json::object document_object(const std::string& name, const BundleDocuments& documents,
                             const bundle::Files& files) {
    json::object object{{"file", name}, {"sha256", core::sha256_hex(files.at(name))}};
    json::array signatures;
    for (const auto& found : signatures_of(files, name, keys_of(documents))) {
        signatures.push_back(json::object{{"file", found.name},
                                          {"key", found.hint},
                                          {"key_id", found.key_id},
                                          {"fits", found.problem.empty()},
                                          {"problem", found.problem},
                                          {"trusted_comment", found.trusted_comment}});
    }
    object["signatures"] = std::move(signatures);
    json::array needs;
    for (const auto& each : requirements(files, documents)) {
        if (each.document != name) continue;
        needs.push_back(json::object{{"role", each.role},
                                     {"threshold", each.threshold},
                                     {"have", each.have.size()},
                                     {"met", each.met()}});
    }
    object["needs"] = std::move(needs);
    return object;
}

json::object release_object(const bundle::Release& release, const std::string& name,
                            const BundleDocuments& documents, const bundle::Files& files) {
    json::object object = document_object(name, documents, files);
    object["version"] = release.version;
    object["root_version"] = release.root_version;
    object["issued"] = date_text(release.issued);
    object["expires"] = date_text(release.expires);
    object["min_host"] = release.min_host;
    json::array plugins;
    for (const auto& plugin : release.plugins) {
        json::array builds, caps;
        for (const std::string& cap : plugin.caps) caps.emplace_back(cap);
        for (const auto& [arch, file] : plugin.files) {
            const auto found = files.find(file.path);
            builds.push_back(json::object{
                {"arch", arch},
                {"file", file.path},
                {"length", file.length},
                {"sha256", file.sha256},
                {"glibc", file.glibc},
                {"as_listed",
                 found != files.end() && core::sha256_hex(found->second) == file.sha256}});
        }
        plugins.push_back(json::object{{"name", plugin.name},
                                       {"id", plugin.id},
                                       {"kind", plugin.kind},
                                       {"version", plugin.version},
                                       {"floor", plugin.floor},
                                       {"permissions", std::move(caps)},
                                       {"builds", std::move(builds)}});
    }
    object["plugins"] = std::move(plugins);
    json::array withdrawn;
    for (const auto& each : release.withdrawn)
        withdrawn.push_back(json::object{{"sha256", each.sha256}, {"reason", each.reason}});
    object["withdrawn"] = std::move(withdrawn);
    return object;
}

json::object bundle_object(const BundleDocuments& documents, const bundle::Files& files) {
    json::object object{{"bundle", documents.bundle}};
    json::array roots, vendors;
    for (const auto& [version, root] : documents.roots) {
        json::object each =
            document_object(bundle::root_name(documents.bundle, version), documents, files);
        each["version"] = version;
        each["version_floor"] = root.version_floor;
        each["issued"] = date_text(root.issued);
        each["expires"] = date_text(root.expires);
        json::object keys;
        for (const auto& [id, key] : root.keys) keys[id] = key.text();
        each["keys"] = std::move(keys);
        each["root"] = role_object(root.root);
        each["release"] = role_object(root.release);
        roots.push_back(std::move(each));
    }
    object["roots"] = std::move(roots);
    if (documents.release) {
        object["release"] = release_object(
            *documents.release, bundle::release_name(documents.bundle), documents, files);
    }
    for (const auto& [id, vendor] : documents.vendors) {
        json::object each =
            release_object(vendor, bundle::vendor_name(documents.bundle, id), documents, files);
        each["vendor"] = id;
        vendors.push_back(std::move(each));
    }
    object["vendors"] = std::move(vendors);
    return object;
}

}  // namespace

ExitCode inspect_bundle(const std::string& path, bool json) {
    const auto carried = read_carried(path);
    if (!carried) return say_failure(carried.error());
    const auto all = read_documents(carried->files);
    if (!all) return say_failure(all.error());
    if (json) {
        json::array bundles;
        for (const auto& [id, documents] : *all)
            bundles.push_back(bundle_object(documents, carried->files));
        std::cout << json::serialize(json::object{{"bundles", std::move(bundles)},
                                                  {"foreign_files", carried->foreign}})
                  << '\n';
        return finish_output(ExitCode::ok);
    }
    if (all->empty()) {
        return say_failure({"E_TYPE", "there is no bundle in " + path + " (" +
                                          std::to_string(carried->foreign) +
                                          " other files): name the iot_handlers folder or the zip "
                                          "made of it"});
    }
    for (const auto& [id, documents] : *all) {
        say("Bundle " + id + " (what it says of itself; \"backplane bundle verify\" checks it)");
        show_roots(documents);
        if (documents.release) show_release(*documents.release, carried->files);
        for (const auto& [vendor, release] : documents.vendors)
            show_release(release, carried->files);
        show_signatures(documents, carried->files);
    }
    say(std::to_string(carried->foreign) + " files are not for Backplane.");
    return finish_output(ExitCode::ok);
}

}  // namespace backplane::cli
