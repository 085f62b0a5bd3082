// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Documents of all kinds for documents_fuzz.cpp.
#include "bundle/fuzz/run_corpus.hpp"
#include "bundle/metadata.hpp"
#include "bundle/publish.hpp"

using namespace backplane::core::bundle;

namespace {

PublicKey key(std::uint8_t n) {
    PublicKey out;
    out.hint.fill(n);
    out.key.fill(n);
    return out;
}

Root root() {
    Root out;
    out.bundle = "acme";
    out.version = 3;
    out.version_floor = 2;
    out.issued = Time{std::chrono::seconds{1'790'000'000}};
    out.expires = Time{std::chrono::seconds{1'890'000'000}};
    for (std::uint8_t n = 1; n < 5; ++n) {
        out.keys.emplace(key(n).id(), key(n));
        (n < 3 ? out.root : out.release).key_ids.insert(key(n).id());
    }
    out.root.threshold = 2;
    out.delegations.push_back({"blue", out.release, "blue_", {"serial", "usb:04b8:*"}});
    return out;
}

Release release() {
    Release out;
    out.bundle = "acme";
    out.version = 5;
    out.root_version = 3;
    out.issued = Time{std::chrono::seconds{1'790'000'000}};
    out.expires = Time{std::chrono::seconds{1'890'000'000}};
    out.min_host = "0.1.0";
    ManifestPlugin plugin;
    plugin.name = "acme_scale";
    plugin.id = "com.example.scale";
    plugin.kind = "driver";
    plugin.version = "1.2.3-rc.1";
    plugin.floor = "1.0.0";
    plugin.caps = {"serial", "net:tcp/9100"};
    plugin.accepts_state = {1, 2};
    plugin.notes = {{"en", "Faster"}, {"de", "Schneller"}};
    for (const char* arch : {"x86_64-linux-gnu", "aarch64-linux-gnu"}) {
        plugin.files[arch] = {plugin_file_name("driver", plugin.name, arch, plugin.version),
                              4'711,
                              std::string(64, 'a'),
                              "2.28",
                              {"libc.so.6", "libm.so.6"}};
    }
    out.plugins.push_back(std::move(plugin));
    out.withdrawn.push_back({std::string(64, 'b'), "it burns"});
    return out;
}

}  // namespace

int main() {
    Release vendor = release();
    vendor.vendor = "blue";
    return fuzz::run_corpus(
        {'\0' + write_root(root()), '\1' + write_release(release()), '\2' + write_vendor(vendor),
         "\3"
         "1.2.3-rc.1+5"
         "1.10.0-rc.22",
         "\3usb:04b8:*usb:*8:02", "\1{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"},
        2000);
}
