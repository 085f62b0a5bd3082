// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/bundle_maker.hpp"

#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <utility>

namespace backplane::tests {
namespace {

using namespace core::bundle;

template <typename T>
T demand(core::Result<T> result) {
    if (!result) throw std::runtime_error{result.error().code + ": " + result.error().text};
    return std::move(result).value();
}

}  // namespace

Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

Bytes read_bytes(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    if (!stream || text.empty()) throw std::runtime_error{"cannot read " + file.string()};
    return bytes_of(text);
}

std::filesystem::path test_plugin(const std::string& name) {
    return std::filesystem::path{BP_BUNDLE_PLUGINS} / name;
}

BundleMaker::BundleMaker(std::string bundle, unsigned release_keys)
    : bundle_(std::move(bundle)), root_key_(demand(SecretKey::generate())) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    issued = now - std::chrono::hours{1};
    expires = now + std::chrono::days{365};
    root_.bundle = bundle_;
    const PublicKey key = root_key_.public_key();
    root_.keys[key.id()] = key;
    root_.root.key_ids = {key.id()};
    make_release_keys(release_keys);
    root_.version = 1;
    write_root();
}

void BundleMaker::make_release_keys(unsigned count) {
    for (const auto& old : release_keys_) root_.keys.erase(old.public_key().id());
    release_keys_.clear();
    root_.release.key_ids.clear();
    for (unsigned i = 0; i < count; ++i) {
        release_keys_.push_back(demand(SecretKey::generate()));
        const PublicKey key = release_keys_.back().public_key();
        root_.keys[key.id()] = key;
        root_.release.key_ids.insert(key.id());
    }
    root_.release.threshold = count;
}

void BundleMaker::write_root() {
    root_.issued = issued;
    root_.expires = expires + std::chrono::days{4 * 365};
    const std::string name = root_name(bundle_, root_.version);
    roots_[name] = bytes_of(core::bundle::write_root(root_));
    add_signature(roots_, name, root_key_, "root " + std::to_string(root_.version));
}

void BundleMaker::rotate(ReleaseKeys keys) {
    if (keys == ReleaseKeys::change) make_release_keys(static_cast<unsigned>(release_keys_.size()));
    ++root_.version;
    write_root();
}

void BundleMaker::add(const std::filesystem::path& so, PluginOptions options) {
    Plugin plugin;
    plugin.bytes = read_bytes(so);
    plugin.manifest = demand(describe_plugin({plugin.bytes}));
    plugin.manifest.floor = std::move(options.floor);
    plugin.manifest.health = options.health;
    plugin.manifest.state_version = options.state_version;
    plugin.manifest.accepts_state = std::move(options.accepts_state);
    const std::string name = plugin.manifest.name;
    plugins_.insert_or_assign(name, std::move(plugin));
}

void BundleMaker::remove(const std::string& plugin) {
    if (plugins_.erase(plugin) == 0)
        throw std::runtime_error{"the bundle has no plug-in " + plugin};
}

void BundleMaker::withdraw(const std::string& sha256, const std::string& reason) {
    withdrawn_.push_back({sha256, reason});
}

void BundleMaker::set_floor(const std::string& plugin, const std::string& floor) {
    plugins_.at(plugin).manifest.floor = floor;
}

std::string BundleMaker::sha256(const std::string& plugin) const {
    return plugins_.at(plugin).manifest.files.begin()->second.sha256;
}

Bytes BundleMaker::root() const {
    return roots_.at(root_name(bundle_, root_.version));
}

Files BundleMaker::files(std::uint64_t version) const {
    Release release;
    release.bundle = bundle_;
    release.version = version;
    release.root_version = root_.version;
    release.issued = issued;
    release.expires = expires;
    release.min_host = min_host;
    release.withdrawn = withdrawn_;
    Files files = roots_;
    for (const auto& [name, plugin] : plugins_) {
        release.plugins.push_back(plugin.manifest);
        files[plugin.manifest.files.begin()->second.path] = plugin.bytes;
    }
    files[release_name(bundle_)] = bytes_of(write_release(release));
    for (const SecretKey& key : release_keys_)
        add_signature(files, release_name(bundle_), key, "release " + std::to_string(version));
    return files;
}

Bytes BundleMaker::zip_of(const Files& files) {
    return demand(zip_files(files));
}

}  // namespace backplane::tests
