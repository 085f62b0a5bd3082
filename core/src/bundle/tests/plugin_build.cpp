// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "plugin_build.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "backplane/inspect/inspect.hpp"

namespace backplane::core::bundle::testing {
namespace {

const std::string& linked_plugin() {
    static const std::string content = [] {
        std::ifstream file(BP_GOOD_PLUGIN, std::ios::binary);
        std::string bytes{std::istreambuf_iterator<char>(file), {}};
        if (bytes.empty()) throw std::runtime_error(BP_GOOD_PLUGIN " was not built");
        return bytes;
    }();
    return content;
}

const std::string& this_program() {
    static const std::string content = [] {
        std::ifstream file("/proc/self/exe", std::ios::binary);
        return std::string{std::istreambuf_iterator<char>(file), {}};
    }();
    return content;
}

/// e_machine of the architectures that tests speak of.
std::uint8_t machine_of(std::string_view arch) {
    if (arch == "x86_64-linux-gnu") return 62;
    if (arch == "aarch64-linux-gnu") return 183;
    throw std::runtime_error("plugin_build() does not know this architecture");
}

}  // namespace

std::vector<std::byte> plugin_build(const PluginWords& words) {
    static const std::string this_arch = sdk::HostFacts::of_this_machine().arch;
    const std::string arch = words.arch.empty() ? this_arch : words.arch;
    std::string note = R"({"schema":1,"kind":")" + words.kind + R"(","id":")" +
                       (words.id.empty() ? "com.example." + words.name : words.id) +
                       R"(","name":")" + words.name + R"(","title":"T","version":")" +
                       words.version + R"(","vendor":"V","license":"MIT","abi":{"major":)" +
                       std::to_string(words.abi_major) + R"(,"minor":)" +
                       std::to_string(words.abi_minor) + R"(},"sdk":"1.0.0","arch":")" + arch +
                       "\"";
    if (words.kind == "driver") {
        note += R"(,"device_types":["scale"],"match":[{"bus":")" + words.bus + R"("}])";
    }
    if (!words.permissions.empty()) note += ",\"permissions\":[" + words.permissions + "]";
    note += "}";

    std::string out = linked_plugin();
    const auto begin = out.find("{\n    \"schema\": 1");
    const auto end = out.find("}]\n}\n", begin);
    if (begin == std::string::npos || end == std::string::npos)
        throw std::runtime_error("the linked plug-in has no note that could be replaced");
    const auto room = end + 5 - begin;
    if (note.size() > room) throw std::runtime_error("the note does not fit: " + note);
    note.resize(room, ' ');
    out.replace(begin, room, note);
    if (arch != this_arch) out[18] = static_cast<char>(machine_of(arch));
    if (out.size() < words.bytes) {
        // Machine code packs like machine code: that of this very program, from a place of each plug-in's own.
        const auto& code = this_program();
        auto at = std::hash<std::string>{}(words.name) % code.size();
        while (out.size() < words.bytes) {
            out.append(code, at, words.bytes - out.size());
            at = 0;
        }
    }
    std::vector<std::byte> bytes(out.size());
    std::transform(out.begin(), out.end(), bytes.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    return bytes;
}

}  // namespace backplane::core::bundle::testing
