// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the running process offers to a plug-in. Versions are read from the libraries that are
// loaded, in memory: the files may have been replaced by an upgrade, and a locked-down process
// cannot open them.
#include <gnu/libc-version.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "architectures.hpp"
#include "backplane/abi/abi.h"
#include "backplane/inspect/inspect.hpp"

namespace backplane::sdk {
namespace {

/// The readable part of a loaded library in which `address` lies, from there to its end; empty if
/// there is none.
std::span<const std::byte> loaded_from(const dl_phdr_info& library, ElfW(Addr) address) {
    for (std::size_t i = 0; i < library.dlpi_phnum; ++i) {
        const auto& segment = library.dlpi_phdr[i];
        const auto begin = library.dlpi_addr + segment.p_vaddr;
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_R) == 0) continue;
        if (address < begin || address - begin >= segment.p_filesz) continue;
        return {reinterpret_cast<const std::byte*>(address), segment.p_filesz - (address - begin)};
    }
    return {};
}

template <typename T>
std::optional<T> at(std::span<const std::byte> bytes, std::size_t offset) {
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

std::string_view text_at(std::span<const std::byte> bytes, std::size_t offset) {
    if (offset >= bytes.size()) return {};
    const auto* text = reinterpret_cast<const char*>(bytes.data()) + offset;
    return {text, strnlen(text, bytes.size() - offset)};
}

/// The names of the versions that a loaded library defines: "GLIBCXX_3.4.30", "CXXABI_1.3.13", …
std::vector<std::string> version_definitions(const dl_phdr_info& library) {
    std::span<const std::byte> dynamic;
    for (std::size_t i = 0; i < library.dlpi_phnum; ++i) {
        if (library.dlpi_phdr[i].p_type == PT_DYNAMIC) {
            dynamic = loaded_from(library, library.dlpi_addr + library.dlpi_phdr[i].p_vaddr);
        }
    }
    ElfW(Addr) names = 0;
    ElfW(Addr) definitions = 0;
    std::size_t count = 0;
    for (std::size_t i = 0;; ++i) {
        const auto entry = at<ElfW(Dyn)>(dynamic, i * sizeof(ElfW(Dyn)));
        if (!entry || entry->d_tag == DT_NULL) break;
        if (entry->d_tag == DT_STRTAB) names = entry->d_un.d_ptr;
        if (entry->d_tag == DT_VERDEF) definitions = entry->d_un.d_ptr;
        if (entry->d_tag == DT_VERDEFNUM) count = entry->d_un.d_val;
    }
    // The dynamic linker has turned some of these into addresses of memory and left others as they
    // are in the file.
    const auto in_memory = [&](ElfW(Addr) address) {
        return address < library.dlpi_addr ? address + library.dlpi_addr : address;
    };
    const auto name_bytes = loaded_from(library, in_memory(names));
    const auto definition_bytes = loaded_from(library, in_memory(definitions));

    std::vector<std::string> out;
    std::size_t offset = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto definition = at<ElfW(Verdef)>(definition_bytes, offset);
        if (!definition) break;
        const auto name = at<ElfW(Verdaux)>(definition_bytes, offset + definition->vd_aux);
        if (name) out.emplace_back(text_at(name_bytes, name->vda_name));
        if (definition->vd_next == 0) break;
        offset += definition->vd_next;
    }
    return out;
}

bool is_sanitizer(std::string_view file_name) {
    constexpr std::array<std::string_view, 6> k_names = {"libasan.", "libubsan.",  "libtsan.",
                                                         "liblsan.", "libhwasan.", "libclang_rt."};
    return std::any_of(k_names.begin(), k_names.end(), [&](std::string_view name) {
        return file_name.substr(0, name.size()) == name;
    });
}

int look_at_library(dl_phdr_info* library, std::size_t, void* user) noexcept {
    auto& facts = *static_cast<HostFacts*>(user);
    try {
        std::string_view name = library->dlpi_name != nullptr ? library->dlpi_name : "";
        if (const auto slash = name.rfind('/'); slash != std::string_view::npos)
            name.remove_prefix(slash + 1);
        if (is_sanitizer(name)) facts.sanitizers = true;
        const bool cxx = name.substr(0, 13) == "libstdc++.so.";
        const bool gcc = name.substr(0, 12) == "libgcc_s.so.";
        if (!cxx && !gcc) return 0;
        for (const auto& version : version_definitions(*library)) {
            const auto line = version.find('_');
            const auto number = LibraryVersion::parse(std::string_view(version).substr(line + 1));
            if (line == std::string::npos || !number) continue;
            auto& highest = facts.versions[version.substr(0, line)];
            highest = std::max(highest, *number);
        }
    } catch (...) {
        // Out of memory: what is missing is not compared, and the dynamic linker has the last word
        // anyway.
        return 0;
    }
    return 0;
}

}  // namespace

std::string LibraryVersion::text() const {
    auto out = std::to_string(major) + "." + std::to_string(minor);
    if (patch != 0) out += "." + std::to_string(patch);
    return out;
}

std::optional<LibraryVersion> LibraryVersion::parse(std::string_view text) {
    std::array<unsigned, 3> parts{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto* end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, parts[i]);
        if (error != std::errc{} || parts[i] > 1'000'000) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
        if (text.empty()) return LibraryVersion{parts[0], parts[1], parts[2]};
        if (text.front() != '.') return std::nullopt;
        text.remove_prefix(1);
    }
    return std::nullopt;
}

std::vector<std::string> HostFacts::default_libraries() {
    return {"libc",     "libm",         "libpthread", "libdl",    "librt",        "libstdc++",
            "libgcc_s", "libudev",      "libusb-1.0", "libcups",  "libsdbus-c++", "libsystemd",
            "libevdev", "libxkbcommon", "libjpeg",    "libpng16", "libqrencode"};
}

HostFacts HostFacts::of_this_machine() {
    HostFacts facts;
    facts.arch = k_this_architecture;
    facts.abi_major = BP_ABI_MAJOR;
    facts.abi_minor = BP_ABI_MINOR;
    facts.extensions = {BP_EXT_ACTIONS,  BP_EXT_BUS,       BP_EXT_DEVICE, BP_EXT_EVENTS,
                        BP_EXT_FD,       BP_EXT_INTERRUPT, BP_EXT_LOG,    BP_EXT_PROBE,
                        BP_EXT_SETTINGS, BP_EXT_STATE,     BP_EXT_TIMER,  BP_EXT_WORKER};
    facts.libraries = default_libraries();
    if (const auto glibc = LibraryVersion::parse(gnu_get_libc_version()))
        facts.versions["GLIBC"] = *glibc;
    dl_iterate_phdr(&look_at_library, &facts);
    return facts;
}

}  // namespace backplane::sdk
