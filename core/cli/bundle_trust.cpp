// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_trust.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "bundle/archive.hpp"
#include "bundle_documents.hpp"
#include "bundle_files.hpp"
#include "bundle_keys.hpp"
#include "bundle_output.hpp"
#include "password.hpp"
#include "table.hpp"
#include "util/sha256.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;
namespace fs = std::filesystem;
namespace json = boost::json;
using core::failure;
using core::Result;

constexpr const char* k_root_ending = ".root.json";
constexpr const char* k_key_ending = ".pub";

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

Result<Trusted> read_root(const std::string& path, const Bytes& bytes) {
    auto root = bundle::parse_root(bytes);
    if (!root) return failure(root.error().code, path + ": " + root.error().text);
    Trusted trusted;
    trusted.path = path;
    trusted.id = root->bundle;
    trusted.root = *std::move(root);
    return trusted;
}

Result<Trusted> read_key(const std::string& path) {
    const auto key = load_public_key(path);
    if (!key) return passed_on(key);
    Trusted trusted;
    trusted.path = path;
    trusted.id = lower(key->hint_text());
    trusted.key = *key;
    return trusted;
}

std::string file_name(const Trusted& trusted) {
    return trusted.id + (trusted.root ? k_root_ending : k_key_ending);
}

void describe(const Trusted& trusted, std::span<const std::byte> bytes) {
    if (trusted.key) {
        say("Key " + name_of(*trusted.key));
        say("  fingerprint " + trusted.key->id());
        say("Whoever holds it can deliver drivers to this box that run on it.");
        return;
    }
    const bundle::Root& root = *trusted.root;
    say("Root " + std::to_string(root.version) + " of the bundle " + root.bundle + ", expires " +
        date_text(root.expires));
    say("  fingerprint " + core::sha256_hex(bytes));
    for (const auto& [id, key] : root.keys) {
        std::string roles;
        if (root.root.key_ids.contains(id)) roles += " root";
        if (root.release.key_ids.contains(id)) roles += " release";
        say("  key " + name_of(key) + (roles.empty() ? "" : " for" + roles));
    }
    say("Whoever holds " + std::to_string(root.release.threshold) +
        " of the release keys can deliver drivers to this box that run on it.");
}

Result<Trusted> read_source(const std::string& source, Bytes& content) {
    std::error_code error;
    if (!fs::exists(source, error)) {
        // The key itself, as it stands on a web page.
        const auto key = bundle::PublicKey::parse(source);
        if (!key) {
            return failure("E_KEY", "\"" + source +
                                        "\" is neither a file nor a public key: give the root or "
                                        "the .pub file of the publisher, or the line that begins "
                                        "with RW");
        }
        Trusted trusted;
        trusted.id = lower(key->hint_text());
        trusted.key = *key;
        content = bytes_of(key->file_text());
        return trusted;
    }
    auto bytes = read_file(source, bundle::k_metadata_bytes);
    if (!bytes) return passed_on(bytes);
    content = *std::move(bytes);
    const std::string text = text_of(content);
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && text[first] == '{') return read_root(source, content);
    auto key = read_key(source);
    // A file of our own making: no comment of a stranger gets into the folder.
    if (key) content = bytes_of(key->key->file_text());
    return key;
}

/// What a careless "yes" would break.
Result<void> check_replacement(const std::vector<Trusted>& known, const Trusted& added) {
    for (const Trusted& each : known) {
        if (each.id != added.id || !each.root || !added.root) continue;
        if (added.root->version < each.root->version) {
            return failure("E_ROOTVER", "this box trusts root " +
                                            std::to_string(each.root->version) + " of " + added.id +
                                            ", and the file has the older root " +
                                            std::to_string(added.root->version) +
                                            ": use the newer file, or remove the one that is "
                                            "there first");
        }
    }
    return {};
}

ExitCode not_confirmed() {
    return say_failure(
        {"trust.unconfirmed", "nothing was changed: answer y on a terminal, or give --yes"});
}

}  // namespace

Result<std::vector<Trusted>> read_trust_folder(const std::string& folder) {
    std::vector<Trusted> all;
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entries{folder, error};
    if (error == std::errc::no_such_file_or_directory) return all;
    for (; !error && entries != fs::directory_iterator{}; entries.increment(error))
        names.push_back(entries->path().filename().string());
    if (error) {
        return failure("file.io", "cannot read the trust folder " + folder + ": " +
                                      error.message() +
                                      ": run this as root, or give another one with --trust-dir");
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        const std::string path = folder + "/" + name;
        if (name.ends_with(k_root_ending)) {
            const auto bytes = read_file(path, bundle::k_metadata_bytes);
            if (!bytes) return passed_on(bytes);
            auto root = read_root(path, *bytes);
            if (!root) return passed_on(root);
            all.push_back(*std::move(root));
        } else if (name.ends_with(k_key_ending)) {
            auto key = read_key(path);
            if (!key) return passed_on(key);
            all.push_back(*std::move(key));
        }
    }
    return all;
}

ExitCode list_trust(const std::string& folder, bool json) {
    const auto all = read_trust_folder(folder);
    if (!all) return say_failure(all.error());
    if (json) {
        json::array roots, keys;
        for (const Trusted& each : *all) {
            if (each.root) {
                roots.push_back(json::object{{"bundle", each.id},
                                             {"version", each.root->version},
                                             {"expires", date_text(each.root->expires)},
                                             {"file", each.path}});
            } else {
                keys.push_back(json::object{{"hint", each.key->hint_text()},
                                            {"key_id", each.key->id()},
                                            {"public", each.key->text()},
                                            {"file", each.path}});
            }
        }
        std::cout << json::serialize(
                         json::object{{"roots", std::move(roots)}, {"keys", std::move(keys)}})
                  << '\n';
        return finish_output(ExitCode::ok);
    }
    if (all->empty()) {
        say("The owner has added nobody in " + folder +
            ": this box takes only bundles that it knows from its own image.");
        return finish_output(ExitCode::ok);
    }
    Table table{{"ID", "WHAT", "FINGERPRINT", "FILE"}};
    for (const Trusted& each : *all) {
        if (each.root) {
            const auto bytes = read_file(each.path, bundle::k_metadata_bytes);
            table.add({{each.id},
                       {"root " + std::to_string(each.root->version) + ", expires " +
                        date_text(each.root->expires)},
                       {bytes ? core::sha256_hex(*bytes) : ""},
                       {each.path}});
        } else {
            table.add({{each.id}, {"key"}, {each.key->id()}, {each.path}});
        }
    }
    std::cout << table.text(Terminal{});
    return finish_output(ExitCode::ok);
}

ExitCode add_trust(const std::string& folder, const std::string& source, bool yes) {
    const auto known = read_trust_folder(folder);
    if (!known) return say_failure(known.error());
    Bytes content;
    const auto added = read_source(source, content);
    if (!added) return say_failure(added.error());
    if (auto ok = check_replacement(*known, *added); !ok) return say_failure(ok.error());
    describe(*added, content);
    say("Compare the fingerprint with what the publisher has told you by another way.");
    if (!yes && !ask_yes("Trust it?")) return not_confirmed();
    const std::string path = folder + "/" + file_name(*added);
    if (auto written = write_file(path, content); !written) return say_failure(written.error());
    // backplaned is another user, and nothing of it is secret, whatever the umask of who types this.
    std::error_code ignored;
    fs::permissions(path, fs::perms{0644}, ignored);
    fs::permissions(folder, fs::perms{0755}, ignored);
    say("wrote " + path);
    say("It counts from the next update on: backplane update --force");
    return finish_output(ExitCode::ok);
}

ExitCode remove_trust(const std::string& folder, const std::string& id, bool yes) {
    const auto known = read_trust_folder(folder);
    if (!known) return say_failure(known.error());
    const auto found = std::find_if(known->begin(), known->end(), [&](const Trusted& each) {
        return each.id == id || each.id == lower(id) ||
               (each.key && (each.key->id() == id || each.key->text() == id));
    });
    if (found == known->end()) {
        return say_failure({"trust.unknown", "there is no \"" + id + "\" in " + folder +
                                                 ": see \"backplane trust list\""});
    }
    say("Bundles that only " + std::string{found->root ? "this root" : "this key"} +
        " vouches for are not updated any more.");
    if (!yes && !ask_yes("Remove " + found->path + "?")) return not_confirmed();
    if (auto removed = remove_file(found->path); !removed) return say_failure(removed.error());
    say("removed " + found->path);
    say("It counts from the next update on; at the next start of the box, what came from there "
        "does not run any more.");
    return finish_output(ExitCode::ok);
}

}  // namespace backplane::cli
