// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_documents.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "bundle_files.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;

constexpr std::string_view k_start = "drivers/backplane.";

/// A document of which the name says what it is.
struct Name {
    std::string bundle;
    std::string what;  ///< "root", "release", "vendor"
};

std::optional<Name> document_name(std::string_view name) {
    if (!name.starts_with(k_start) || !name.ends_with(".json")) return std::nullopt;
    name.remove_prefix(k_start.size());
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto rest = name.substr(dot + 1);
    const auto next = rest.find('.');
    return Name{std::string{name.substr(0, dot)}, std::string{rest.substr(0, next)}};
}

core::Unexpected<core::Error> of_document(const std::string& name, const core::Error& error) {
    return core::failure(error.code, name + ": " + error.text);
}

core::Unexpected<core::Error> wrong_name(const std::string& name, const std::string& right) {
    return core::failure("E_TYPE", "the file " + name + " holds a document that must be called " +
                                       right + ": rename it, or make it again");
}

core::Result<void> read_document(const std::string& name, const Name& parts, const Bytes& bytes,
                                 BundleDocuments& documents) {
    if (parts.what == "root") {
        auto root = bundle::parse_root(bytes);
        if (!root) return of_document(name, root.error());
        if (const auto right = bundle::root_name(root->bundle, root->version); right != name)
            return wrong_name(name, right);
        documents.roots[root->version] = *std::move(root);
    } else if (parts.what == "release") {
        auto release = bundle::parse_release(bytes);
        if (!release) return of_document(name, release.error());
        if (const auto right = bundle::release_name(release->bundle); right != name)
            return wrong_name(name, right);
        documents.release = *std::move(release);
    } else if (parts.what == "vendor") {
        auto vendor = bundle::parse_vendor(bytes);
        if (!vendor) return of_document(name, vendor.error());
        if (const auto right = bundle::vendor_name(vendor->bundle, vendor->vendor); right != name)
            return wrong_name(name, right);
        const std::string id = vendor->vendor;
        documents.vendors[id] = *std::move(vendor);
    }
    return {};
}

void add_requirement(std::vector<Requirement>& all, const bundle::Files& files,
                     const BundleDocuments& documents, const std::string& document,
                     const std::string& words, const bundle::Role& role) {
    Requirement needed{document, words, role.key_ids, role.threshold, {}};
    for (const FoundSignature& found : signatures_of(files, document, keys_of(documents))) {
        if (found.problem.empty() && role.key_ids.contains(found.key_id))
            needed.have.insert(found.key_id);
    }
    all.push_back(std::move(needed));
}

/// Digits only, so that "+1" or " 1" is no number.
std::optional<unsigned> digits(std::string_view text) {
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');  // at most four digits are asked for
    }
    return text.empty() ? std::nullopt : std::optional{value};
}

}  // namespace

core::Result<std::map<std::string, BundleDocuments>> read_documents(const bundle::Files& files) {
    std::map<std::string, BundleDocuments> all;
    for (const auto& [name, bytes] : files) {
        const auto parts = document_name(name);
        if (!parts) continue;
        BundleDocuments& documents = all[parts->bundle];
        documents.bundle = parts->bundle;
        if (auto read = read_document(name, *parts, bytes, documents); !read)
            return core::Unexpected<core::Error>{read.error()};
    }
    return all;
}

std::vector<FoundSignature> signatures_of(const bundle::Files& files, const std::string& document,
                                          const std::map<std::string, bundle::PublicKey>& keys) {
    std::vector<FoundSignature> all;
    const auto content = files.find(document);
    if (content == files.end()) return all;
    const std::string start = document + ".";
    for (auto at = files.lower_bound(start); at != files.end() && at->first.starts_with(start);
         ++at) {
        if (!at->first.ends_with(".minisig")) continue;
        FoundSignature found;
        found.name = at->first;
        const auto signature = bundle::Signature::parse(text_of(at->second));
        if (!signature) {
            found.problem = signature.error().text;
            all.push_back(std::move(found));
            continue;
        }
        bundle::PublicKey by;
        by.hint = signature->hint;
        found.hint = by.hint_text();
        found.trusted_comment = signature->trusted_comment;
        found.problem = "no root of this bundle names the key " + found.hint;
        for (const auto& [id, key] : keys) {
            if (key.hint != signature->hint) continue;
            const std::string right = bundle::signature_name(document, key);
            if (right != found.name) {
                found.problem = "no box looks for it under this name: call it " + right;
                continue;
            }
            if (bundle::verify(key, *signature, content->second)) {
                found.key_id = id;
                found.problem.clear();
                break;
            }
            found.problem =
                "it does not fit: the document was changed after it was signed, sign it again";
        }
        all.push_back(std::move(found));
    }
    return all;
}

std::vector<Requirement> requirements(const bundle::Files& files,
                                      const BundleDocuments& documents) {
    std::vector<Requirement> all;
    for (const auto& [version, root] : documents.roots) {
        const std::string name = bundle::root_name(documents.bundle, version);
        if (const auto before = documents.roots.find(version - 1);
            version > 1 && before != documents.roots.end()) {
            add_requirement(all, files, documents, name,
                            "root keys of root " + std::to_string(version - 1),
                            before->second.root);
        }
        add_requirement(all, files, documents, name, "root keys of root " + std::to_string(version),
                        root.root);
    }
    const bundle::Root* root = documents.newest_root();
    if (root == nullptr) return all;
    const std::string of_root = " of root " + std::to_string(root->version);
    if (documents.release) {
        add_requirement(all, files, documents, bundle::release_name(documents.bundle),
                        "release keys" + of_root, root->release);
    }
    for (const auto& [id, vendor] : documents.vendors) {
        for (const bundle::Delegation& delegation : root->delegations) {
            if (delegation.id != id) continue;
            add_requirement(all, files, documents, bundle::vendor_name(documents.bundle, id),
                            "keys of the vendor " + id + of_root, delegation.role);
        }
    }
    return all;
}

std::map<std::string, bundle::PublicKey> keys_of(const BundleDocuments& documents) {
    std::map<std::string, bundle::PublicKey> keys;
    for (const auto& [version, root] : documents.roots)
        keys.insert(root.keys.begin(), root.keys.end());
    return keys;
}

std::string name_of(const bundle::PublicKey& key) {
    return key.text() + " (" + key.hint_text() + ")";
}

bundle::Files files_of(const bundle::Files& files, const BundleDocuments& documents) {
    bundle::Files ours;
    const std::string start = std::string{k_start} + documents.bundle + ".";
    for (auto at = files.lower_bound(start); at != files.end() && at->first.starts_with(start);
         ++at)
        ours.insert(*at);
    const auto add = [&](const bundle::Release& release) {
        for (const auto& plugin : release.plugins) {
            for (const auto& [arch, file] : plugin.files) {
                if (const auto found = files.find(file.path); found != files.end())
                    ours.insert(*found);
            }
        }
    };
    if (documents.release) add(*documents.release);
    for (const auto& [id, vendor] : documents.vendors) add(vendor);
    return ours;
}

std::string date_text(bundle::Time time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    std::string out = text.data();
    if (time == day) return out;
    std::snprintf(
        text.data(), text.size(), " %02d:%02d:%02d UTC", static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
    return out + text.data();
}

std::optional<bundle::Time> parse_date(std::string_view text) {
    const bool with_clock = text.size() == 20 && text[10] == 'T' && text[13] == ':' &&
                            text[16] == ':' && text[19] == 'Z';
    if ((text.size() != 10 && !with_clock) || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = digits(text.substr(0, 4)), month = digits(text.substr(5, 2)),
               day = digits(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                           std::chrono::month{*month}, std::chrono::day{*day}};
    if (!date.ok()) return std::nullopt;
    bundle::Time time = std::chrono::sys_days{date};
    if (!with_clock) return time;
    const auto hour = digits(text.substr(11, 2)), minute = digits(text.substr(14, 2)),
               second = digits(text.substr(17, 2));
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59)
        return std::nullopt;
    return time + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
           std::chrono::seconds{*second};
}

}  // namespace backplane::cli
