// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/inspect/inspect.hpp"

#include <elf.h>

#include <algorithm>

#include "architectures.hpp"
#include "elf_file.hpp"
#include "json_text.hpp"
#include "note_reader.hpp"
#include "text.hpp"

namespace backplane::sdk {
namespace {

constexpr std::string_view k_owner = "Backplane";
constexpr std::uint32_t k_note_type = 0x42500001;
constexpr std::string_view k_entry = "bp_plugin_entry";
constexpr std::string_view k_version_node = "BP_PLUGIN_1";
constexpr std::int64_t k_schema = 1;
constexpr std::size_t k_max_findings = 40;

std::string how_to_build() {
    return "build it with backplane_add_plugin() of the SDK";
}

/// "libusb-1.0" of "libusb-1.0.so.0"; the whole name if it does not look like that of a library.
std::string_view stem(std::string_view library) {
    for (auto at = library.find(".so"); at != std::string_view::npos;
         at = library.find(".so", at + 1)) {
        const auto rest = library.substr(at + 3);
        if (rest.empty() || rest.front() == '.') return library.substr(0, at);
    }
    return library;
}

bool is_sanitizer(std::string_view name) {
    constexpr std::string_view k_names[] = {"libasan", "libubsan", "libtsan", "liblsan",
                                            "libhwasan"};
    return std::find(std::begin(k_names), std::end(k_names), name) != std::end(k_names) ||
           name.substr(0, 13) == "libclang_rt.a" || name.substr(0, 13) == "libclang_rt.u" ||
           name.substr(0, 13) == "libclang_rt.t";
}

class Inspector {
public:
    Inspector(std::span<const std::byte> file, const HostFacts& host) : file_(file), host_(host) {}

    Inspection run() {
        if (file_.size() > k_max_plugin_size) {
            find("file.too_large",
                 "the file has " + std::to_string(file_.size() >> 20) +
                     " MiB, and a plug-in may have 32: strip it, and leave data files out of it");
            return std::move(result_);
        }
        ElfFile::Refusal refusal;
        const bool complete = ElfFile::read(file_, elf_, refusal);
        if (!complete && refusal.kind == ElfFile::Refusal::Kind::not_elf) {
            find("elf.not_elf", "the file " + refusal.text +
                                    ", so it is no plug-in: check what was downloaded or copied");
            return std::move(result_);
        }
        if (!complete && refusal.kind == ElfFile::Refusal::Kind::byte_order) {
            find("elf.machine", "the file " + refusal.text + ", and this box is " + host_.arch +
                                    ": install the build for " + host_.arch);
            return std::move(result_);
        }
        // The note first: from here on the plug-in can be called by its name.
        if (complete || !elf_.notes.empty()) check_note();
        if (!complete) {
            find("elf.malformed", subject() + " is damaged, its file " + refusal.text +
                                      ": download or build it again");
            return std::move(result_);
        }
        if (!check_machine()) return std::move(result_);
        check_type();
        check_abi();
        check_libraries();
        check_versions();
        check_hardening();
        check_exports();
        return std::move(result_);
    }

private:
    void find(std::string code, std::string text) {
        if (result_.findings.size() < k_max_findings)
            result_.findings.push_back({std::move(code), std::move(text)});
    }

    /// How a sentence begins: by id and version once they are known.
    std::string subject() const {
        if (result_.note) return "plug-in " + result_.note->id + " " + result_.note->version;
        return "this plug-in";
    }

    void check_note() {
        std::vector<std::span<const std::byte>> ours;
        for (const auto& note : elf_.notes) {
            if (note.owner == k_owner && note.type == k_note_type) ours.push_back(note.descriptor);
        }
        if (ours.empty()) {
            find("note.missing",
                 "the file has no note of the owner \"Backplane\", so nobody knows what it serves: "
                 "if it is "
                 "meant to be a plug-in, " +
                     how_to_build());
            return;
        }
        if (ours.size() > 1) {
            find("note.repeated", "the file has " + std::to_string(ours.size()) +
                                      " notes of the owner \"Backplane\", and which one holds is "
                                      "anybody's guess: link one "
                                      "manifest into one plug-in");
            return;
        }
        const auto bytes = ours.front();
        if (bytes.size() > k_max_note_size) {
            find("note.too_large", "the note has " + std::to_string(bytes.size()) +
                                       " bytes, and 16384 are allowed: shorten plugin.json");
            return;
        }
        std::string problem;
        auto json =
            parse_object({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, problem);
        if (!json) {
            find("note.not_json", "the note is not valid JSON: " + problem + "; " + how_to_build());
            return;
        }
        result_.raw_note = std::move(*json);
        read_members();
    }

    void read_members() {
        const auto* schema = result_.raw_note.if_contains("schema");
        if (schema == nullptr || !schema->is_int64() || schema->get_int64() < 1) {
            find("note.schema",
                 "the note does not say by which schema it is to be read (\"schema\": 1): " +
                     how_to_build());
            return;
        }
        if (schema->get_int64() > k_schema) {
            find("note.schema", "the note follows schema " + std::to_string(schema->get_int64()) +
                                    ", and this box reads schema 1: update the box, or install an "
                                    "older version of the "
                                    "plug-in");
            return;
        }
        Problems problems;
        auto note = read_note(result_.raw_note, problems);
        for (const auto& text : problems.texts()) {
            find("note.member",
                 "in the note, " + text + ": correct plugin.json and build the plug-in again");
        }
        if (problems.empty()) result_.note = std::move(note);
    }

    /// False: it is for another machine, and everything else would only confuse.
    bool check_machine() {
        const auto* built_for = find_architecture(elf_.machine, elf_.bits);
        const std::string built =
            built_for != nullptr
                ? std::string(built_for->name)
                : std::to_string(elf_.bits) + "-bit machine number " + std::to_string(elf_.machine);
        if (result_.note && result_.note->arch != built) {
            find("note.arch", subject() + " says in its note that it was built for " +
                                  result_.note->arch + ", but its code is for " + built + ": " +
                                  how_to_build() + " for one machine at a time");
        }
        if (built != host_.arch) {
            find("elf.machine", subject() + " was built for " + built + ", and this box is " +
                                    host_.arch + ": install the build for " + host_.arch);
            return false;
        }
        return true;
    }

    void check_type() {
        if (elf_.type != ET_DYN || elf_.is_program || !elf_.has_dynamic) {
            const char* what = elf_.type == ET_REL    ? "an object file"
                               : elf_.type == ET_EXEC ? "a program"
                               : elf_.type == ET_CORE ? "a core dump"
                               : elf_.is_program      ? "a program"
                                                      : "no shared library";
            find("elf.not_a_library", subject() + " is " + what +
                                          ", but a plug-in is a shared library: " + how_to_build());
        }
    }

    void check_abi() {
        if (!result_.note) return;
        const auto& note = *result_.note;
        const auto theirs = std::to_string(note.abi_major) + "." + std::to_string(note.abi_minor);
        const auto ours = std::to_string(host_.abi_major) + "." + std::to_string(host_.abi_minor);
        if (note.abi_major != host_.abi_major) {
            find("abi.major",
                 subject() + " was built for the plug-in ABI " + theirs + ", this box has " + ours +
                     (note.abi_major > host_.abi_major
                          ? ": update the box, or install an older version of the plug-in"
                          : ": install a newer version of the plug-in"));
        } else if (note.abi_minor > host_.abi_minor) {
            find("abi.minor", subject() + " needs the plug-in ABI " + theirs + ", this box has " +
                                  ours +
                                  ": update the box, or install an older version of the plug-in");
        }
        if (host_.extensions.empty()) return;
        for (const auto& id : note.required_extensions) {
            if (std::find(host_.extensions.begin(), host_.extensions.end(), id) !=
                host_.extensions.end())
                continue;
            find("abi.extension", subject() + " needs the extension " + quoted(id) +
                                      ", which this box does not have: update the box, or install "
                                      "an older version of the "
                                      "plug-in");
        }
    }

    bool is_allowed(std::string_view library) const {
        if (library.find('/') != std::string_view::npos) return false;
        const auto name = stem(library);
        if (name.substr(0, 8) == "ld-linux") return true;
        if (is_sanitizer(name)) return host_.sanitizers;
        return std::find(host_.libraries.begin(), host_.libraries.end(), name) !=
               host_.libraries.end();
    }

    void check_libraries() {
        for (const auto library : elf_.needed) {
            result_.needed_libraries.emplace_back(library.substr(0, 256));
            if (is_allowed(library)) continue;
            if (is_sanitizer(stem(library))) {
                find("link.library", subject() + " was built with a sanitizer (" + quoted(library) +
                                         "), this box without: install its release build");
            } else {
                find("link.library", subject() + " needs the library " + quoted(library) +
                                         ", which plug-ins may not rely on: link it statically");
            }
        }
        for (const auto library : elf_.hooks) {
            find("link.library",
                 subject() + " pulls in " + quoted(library) +
                     " as a filter or an auditor, which plug-ins may not do: " + how_to_build());
        }
        for (const auto path : elf_.search_paths) {
            find(
                "link.search_path",
                subject() + " has the search path " + quoted(path) +
                    " (RPATH or RUNPATH), which could load foreign libraries: link without -rpath");
        }
    }

    void check_versions() {
        std::map<std::string, std::string_view, std::less<>> libraries;
        for (const auto& need : elf_.version_needs) {
            const auto line = need.version.find('_');
            if (line == std::string_view::npos) continue;
            const auto family = need.version.substr(0, line);
            // Families of other libraries (LIBUDEV_183, …) are the dynamic linker's business.
            if (family != "GLIBC" && family != "GLIBCXX" && family != "CXXABI" && family != "GCC")
                continue;
            if (need.version == "GLIBC_PRIVATE") {
                find("link.symbol_version",
                     subject() +
                         " uses internals of the C library (GLIBC_PRIVATE), which fit one "
                         "release of it only: use its public functions");
                continue;
            }
            auto version = LibraryVersion::parse(need.version.substr(line + 1));
            // The linker's mark for compact relocations, understood from 2.36 on.
            if (need.version == "GLIBC_ABI_DT_RELR") version = LibraryVersion{2, 36, 0};
            if (!version) {
                if (family == "GLIBC" || family == "GCC") {
                    find("link.symbol_version", subject() + " needs " + quoted(need.version) +
                                                    ", which this box does not know: install the "
                                                    "build for an older system");
                }
                continue;  // CXXABI_TM_1, CXXABI_FLOAT128 and the like: no order among them
            }
            auto& highest = result_.needed_versions[std::string(family)];
            highest = std::max(highest, *version);
            libraries[std::string(family)] = need.library;
        }
        for (const auto& [family, needed] : result_.needed_versions) {
            const auto have = host_.versions.find(family);
            if (have == host_.versions.end() || needed <= have->second) continue;
            find("link.symbol_version", subject() + " needs " + family + "_" + needed.text() +
                                            " of " + quoted(libraries[family]) +
                                            ", this system has " + have->second.text() +
                                            ": install the build for this release of the system");
        }
    }

    void check_hardening() {
        if (elf_.has_text_relocations) {
            find("link.text_relocations",
                 subject() +
                     " has relocations in its code (TEXTREL), so its code would have to be "
                     "writable: compile all of it with -fPIC");
        }
        if (elf_.is_never_unloaded) {
            find(
                "link.nodelete",
                subject() +
                    " is marked never to be unloaded (NODELETE), so it could not be replaced while "
                    "the box runs: link without -z nodelete");
        }
        if (!elf_.stack_is_declared || elf_.stack_is_executable) {
            find("link.executable_stack",
                 subject() +
                     " wants an executable stack: link with -z noexecstack, and look for "
                     "assembler files without a .note.GNU-stack section");
        }
        if (elf_.has_writable_code) {
            find("link.writable_code",
                 subject() +
                     " has memory that is writable and executable at once: " + how_to_build());
        }
        if (!elf_.has_relro) {
            find("link.relro",
                 subject() + " leaves its relocation tables writable: link with -z relro");
        }
        if (!elf_.binds_now) {
            find("link.bind_now", subject() +
                                      " binds its symbols lazily, so a missing one would end the "
                                      "process in the middle "
                                      "of its work: link with -z now");
        }
    }

    void check_exports() {
        const ElfExport* entry = nullptr;
        std::string others;
        std::size_t count = 0;
        for (const auto& symbol : elf_.exports) {
            if (symbol.name == k_entry) {
                entry = &symbol;
            } else if (!(symbol.name == k_version_node && symbol.absolute)) {
                if (++count <= 3) others += (others.empty() ? "" : ", ") + quoted(symbol.name);
            }
        }
        if (entry == nullptr || !entry->object) {
            find(
                "link.no_entry",
                subject() +
                    " does not export the data symbol bp_plugin_entry: write BACKPLANE_DRIVER() or "
                    "BACKPLANE_INTERFACE() in one source file, and " +
                    how_to_build());
        } else if (entry->version != k_version_node) {
            find("link.no_entry",
                 subject() + " exports bp_plugin_entry " +
                     (entry->version.empty() ? "without a version"
                                             : "in the version " + quoted(entry->version)) +
                     ", but it must be in BP_PLUGIN_1: " + how_to_build());
        }
        if (count != 0) {
            find(
                "link.exports",
                subject() + " exports " + std::to_string(count) +
                    " symbols beside bp_plugin_entry (" + others + (count > 3 ? ", …" : "") +
                    "), which could get mixed up with those of other libraries: " + how_to_build());
        }
    }

    std::span<const std::byte> file_;
    const HostFacts& host_;
    ElfFile elf_;
    Inspection result_;
};

}  // namespace

bool Inspection::has(std::string_view code) const noexcept {
    return std::any_of(findings.begin(), findings.end(),
                       [&](const Finding& finding) { return finding.code == code; });
}

std::string Inspection::text() const {
    std::string out;
    for (const auto& finding : findings) out += (out.empty() ? "" : "; ") + finding.text;
    return out;
}

Inspection inspect(std::span<const std::byte> file, const HostFacts& host) {
    return Inspector(file, host).run();
}

}  // namespace backplane::sdk
