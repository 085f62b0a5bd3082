// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/model_disk.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace backplane::crash {
namespace {

using Answer = ModelDisk::Answer;

void collect(const Tree& tree, Node folder, const std::string& path, DiskImage& image) {
    for (const auto& [name, node] : tree.folders.at(folder)) {
        std::string below = path + '/' + name;
        if (const auto file = tree.files.find(node); file != tree.files.end()) {
            image.files.emplace(std::move(below), file->second);
        } else {
            collect(tree, node, below, image);
            image.folders.insert(std::move(below));
        }
    }
}

std::string parent_of(const std::string& path) {
    return path.substr(0, path.find_last_of('/'));
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    std::uint64_t x = a ^ (b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2));
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept {
    std::uint64_t hash = bytes.size();
    std::size_t at = 0;
    for (; bytes.size() - at >= sizeof hash; at += sizeof hash) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        hash = (hash ^ word) * 0x9FB21C651E98DF25u;
        hash ^= hash >> 28;
    }
    for (; at < bytes.size(); ++at)
        hash = (hash ^ std::to_integer<std::uint64_t>(bytes[at])) * 0x100000001B3u;
    return mix(hash, bytes.size());
}

Content::Content(Bytes given) : bytes(std::move(given)), hash(hash_of(bytes)) {}

std::uint64_t DiskImage::hash() const noexcept {
    const auto text = [](const std::string& path) {
        return hash_of(std::as_bytes(std::span{path}));
    };
    std::uint64_t sum = 0;
    for (const std::string& folder : folders) sum = mix(sum, text(folder));
    for (const auto& [path, content] : files) sum = mix(mix(sum, text(path)), content->hash);
    return sum;
}

DiskImage Tree::image() const {
    DiskImage image;
    collect(*this, k_top, {}, image);
    return image;
}

bool Operation::is_metadata() const noexcept {
    return kind == Kind::create || kind == Kind::rename || kind == Kind::unlink ||
           kind == Kind::make_folder || kind == Kind::remove_folder;
}

std::string Operation::text() const {
    switch (kind) {
        case Kind::create:
            return "create " + path;
        case Kind::write:
            return "write " + std::to_string(bytes.size()) + " bytes at " + std::to_string(offset) +
                   " to " + path;
        case Kind::truncate:
            return "truncate " + path + " to " + std::to_string(offset);
        case Kind::sync:
            return "sync " + path;
        case Kind::rename:
            return "rename " + path + " to " + to;
        case Kind::unlink:
            return "unlink " + path;
        case Kind::make_folder:
            return "make folder " + path;
        case Kind::remove_folder:
            return "remove folder " + path;
        case Kind::sync_folder:
            return "sync folder " + path;
        case Kind::mark:
            return "reported as done";
    }
    return {};
}

std::string_view code_of(Answer answer) noexcept {
    switch (answer) {
        case Answer::missing:
            return "store.missing";
        case Answer::exists:
        case Answer::not_empty:
            return "store.exists";
        case Answer::full:
            return "store.full";
        default:
            return "store.io";
    }
}

ModelDisk::ModelDisk(const DiskImage& image) {
    for (const std::string& path : image.folders) {
        // Sorted: the one above comes first.
        Node above = 0;
        std::string name;
        if (locate(path, above, name) != Answer::done) continue;
        live_.folders[next_];
        live_.folders[above][name] = next_;
        paths_[next_++] = path;
    }
    for (const auto& [path, content] : image.files) {
        Node above = 0;
        std::string name;
        if (locate(path, above, name) != Answer::done) continue;
        live_.files[next_] = content;
        live_.folders[above][name] = next_;
        shared_[next_] = content;
        paths_[next_++] = path;
    }
    recording_.before = live_;
}

Answer ModelDisk::begin(Effect effect) {
    if (off_) return Answer::io;
    if (fail_at_ != 0 && effect == Effect::reads && fault_ == Fault::full) return Answer::done;
    ++calls_;
    if (fail_at_ == 0 || calls_ != fail_at_) return Answer::done;
    happened_ = true;
    if (fault_ == Fault::power) off_ = true;
    return fault_ == Fault::full ? Answer::full : Answer::io;
}

void ModelDisk::fail(Fault fault, std::size_t at) {
    heal();
    fault_ = fault;
    fail_at_ = at;
    calls_ = 0;
}

void ModelDisk::heal() {
    fail_at_ = 0;
    off_ = false;
    happened_ = false;
}

void ModelDisk::note(Operation operation) {
    recording_.log.push_back(std::move(operation));
}

void ModelDisk::mark() {
    if (!off_) note({.kind = Operation::Kind::mark});
}

Answer ModelDisk::locate(const std::string& path, Node& folder, std::string& name) const {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) return Answer::missing;
    name = path.substr(slash + 1);
    if (const Answer above = find(path.substr(0, slash), folder); above != Answer::done)
        return above;
    return is_folder(folder) ? Answer::done : Answer::missing;
}

Answer ModelDisk::find(const std::string& path, Node& node) const {
    node = k_top;
    std::size_t at = 0;
    while (at < path.size()) {
        const auto end = std::min(path.find('/', at + 1), path.size());
        const auto folder = live_.folders.find(node);
        if (folder == live_.folders.end()) return Answer::missing;
        const auto entry = folder->second.find(path.substr(at + 1, end - at - 1));
        if (entry == folder->second.end()) return Answer::missing;
        node = entry->second;
        at = end;
    }
    return Answer::done;
}

std::vector<std::string> ModelDisk::names(Node folder) const {
    std::vector<std::string> names;
    for (const auto& [name, node] : live_.folders.at(folder)) names.push_back(name);
    return names;
}

std::span<const std::byte> ModelDisk::bytes(Node file) const {
    if (const auto shared = shared_.find(file); shared != shared_.end())
        return shared->second->bytes;
    const auto data = data_.find(file);
    return data == data_.end() ? std::span<const std::byte>{} : std::span{data->second};
}

Bytes& ModelDisk::own(Node node) {
    if (const auto shared = shared_.find(node); shared != shared_.end()) {
        data_[node] = shared->second->bytes;
        shared_.erase(shared);
    }
    return data_[node];
}

Answer ModelDisk::reading() {
    return begin(Effect::reads);
}

Answer ModelDisk::create(const std::string& path, Node& node) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node folder = 0;
    std::string name;
    if (const Answer where = locate(path, folder, name); where != Answer::done) return where;
    if (live_.folders[folder].contains(name)) return Answer::exists;
    node = next_++;
    live_.folders[folder][name] = node;
    live_.files[node];
    data_[node];
    paths_[node] = path;
    note({.kind = Operation::Kind::create,
          .node = node,
          .folder = folder,
          .name = name,
          .path = path});
    return Answer::done;
}

Answer ModelDisk::write(Node node, std::uint64_t offset, std::span<const std::byte> bytes) {
    const Answer may = begin(Effect::writes);
    if (off_) return may;
    // What fails may have come half way.
    if (may != Answer::done) bytes = bytes.first(bytes.size() / 2);
    Bytes& data = own(node);
    const auto at = static_cast<std::size_t>(offset);
    if (!bytes.empty()) {
        if (data.size() < at + bytes.size()) data.resize(at + bytes.size());
        std::copy(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(at));
        note({.kind = Operation::Kind::write,
              .node = node,
              .offset = offset,
              .bytes = Bytes(bytes.begin(), bytes.end()),
              .path = paths_[node]});
    }
    return may;
}

Answer ModelDisk::truncate(Node node, std::uint64_t size) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    own(node).resize(static_cast<std::size_t>(size));
    note({.kind = Operation::Kind::truncate, .node = node, .offset = size, .path = paths_[node]});
    return Answer::done;
}

Answer ModelDisk::sync(Node node) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    if (swallow && swallow(paths_[node])) return Answer::done;
    note({.kind = Operation::Kind::sync, .node = node, .path = paths_[node]});
    return Answer::done;
}

Answer ModelDisk::rename(const std::string& from, const std::string& to) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node folder = 0, node = 0;
    std::string name;
    if (const Answer where = locate(from, folder, name); where != Answer::done) return where;
    if (const Answer there = find(from, node); there != Answer::done) return there;
    if (parent_of(from) != parent_of(to)) return Answer::io;
    std::string target = to.substr(to.find_last_of('/') + 1);
    auto& entries = live_.folders[folder];
    entries.erase(name);
    entries[target] = node;
    paths_[node] = to;
    note({.kind = Operation::Kind::rename,
          .node = node,
          .folder = folder,
          .name = name,
          .to = std::move(target),
          .path = from});
    return Answer::done;
}

Answer ModelDisk::unlink(const std::string& path) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node folder = 0, node = 0;
    std::string name;
    if (const Answer where = locate(path, folder, name); where != Answer::done) return where;
    if (const Answer there = find(path, node); there != Answer::done) return there;
    if (is_folder(node)) return Answer::io;
    live_.folders[folder].erase(name);
    note({.kind = Operation::Kind::unlink,
          .node = node,
          .folder = folder,
          .name = name,
          .path = path});
    return Answer::done;
}

Answer ModelDisk::make_folder(const std::string& path) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node folder = 0, node = 0;
    std::string name;
    if (find(path, node) == Answer::done) return is_folder(node) ? Answer::done : Answer::exists;
    if (const Answer where = locate(path, folder, name); where != Answer::done) return where;
    node = next_++;
    live_.folders[node];
    live_.folders[folder][name] = node;
    paths_[node] = path;
    note({.kind = Operation::Kind::make_folder,
          .node = node,
          .folder = folder,
          .name = name,
          .path = path});
    return Answer::done;
}

Answer ModelDisk::remove_folder(const std::string& path) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node folder = 0, node = 0;
    std::string name;
    if (const Answer where = locate(path, folder, name); where != Answer::done) return where;
    if (const Answer there = find(path, node); there != Answer::done) return there;
    if (!is_folder(node)) return Answer::io;
    if (!live_.folders[node].empty()) return Answer::not_empty;
    live_.folders[folder].erase(name);
    note({.kind = Operation::Kind::remove_folder,
          .node = node,
          .folder = folder,
          .name = name,
          .path = path});
    return Answer::done;
}

Answer ModelDisk::sync_folder(const std::string& path) {
    if (const Answer may = begin(Effect::writes); may != Answer::done) return may;
    Node node = 0;
    if (const Answer there = find(path, node); there != Answer::done) return there;
    if (swallow && swallow(path + '/')) return Answer::done;
    note({.kind = Operation::Kind::sync_folder, .node = node, .path = path});
    return Answer::done;
}

DiskImage ModelDisk::seen() const {
    Tree tree = live_;
    for (auto& [node, content] : tree.files) {
        const auto shared = shared_.find(node);
        content = shared != shared_.end() ? shared->second
                                          : std::make_shared<const Content>(Bytes(data_.at(node)));
    }
    return tree.image();
}

}  // namespace backplane::crash
