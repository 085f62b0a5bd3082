// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "publisher.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "util/sha256.hpp"

namespace backplane::core::bundle::testing {

MemoryFiles::MemoryFiles(Files files, std::set<std::string> twice)
    : files_(std::move(files)), twice_(std::move(twice)) {
    for (const auto& [name, content] : files_) {
        if (is_bundle_name(name)) names_.push_back(name);
    }
}

bool MemoryFiles::is_ambiguous(std::string_view name) const {
    return twice_.contains(std::string{name});
}

Result<std::vector<std::byte>> MemoryFiles::read(std::string_view name, std::size_t most) const {
    const auto found = files_.find(std::string{name});
    if (found == files_.end())
        return failure("E_NAME", "there is no such file here: bring a complete bundle");
    if (is_ambiguous(name))
        return failure("E_DUP", "there are two such files here: take one of them out");
    if (found->second.size() > most)
        return failure("E_LEN",
                       "the file has more bytes than anybody asked for: bring a shorter one");
    return found->second;
}

const SecretKey& key(unsigned n) {
    static const std::vector<SecretKey> keys = [] {
        std::vector<SecretKey> made;
        for (int i = 0; i < 24; ++i) made.push_back(SecretKey::generate().value());
        return made;
    }();
    return keys.at(n);
}

Role role_of(const std::set<unsigned>& keys, unsigned threshold) {
    Role role;
    for (const auto n : keys) role.key_ids.insert(key(n).public_key().id());
    role.threshold = threshold;
    return role;
}

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

Time at(int year, unsigned month, unsigned day) {
    return std::chrono::sys_days{std::chrono::year_month_day{
        std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}}};
}

void replace(std::string& text, std::string_view from, std::string_view to) {
    const auto found = text.find(from);
    if (found == std::string::npos)
        throw std::runtime_error("there is no " + std::string{from} + " in " + text);
    text.replace(found, from.size(), to);
}

Publisher::Publisher() {
    Root root;
    root.bundle = bundle;
    root.version = 1;
    root.version_floor = 1;
    root.issued = at(2026, 1, 1);
    root.expires = at(2031, 1, 1);
    // All keys that some case needs; what counts are the roles.
    for (unsigned n = 0; n < 16; ++n)
        root.keys.emplace(key(n).public_key().id(), key(n).public_key());
    root.root = role_of({0, 1, 2}, 2);
    root.release = role_of({3, 4, 5}, 2);
    root.delegations.push_back({"blue", role_of({6, 7}, 1), "blue_", {"serial"}});
    roots.push_back({1, root, {0, 1}, {}});

    release.manifest.bundle = bundle;
    release.manifest.version = 5;
    release.manifest.root_version = 1;
    release.manifest.issued = at(2026, 11, 1);
    release.manifest.expires = at(2027, 5, 1);
    release.signers = {3, 4};
    add_plugin({});

    ManifestFile vendor;
    vendor.id = "blue";
    vendor.manifest = release.manifest;
    vendor.manifest.plugins.clear();
    vendor.manifest.vendor = "blue";
    vendor.manifest.version = 2;
    vendor.signers = {6};
    add_plugin(vendor, {.name = "blue_scale", .version = "1.0.0"});
    vendors.push_back(std::move(vendor));

    policy.host = sdk::HostFacts::of_this_machine();
    policy.host_version = "0.1.0";
    policy.now = at(2026, 11, 22);
    trust_root(root);
    trust[bundle].highest_version = 4;
    trust[bundle].highest_digest = std::string(64, '4');
}

Root& Publisher::add_root() {
    RootFile next = roots.back();
    next.root.version += 1;
    next.file_version = next.root.version;
    next.signers = {0, 1, 2};
    next.edit = {};
    roots.push_back(std::move(next));
    return roots.back().root;
}

void Publisher::add_plugin(const PluginWords& words) {
    add_plugin(release, words);
}

void Publisher::add_plugin(ManifestFile& manifest, const PluginWords& words) {
    auto build = plugin_build(words);
    auto plugin = describe_plugin({build});
    if (!plugin) throw std::runtime_error(plugin.error().text);
    content[plugin->files.begin()->second.path] = std::move(build);
    manifest.manifest.plugins.push_back(*std::move(plugin));
}

void Publisher::trust_root(const Root& root) {
    trust[bundle].root = std::make_shared<const Bytes>(bytes_of(write_root(root)));
}

void Publisher::remember(const VerifiedBundle& accepted) {
    auto& state = trust[accepted.bundle];
    state.root = std::make_shared<const Bytes>(accepted.root_bytes);
    state.highest_version = accepted.release.version;
    state.highest_digest = accepted.digest;
    for (const auto& vendor : accepted.vendors)
        state.vendors[vendor.vendor] = {vendor.version, accepted.vendor_digests.at(vendor.vendor)};
}

Files Publisher::files() const {
    Files out = content;
    const auto add = [&](const std::string& name, std::string text,
                         const std::vector<unsigned>& signers, const Edit& edit) {
        if (edit) edit(text);
        out[name] = bytes_of(text);
        for (const auto n : signers) add_signature(out, name, key(n), "a test");
    };
    for (const auto& each : roots)
        add(root_name(bundle, each.file_version), write_root(each.root), each.signers, each.edit);
    add(release_name(bundle), write_release(release.manifest), release.signers, release.edit);
    for (const auto& each : vendors)
        add(vendor_name(bundle, each.id), write_vendor(each.manifest), each.signers, each.edit);
    for (const auto& change : spoil) change(out);
    return out;
}

Verification Publisher::verify() const {
    return verify_files(MemoryFiles{files(), twice}, trust, policy);
}

Result<Verification> Publisher::verify_zip() const {
    auto zip = zip_files(files());
    if (!zip) return Unexpected<Error>{zip.error()};
    return verify_archive(*zip, trust, policy);
}

std::string outcome(const Verification& verification) {
    if (verification.nothing_for_us()) return "nothing";
    std::string out;
    for (const auto& each : verification.rejected)
        out += (out.empty() ? "" : "; ") + std::string{"rejected "} + each.error.code;
    for (const auto& each : verification.bundles) {
        out += (out.empty() ? "" : "; ") + std::string{"accepted"};
        if (each.unchanged) out += " unchanged";
        if (each.in_grace) out += " in grace";
        const char* separator = ", left out: ";
        for (const auto& refusal : each.refused) {
            out += std::exchange(separator, ", ") + refusal.subject + " " + refusal.error.code;
        }
    }
    return out;
}

}  // namespace backplane::core::bundle::testing
