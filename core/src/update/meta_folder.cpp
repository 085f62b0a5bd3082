// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/meta_folder.hpp"

#include <optional>

#include "update/update_state.hpp"
#include "util/sha256.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::string_view k_documents = "drivers/";
/// What no name in a bundle contains.
constexpr char k_unfinished = '~';
/// One release has a handful of documents; a folder with more is not ours.
constexpr std::size_t k_documents_in_folder = 1024;

/// The file name on the disk of a document; nullopt: no archive that passed the verification has it.
std::optional<std::string> file_name(std::string_view document) {
    if (!bundle::is_bundle_name(document) || !document.starts_with(k_documents))
        return std::nullopt;
    return std::string{document.substr(k_documents.size())};
}

}  // namespace

StoredDocuments::StoredDocuments(std::map<std::string, bundle::Bytes> files) {
    for (auto& [name, bytes] : files) {
        names_.push_back(name);
        files_.emplace(name, std::move(bytes));
    }
}

Result<std::vector<std::byte>> StoredDocuments::read(std::string_view name,
                                                     std::size_t most) const {
    const auto found = files_.find(name);
    if (found == files_.end()) {
        return failure("E_NAME", "the stored documents of the bundle have no file \"" +
                                     to_printable(name, 200) + "\": update again");
    }
    if (found->second.size() > most) {
        return failure("E_LEN", "the stored document \"" + to_printable(name, 200) +
                                    "\" is larger than " + std::to_string(most) +
                                    " bytes: update again");
    }
    return found->second;
}

MetaFolder::MetaFolder(DurableFiles& files, std::string folder)
    : files_(files), folder_(std::move(folder)) {}

std::string MetaFolder::path_of(const Place& place) const {
    return folder_ + '/' + place.first + '/' + place.second;
}

Result<void> MetaFolder::prepare() {
    return files_.make_directory(folder_);
}

std::string MetaFolder::folder_for(std::uint64_t version,
                                   const std::map<std::string, bundle::Bytes>& documents) {
    std::string all;
    for (const auto& [name, bytes] : documents) all += name + '\n' + sha256_hex(bytes) + '\n';
    return std::to_string(version) + '-' + sha256_hex(std::as_bytes(std::span{all})).substr(0, 16);
}

Result<void> MetaFolder::write_file(const std::string& folder, const std::string& name,
                                    const bundle::Bytes& bytes) {
    const std::string path = folder + '/' + name;
    // As with blobs: only what has been synced is given its name.
    if (const auto there = files_.read(path, bytes.size()); there && *there == bytes) return {};
    const std::string unfinished = path + k_unfinished;
    if (auto removed = files_.unlink(unfinished); !removed) return removed;
    const auto write = [&]() -> Result<void> {
        auto file = files_.create(unfinished);
        if (!file) return Unexpected<Error>{file.error()};
        if (auto written = (*file)->write(bytes); !written) return written;
        return (*file)->sync();
    };
    auto written = write();
    if (written) written = files_.rename(unfinished, path);
    // A full disk is not left fuller than it was.
    if (!written) (void)files_.unlink(unfinished).has_value();
    return written;
}

Result<void> MetaFolder::write(const Place& place,
                               const std::map<std::string, bundle::Bytes>& documents) {
    const auto refuse = [&](const std::string& what) {
        return failure("E_NAME", "the bundle \"" + to_printable(place.first, 64) + "\" has " +
                                     what +
                                     ", which cannot be stored: ask its publisher for another one");
    };
    if (!bundle::is_plain_id(place.first) || !is_documents_folder(place.second))
        return refuse("no proper name");
    if (documents.size() > k_documents_in_folder) return refuse("too many documents");
    const std::string path = path_of(place);
    if (auto made = files_.make_directory(path); !made) return made;
    for (const auto& [document, bytes] : documents) {
        const auto name = file_name(document);
        if (!name) return refuse("a document named \"" + to_printable(document, 200) + "\"");
        if (auto written = write_file(path, *name, bytes); !written) return written;
    }
    // From the inside to the outside: a name is durable only after what it leads to.
    for (const std::string& folder : {path, folder_ + '/' + place.first, folder_}) {
        if (auto synced = files_.sync_directory(folder); !synced) return synced;
    }
    return {};
}

Result<StoredDocuments> MetaFolder::read(const Place& place) const {
    const std::string path = path_of(place);
    const auto names = files_.list(path);
    if (!names) return Unexpected<Error>{names.error()};
    if (names->size() > 2 * k_documents_in_folder) {
        return failure("store.io",
                       "the folder " + path + " has " + std::to_string(names->size()) +
                           " files, which are not all ours: remove it and update again");
    }
    std::map<std::string, bundle::Bytes> files;
    for (const std::string& name : *names) {
        const std::string document = std::string{k_documents} + name;
        if (!bundle::is_bundle_name(document)) continue;  // left of an interrupted write
        auto bytes = files_.read(path + '/' + name, bundle::k_metadata_bytes);
        if (!bytes) return Unexpected<Error>{bytes.error()};
        files.emplace(document, std::move(*bytes));
    }
    return StoredDocuments{std::move(files)};
}

Result<std::vector<MetaFolder::Place>> MetaFolder::list() const {
    std::vector<Place> places;
    const auto bundles = files_.list(folder_);
    if (!bundles && bundles.error().code == "store.missing") return places;
    if (!bundles) return Unexpected<Error>{bundles.error()};
    for (const std::string& bundle : *bundles) {
        if (!bundle::is_plain_id(bundle)) continue;
        const auto folders = files_.list(folder_ + '/' + bundle);
        if (!folders) return Unexpected<Error>{folders.error()};
        for (const std::string& folder : *folders) {
            if (is_documents_folder(folder)) places.emplace_back(bundle, folder);
        }
    }
    return places;
}

Result<void> MetaFolder::remove_folder(const std::string& path) {
    const auto names = files_.list(path);
    if (!names) {
        if (names.error().code == "store.missing") return {};
        return Unexpected<Error>{names.error()};
    }
    for (const std::string& name : *names) {
        if (auto removed = files_.unlink(path + '/' + name); !removed) return removed;
    }
    return files_.remove_directory(path);
}

Result<void> MetaFolder::keep_only(const std::set<Place>& places) {
    const auto found = list();
    if (!found) return Unexpected<Error>{found.error()};
    std::set<std::string> bundles, kept;
    for (const Place& place : places) kept.insert(place.first);
    for (const Place& place : *found) {
        bundles.insert(place.first);
        const std::string path = path_of(place);
        if (!places.contains(place)) {
            if (auto removed = remove_folder(path); !removed) return removed;
            continue;
        }
        const auto names = files_.list(path);
        if (!names) return Unexpected<Error>{names.error()};
        for (const std::string& name : *names) {
            if (!name.ends_with(k_unfinished)) continue;
            if (auto removed = files_.unlink(path + '/' + name); !removed) return removed;
        }
    }
    for (const std::string& bundle : bundles) {
        if (kept.contains(bundle)) continue;
        // One that is not empty has something that is not ours: it stays.
        (void)files_.remove_directory(folder_ + '/' + bundle).has_value();
    }
    return {};
}

}  // namespace backplane::core
