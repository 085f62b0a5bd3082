// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "library.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include <memory>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>

#include "util/utf8.hpp"

namespace backplane::core::host {
namespace {

constexpr const char* k_entry = "bp_plugin_entry";
constexpr const char* k_version_node = "BP_PLUGIN_1";
constexpr const char* k_no_entry =
    "it does not export bp_plugin_entry in the version node BP_PLUGIN_1: it is no plug-in, or was "
    "not built with backplane_add_plugin()";

Unexpected<Error> refused(const std::string& name, const std::string& why) {
    return failure("plugin.load_failed",
                   "cannot load plug-in " + name + ": " + to_printable(why, 2048));
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
    for (auto at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

/// In a library without any version nodes, dlvsym() finds every symbol in every version.
bool has_version_nodes(void* library) {
    link_map* map = nullptr;
    if (::dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return false;
    for (const auto* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_VERDEF) return true;
    }
    return false;
}

}  // namespace

std::string check_seals(int fd) {
    constexpr int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    const int seals = ::fcntl(fd, F_GET_SEALS);
    if (seals >= 0 && (seals & needed) == needed) return {};
    return "its bytes are not in a sealed memory file, so they could be others than those that "
           "were "
           "verified: this is a fault of the box, report it";
}

std::string hint_for(const std::string& text) {
    const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
    if (has("GLIBC_") || has("GLIBCXX_") || has("CXXABI_")) {
        return "it was built on a newer system: install the build for this one (Debian 12)";
    }
    if (has("undefined symbol"))
        return "it was linked without all it needs: link it with -Wl,-z,defs to see what";
    if (has("wrong ELF class") || has("invalid ELF header") || has("file too short")) {
        return "it is not a shared library for this machine: install the build for its "
               "architecture";
    }
    if (has("cannot open shared object file"))
        return "it needs a library that is not installed: install that";
    return "install another build of it";
}

std::string check_entry(const bp_entry& entry) {
    if (entry.abi_major != BP_ABI_MAJOR) {
        return "it was built for ABI " + std::to_string(entry.abi_major) + ", this box has " +
               std::to_string(BP_ABI_MAJOR) + ": install the build for this version of the box";
    }
    if (entry.abi_minor > BP_ABI_MINOR) {
        return "it needs ABI " + std::to_string(entry.abi_major) + "." +
               std::to_string(entry.abi_minor) + ", this box has " + std::to_string(BP_ABI_MAJOR) +
               "." + std::to_string(BP_ABI_MINOR) +
               ": update the box, or install an older version of the plug-in";
    }
    if (!BP_HAS_FIELD(&entry, bp_entry, create)) {
        return "its entry has " + std::to_string(entry.struct_size) + " bytes, at least " +
               std::to_string(sizeof(bp_entry)) + " are needed: build it anew with the SDK";
    }
    if (entry.create == nullptr) return "its entry has no create(): build it anew with the SDK";
    return {};
}

Result<const bp_entry*> load_plugin(int fd, const std::string& name) {
    if (const auto problem = check_seals(fd); !problem.empty()) return refused(name, problem);
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    // Never destroyed, on purpose: see the header.
    static std::unique_ptr<boost::dll::shared_library>& library =
        *new std::unique_ptr<boost::dll::shared_library>;
    try {
        library =
            std::make_unique<boost::dll::shared_library>(path, boost::dll::load_mode::rtld_now);
    } catch (const std::exception& error) {
        // Boost reports "bad file descriptor" for whatever went wrong, and puts the truth behind
        // this mark.
        std::string text = error.what();
        constexpr std::string_view mark = "dlerror system message: ";
        if (const auto at = text.find(mark); at != std::string::npos)
            text.erase(0, at + mark.size());
        if (const auto end = text.find("): Bad file descriptor"); end != std::string::npos)
            text.erase(end);
        replace_all(text, path, name);
        return refused(name, text + "; " + hint_for(text));
    }
    // The version node is a second check of the major version, before any of its memory is
    // believed.
    void* symbol = has_version_nodes(library->native())
                       ? ::dlvsym(library->native(), k_entry, k_version_node)
                       : nullptr;
    if (symbol == nullptr) {
        return refused(name, k_no_entry);
    }
    const auto* entry = static_cast<const bp_entry*>(symbol);
    if (const auto problem = check_entry(*entry); !problem.empty()) return refused(name, problem);
    return entry;
}

}  // namespace backplane::core::host
