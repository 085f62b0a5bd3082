// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/plugin_catalogue.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>
#include <tuple>

#include "util/json_members.hpp"
#include "util/memory_file.hpp"

namespace backplane::core {

namespace {

namespace fs = std::filesystem;

/// The content of a sealed memory file, mapped for reading.
class Mapping {
public:
    Mapping(int fd, std::size_t size) : size_(size) {
        if (size_ == 0) return;
        void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
        if (address != MAP_FAILED) data_ = static_cast<const std::byte*>(address);
    }
    ~Mapping() {
        if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    std::span<const std::byte> bytes() const {
        return data_ ? std::span{data_, size_} : std::span<const std::byte>{};
    }

private:
    const std::byte* data_ = nullptr;
    std::size_t size_;
};

std::tuple<int, int, int> version_number(const std::string& version) {
    int major = 0, minor = 0, patch = 0;
    std::sscanf(version.c_str(), "%9d.%9d.%9d", &major, &minor, &patch);
    return {major, minor, patch};
}

CataloguedPlugin read_plugin(const fs::path& path, const sdk::HostFacts& host) {
    CataloguedPlugin plugin;
    plugin.path = path.string();
    plugin.name = path.stem().string();
    auto bytes = sealed_memory_file_from(plugin.path, sdk::k_max_plugin_size);
    if (!bytes) {
        plugin.refusal = bytes.error().text;
        return plugin;
    }
    const Mapping mapping{
        bytes->get(),
        static_cast<std::size_t>(fs::file_size("/proc/self/fd/" + std::to_string(bytes->get())))};
    sdk::Inspection inspection = sdk::inspect(mapping.bytes(), host);
    plugin.raw_note = std::move(inspection.raw_note);
    if (const std::string name = text_member(plugin.raw_note, "name"); !name.empty())
        plugin.name = name;
    if (!inspection.ok() || !inspection.note) {
        plugin.refusal = inspection.text();
        return plugin;
    }
    auto image = std::make_shared<PluginImage>();
    image->name = inspection.note->name;
    image->id = inspection.note->id;
    image->version = inspection.note->version;
    image->kind = sdk::to_string(inspection.note->kind);
    image->path = plugin.path;
    image->bytes = std::move(*bytes);
    image->note = plugin.raw_note;
    plugin.image = std::move(image);
    plugin.note = std::move(inspection.note);
    return plugin;
}

}  // namespace

Result<std::vector<CataloguedPlugin>> read_plugin_folder(const std::string& folder,
                                                         const sdk::HostFacts& host) {
    std::error_code error;
    std::vector<fs::path> files;
    for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".so") files.push_back(it->path());
    if (error)
        return failure("plugins.folder", "cannot read the plug-in folder " + folder + ": " +
                                             error.message() +
                                             ": give another one with --plugin-dir");
    std::sort(files.begin(), files.end());

    std::vector<CataloguedPlugin> plugins;
    for (const fs::path& file : files) {
        try {
            plugins.push_back(read_plugin(file, host));
        } catch (const std::exception& problem) {
            CataloguedPlugin refused;
            refused.path = file.string();
            refused.name = file.stem().string();
            refused.refusal = "the file cannot be read: " + std::string(problem.what());
            plugins.push_back(std::move(refused));
        }
    }
    // One plug-in of each name: the highest version; the others are told which one is used.
    std::map<std::string, CataloguedPlugin*> chosen;
    for (CataloguedPlugin& plugin : plugins) {
        if (!plugin.note) continue;
        auto [place, fresh] = chosen.try_emplace(plugin.name, &plugin);
        if (fresh) continue;
        CataloguedPlugin* loser = &plugin;
        if (version_number(place->second->note->version) < version_number(plugin.note->version))
            std::swap(loser, place->second);
        loser->refusal = "version " + place->second->note->version + " of " + loser->name +
                         " is used, from " + place->second->path;
        loser->image.reset();
        loser->note.reset();
    }
    return plugins;
}

}  // namespace backplane::core
