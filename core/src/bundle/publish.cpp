// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/publish.hpp"

#include <zip.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>
#include <memory>
#include <utility>

#include "backplane/inspect/inspect.hpp"
#include "bundle/archive.hpp"
#include "bundle/verify.hpp"
#include "util/json_members.hpp"
#include "util/sha256.hpp"
#include "util/utf8.hpp"

namespace backplane::core::bundle {
namespace {

namespace json = boost::json;

// --- documents ---

/// What is signed is what people compare with diff before they sign it: one member a line.
void print(std::string& out, const json::value& value, std::size_t depth) {
    const auto line = [&](std::size_t level) {
        out += '\n';
        out.append(2 * level, ' ');
    };
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        out += '{';
        const char* separator = "";
        for (const auto& [key, member] : *object) {
            out += std::exchange(separator, ",");
            line(depth + 1);
            out += json::serialize(json::string_view{key}) + ": ";
            print(out, member, depth + 1);
        }
        line(depth);
        out += '}';
    } else if (const auto* list = value.if_array(); list != nullptr && !list->empty()) {
        out += '[';
        const char* separator = "";
        for (const json::value& element : *list) {
            out += std::exchange(separator, ",");
            line(depth + 1);
            print(out, element, depth + 1);
        }
        line(depth);
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

std::string print(const json::object& document) {
    std::string out;
    print(out, document, 0);
    return out + '\n';
}

/// "2026-11-22T10:00:00Z".
std::string utc(Time time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    return text.data();
}

template <typename Texts>
json::array list_of(const Texts& values) {
    json::array list;
    for (const auto& value : values) list.emplace_back(value);
    return list;
}

json::object object_of(const std::map<std::string, std::string>& values) {
    json::object object;
    for (const auto& [key, value] : values) object[key] = value;
    return object;
}

void add_role(json::object& object, const Role& role) {
    object["keyids"] = list_of(role.key_ids);
    object["threshold"] = role.threshold;
}

json::object plugin_object(const ManifestPlugin& plugin) {
    json::object object{{"name", plugin.name},
                        {"id", plugin.id},
                        {"kind", plugin.kind},
                        {"version", plugin.version}};
    if (!plugin.floor.empty()) object["floor"] = plugin.floor;
    object["abi"] = json::object{
        {"backplane", std::to_string(plugin.abi_major) + "." + std::to_string(plugin.abi_minor)}};
    object["caps"] = list_of(plugin.caps);
    object["state_version"] = plugin.state_version;
    object["accepts_state"] = list_of(plugin.accepts_state);
    object["health"] = json::object{{"ready_ms", plugin.health.ready.count()},
                                    {"open_ms", plugin.health.open.count()},
                                    {"probation_s", plugin.health.probation.count()},
                                    {"actions", plugin.health.actions}};
    json::object files;
    for (const auto& [arch, file] : plugin.files) {
        json::object each{{"path", file.path}, {"length", file.length}, {"sha256", file.sha256}};
        // Absent: it needs no particular C library.
        if (!file.glibc.empty()) each["glibc"] = file.glibc;
        each["needed"] = list_of(file.needed);
        files[arch] = std::move(each);
    }
    object["files"] = std::move(files);
    if (!plugin.notes.empty()) object["notes"] = object_of(plugin.notes);
    return object;
}

json::object release_object(const Release& release, const char* type) {
    json::object object{{"_type", type}, {"spec", 1}, {"bundle", release.bundle}};
    if (!release.vendor.empty()) object["vendor"] = release.vendor;
    object["version"] = release.version;
    object["issued"] = utc(release.issued);
    object["expires"] = utc(release.expires);
    object["root_version"] = release.root_version;
    if (!release.min_host.empty()) object["min_host"] = release.min_host;
    json::array plugins;
    for (const ManifestPlugin& plugin : release.plugins) plugins.push_back(plugin_object(plugin));
    object["drivers"] = std::move(plugins);
    json::array withdrawn;
    for (const Withdrawal& each : release.withdrawn)
        withdrawn.push_back(json::object{{"sha256", each.sha256}, {"reason", each.reason}});
    object["withdrawn"] = std::move(withdrawn);
    return object;
}

// --- plug-ins ---

/// A build looked at as a box of its own architecture would, whatever machine the author works on. How new its C library
/// must be is not our question here: it goes into the manifest.
sdk::Inspection inspect_build(std::span<const std::byte> bytes) {
    sdk::HostFacts host = sdk::HostFacts::of_this_machine();
    host.versions.clear();
    host.extensions.clear();
    const sdk::Inspection first = sdk::inspect(bytes, host);
    if (const std::string arch = text_member(first.raw_note, "arch"); !arch.empty())
        host.arch = arch;
    if (first.note) {
        host.abi_major = first.note->abi_major;
        host.abi_minor = first.note->abi_minor;
    }
    return sdk::inspect(bytes, host);
}

struct Build {
    ManifestPlugin plugin;
    std::string arch;
    PluginFile file;
};

Result<Build> describe_build(std::span<const std::byte> bytes) {
    const sdk::Inspection found = inspect_build(bytes);
    if (!found.ok()) {
        const bool of_note = found.findings.front().code.starts_with("note.");
        return failure(of_note ? "E_NOTE" : "E_ELF", found.text());
    }
    const sdk::PluginNote& note = *found.note;
    const std::string subject = note.name + " " + note.version;
    if (!is_plain_id(note.name)) {
        return failure("E_NAME",
                       "the plug-in " + subject +
                           " cannot go into a bundle: names there begin with a letter and have at "
                           "most 32 of a-z, 0-9, _ and -: change \"name\" in plugin.json");
    }
    Build build;
    build.arch = note.arch;
    ManifestPlugin& plugin = build.plugin;
    plugin.name = note.name;
    plugin.id = note.id;
    plugin.kind = std::string{sdk::to_string(note.kind)};
    plugin.version = note.version;
    plugin.abi_major = note.abi_major;
    plugin.abi_minor = note.abi_minor;
    plugin.state_version = note.state_version;
    plugin.accepts_state = note.accepts_state;
    plugin.caps = caps_of(note);
    plugin.state_version = note.state_version;
    plugin.accepts_state = note.accepts_state;
    for (const std::string& cap : plugin.caps) {
        if (is_known_cap(cap)) continue;
        return failure("E_TYPE",
                       "the plug-in " + subject + " asks for the permission \"" +
                           to_printable(cap, 200) +
                           "\", which no box knows: correct \"permissions\" in plugin.json");
    }

    PluginFile& file = build.file;
    file.path = plugin_file_name(plugin.kind, plugin.name, build.arch, plugin.version);
    if (!is_bundle_name(file.path)) {
        return failure("E_NAME", "the file of " + subject + " would be called " +
                                     to_printable(file.path, 200) +
                                     ", but names in a bundle have at most 96 of a-z, 0-9, '.', "
                                     "'_' and '-': use a version such as 1.2.3 or 1.2.3-rc.1");
    }
    file.length = bytes.size();
    file.sha256 = sha256_hex(bytes);
    if (const auto glibc = found.needed_versions.find("GLIBC");
        glibc != found.needed_versions.end())
        file.glibc = glibc->second.text();
    file.needed = found.needed_libraries;
    return build;
}

/// What differs between two builds of what should be one plug-in; empty: nothing.
std::string difference(const ManifestPlugin& a, const ManifestPlugin& b) {
    const auto differs = [](const char* what, const std::string& x, const std::string& y) {
        return std::string{what} + " \"" + x + "\" and \"" + y + "\"";
    };
    const auto abi = [](const ManifestPlugin& plugin) {
        return std::to_string(plugin.abi_major) + "." + std::to_string(plugin.abi_minor);
    };
    const auto caps = [](const ManifestPlugin& plugin) {
        std::string all;
        for (const std::string& cap : plugin.caps) all += (all.empty() ? "" : ", ") + cap;
        return all;
    };
    // Written, then read.
    const auto states = [](const ManifestPlugin& plugin) {
        std::string all = std::to_string(plugin.state_version);
        for (const auto version : plugin.accepts_state) all += ", " + std::to_string(version);
        return all;
    };
    if (a.name != b.name) return differs("the names", a.name, b.name);
    if (a.id != b.id) return differs("the ids", a.id, b.id);
    if (a.kind != b.kind) return differs("the kinds", a.kind, b.kind);
    if (a.version != b.version) return differs("the versions", a.version, b.version);
    if (abi(a) != abi(b)) return differs("the plug-in ABIs", abi(a), abi(b));
    if (caps(a) != caps(b)) return differs("the permissions", caps(a), caps(b));
    if (states(a) != states(b)) return differs("the state versions", states(a), states(b));
    return {};
}

// --- zip ---

struct CloseSource {
    void operator()(zip_source_t* source) const noexcept { zip_source_free(source); }
};
struct DiscardZip {
    void operator()(zip_t* zip) const noexcept { zip_discard(zip); }
};
using Source = std::unique_ptr<zip_source_t, CloseSource>;
using Zip = std::unique_ptr<zip_t, DiscardZip>;

Unexpected<Error> zip_failure(const std::string& what, const std::string& why) {
    return failure("E_ZIP", "cannot make the zip: " + what + ": " + why);
}

Result<void> add_file(zip_t* zip, const std::string& name, std::span<const std::byte> bytes) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    if (source == nullptr) return zip_failure(to_printable(name, 200), zip_strerror(zip));
    const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return zip_failure(to_printable(name, 200), zip_strerror(zip));
    }
    // 1 January 1980, the first day a zip knows: the same files are the same bytes, whenever they are packed.
    constexpr zip_uint16_t k_day = 1 << 5 | 1;
    const auto at = static_cast<zip_uint64_t>(index);
    if (zip_file_set_dostime(zip, at, 0, k_day, 0) != 0 ||
        zip_set_file_compression(zip, at, ZIP_CM_DEFLATE, 0) != 0)
        return zip_failure(to_printable(name, 200), zip_strerror(zip));
    return {};
}

Result<std::vector<std::byte>> content(zip_source_t* source) {
    zip_stat_t facts;
    if (zip_source_stat(source, &facts) != 0 || (facts.valid & ZIP_STAT_SIZE) == 0 ||
        zip_source_open(source) != 0)
        return zip_failure("reading it back", zip_error_strerror(zip_source_error(source)));
    std::vector<std::byte> bytes(facts.size);
    const zip_int64_t read = zip_source_read(source, bytes.data(), bytes.size());
    zip_source_close(source);
    if (read < 0 || static_cast<zip_uint64_t>(read) != facts.size)
        return zip_failure("reading it back", zip_error_strerror(zip_source_error(source)));
    return bytes;
}

}  // namespace

std::string write_root(const Root& root) {
    json::object object{{"_type", "root"},
                        {"spec", 1},
                        {"bundle", root.bundle},
                        {"version", root.version},
                        {"version_floor", root.version_floor},
                        {"issued", utc(root.issued)},
                        {"expires", utc(root.expires)}};
    json::object keys;
    for (const auto& [id, key] : root.keys) {
        keys[id] =
            json::object{{"type", "ed25519"}, {"scheme", "minisign"}, {"public", key.text()}};
    }
    object["keys"] = std::move(keys);
    json::object root_role, release_role;
    add_role(root_role, root.root);
    add_role(release_role, root.release);
    object["roles"] = json::object{{"root", root_role}, {"release", release_role}};
    json::array delegations;
    for (const Delegation& delegation : root.delegations) {
        json::object each{{"id", delegation.id}};
        add_role(each, delegation.role);
        each["prefix"] = delegation.prefix;
        each["caps"] = list_of(delegation.caps);
        delegations.push_back(std::move(each));
    }
    object["delegations"] = std::move(delegations);
    return print(object);
}

std::string write_release(const Release& release) {
    return print(release_object(release, "release"));
}

std::string write_vendor(const Release& vendor) {
    return print(release_object(vendor, "vendor"));
}

Result<ManifestPlugin> describe_plugin(const std::vector<std::vector<std::byte>>& builds) {
    if (builds.empty()) {
        return failure("E_NOTE",
                       "a plug-in needs at least one build, but none was given: name the .so files "
                       "of all architectures");
    }
    std::optional<ManifestPlugin> plugin;
    for (const auto& bytes : builds) {
        auto build = describe_build(bytes);
        if (!build) return Unexpected<Error>{build.error()};
        if (!plugin) plugin = build->plugin;
        if (const std::string what = difference(*plugin, build->plugin); !what.empty()) {
            return failure("E_NOTE", "the builds of " + plugin->name + " " + plugin->version +
                                         " do not agree: they have " + what +
                                         ": build all architectures from the same source");
        }
        if (!plugin->files.emplace(build->arch, build->file).second) {
            return failure("E_NOTE", "there are two builds of " + plugin->name + " " +
                                         plugin->version + " for " + build->arch +
                                         ": give one for each architecture");
        }
    }
    return *std::move(plugin);
}

void add_signature(Files& files, const std::string& document, const SecretKey& key,
                   const std::string& trusted_comment) {
    const auto found = files.find(document);
    assert(found != files.end());
    if (found == files.end()) return;
    const PublicKey signer = key.public_key();
    const std::string text = key.sign(found->second, trusted_comment)
                                 .file_text("signature from backplane key " + signer.hint_text());
    const auto bytes = std::as_bytes(std::span{text});
    files[signature_name(document, signer)] = {bytes.begin(), bytes.end()};
}

Result<std::vector<std::byte>> zip_files(const Files& files) {
    if (files.empty()) {
        // libzip makes no file at all of an empty archive; others write its end record.
        std::vector<std::byte> end(22);
        end[0] = std::byte{'P'}, end[1] = std::byte{'K'}, end[2] = std::byte{5},
        end[3] = std::byte{6};
        return end;
    }
    zip_error_t error;
    zip_error_init(&error);
    const Source target{zip_source_buffer_create(nullptr, 0, 0, &error)};
    if (!target) return zip_failure("memory", zip_error_strerror(&error));
    // One reference is the archive's, one is ours: the bytes are read after it is closed.
    zip_source_keep(target.get());
    Zip zip{zip_open_from_source(target.get(), ZIP_TRUNCATE, &error)};
    if (!zip) {
        zip_source_free(target.get());
        return zip_failure("memory", zip_error_strerror(&error));
    }
    for (const auto& [name, bytes] : files) {
        if (auto added = add_file(zip.get(), name, bytes); !added)
            return Unexpected<Error>{added.error()};
    }
    if (zip_close(zip.get()) != 0) return zip_failure("packing", zip_strerror(zip.get()));
    (void)zip.release();
    auto bytes = content(target.get());
    if (bytes && bytes->size() > k_archive_bytes) {
        return failure("E_SIZE",
                       "the zip has " + std::to_string(bytes->size() >> 20) +
                           " MiB, but a box takes at most 32: leave builds out, or split the "
                           "bundle into two modules");
    }
    return bytes;
}

}  // namespace backplane::core::bundle
