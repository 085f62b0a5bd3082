// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Reads a plug-in file without running it: what it says of itself, and whether this machine may
// load it.
//
// Loading a library runs its constructors, so everything that can be known beforehand is checked on
// the bytes. They are hostile: nothing is read before its offset and size were checked, and every
// loop has a bound.
#pragma once

#include <boost/json/object.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/inspect/plugin_note.hpp"

namespace backplane::sdk {

/// Larger files are refused before anything of them is read.
inline constexpr std::size_t k_max_plugin_size = 32u << 20;
inline constexpr std::size_t k_max_note_size = 16u << 10;

/// The number of a symbol version, such as the 3.4.30 of GLIBCXX_3.4.30.
struct LibraryVersion {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    auto operator<=>(const LibraryVersion&) const = default;

    std::string text() const;
    static std::optional<LibraryVersion> parse(std::string_view text);
};

/// What a plug-in is measured against.
struct HostFacts {
    std::string arch;  ///< "x86_64-linux-gnu"
    std::uint32_t abi_major = 0;
    std::uint32_t abi_minor = 0;
    /// The highest version of each family of symbol versions: "GLIBC", "GLIBCXX", "CXXABI", "GCC".
    /// A family that is missing here is not compared: the dynamic linker decides.
    std::map<std::string, LibraryVersion, std::less<>> versions;
    std::vector<std::string> extensions;  ///< ids this host knows; empty: not compared
    std::vector<std::string>
        libraries;            ///< plug-ins may need these; names as in "libc", without ".so.6"
    bool sanitizers = false;  ///< run-time libraries of sanitizers are allowed too

    /// The machine, C library and C++ library of the running process, and the ABI this code was
    /// compiled with.
    static HostFacts of_this_machine();
    static std::vector<std::string> default_libraries();
};

/// Why a plug-in is refused. Codes are listed in docs/reference/plugin-note.md and do not change.
struct Finding {
    std::string code;  ///< "link.symbol_version"
    std::string text;  ///< what it was built for, what we have, what to do
};

struct Inspection {
    std::optional<PluginNote> note;  ///< only when it is valid as a whole
    boost::json::object raw_note;  ///< also when a member is wrong, so that the refused plug-in can
                                   ///< be listed by name
    std::vector<std::string> needed_libraries;
    std::map<std::string, LibraryVersion, std::less<>>
        needed_versions;            ///< highest of each family, as in HostFacts
    std::vector<Finding> findings;  ///< empty: may be loaded

    bool ok() const noexcept { return findings.empty(); }
    bool has(std::string_view code) const noexcept;
    /// All findings as one text, for a log line or the homepage.
    std::string text() const;
};

/// `file` is the whole file. Fails only by findings; reads nothing but `file`.
Inspection inspect(std::span<const std::byte> file, const HostFacts& host);

}  // namespace backplane::sdk
