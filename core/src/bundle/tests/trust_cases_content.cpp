// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Builds against what the manifest promises.
#include "trust_cases.hpp"

namespace backplane::core::bundle::testing {
namespace {

const Case k_cases[] = {
    {"a_build_was_cut",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { f.at(path).pop_back(); });
     },
     "rejected E_LEN"},
    {"a_build_is_one_byte_longer",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { f.at(path).push_back({}); });
     },
     "rejected E_LEN"},
    {"a_byte_of_a_build_was_changed",
     [](Publisher& p) {
         p.spoil.push_back([path = file(p).path](Files& f) { change_byte(f, path); });
     },
     "rejected E_HASH"},
    {"two_builds_were_swapped",
     [](Publisher& p) {
         p.add_plugin({.name = "acme_other"});
         const auto& plugins = p.release.manifest.plugins;
         p.spoil.push_back([a = plugins[0].files.begin()->second.path,
                            b = plugins[1].files.begin()->second.path](Files& f) {
             std::swap(f.at(a), f.at(b));
         });
     },
     "rejected E_HASH"},
    {"a_build_is_missing",
     [](Publisher& p) { p.spoil.push_back([path = file(p).path](Files& f) { f.erase(path); }); },
     "rejected E_NAME"},
    {"a_build_is_there_twice", [](Publisher& p) { p.twice = {file(p).path}; }, "rejected E_DUP"},
    {"a_build_for_another_machine_is_missing",
     [](Publisher& p) {
         auto other = file(p);
         other.path = "drivers/acme_scale.riscv64-linux-gnu.so.1.1.0";
         plugin(p).files["riscv64-linux-gnu"] = other;
     },
     "accepted"},
    {"a_build_of_the_vendor_was_changed",
     [](Publisher& p) {
         const auto& built = p.vendors.front().manifest.plugins.front().files.begin()->second;
         p.spoil.push_back([path = built.path](Files& f) { change_byte(f, path); });
     },
     "accepted, left out: vendor blue E_HASH"},
    {"a_build_was_withdrawn",
     [](Publisher& p) {
         p.release.manifest.withdrawn.push_back({file(p).sha256, "it forgets to tare"});
     },
     "accepted, left out: acme_scale 1.1.0 E_WITHDRAWN"},
    {"a_withdrawn_build_need_not_be_spread",
     [](Publisher& p) {
         p.release.manifest.withdrawn.push_back({file(p).sha256, "it forgets to tare"});
         p.spoil.push_back([path = file(p).path](Files& f) { f.erase(path); });
     },
     "accepted, left out: acme_scale 1.1.0 E_WITHDRAWN"},
    {"the_note_of_a_build_has_another_version",
     [](Publisher& p) {
         auto build = plugin_build({.version = "1.0.0"});
         auto described = describe_plugin({build});
         plugin(p).files.begin()->second.length = build.size();
         plugin(p).files.begin()->second.sha256 = described->files.begin()->second.sha256;
         p.content[file(p).path] = std::move(build);
     },
     "accepted, left out: acme_scale 1.1.0 E_NOTE"},
};

}  // namespace

std::span<const Case> content_cases() {
    return k_cases;
}

}  // namespace backplane::core::bundle::testing
