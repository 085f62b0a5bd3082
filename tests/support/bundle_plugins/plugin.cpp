// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The least that is a plug-in: bundles carry it in tests that load nothing.
#include <string_view>

#include "backplane/abi/abi.h"

namespace {

bp_status create(const bp_host* host, const char* id, bp_instance** out) noexcept {
    if (host == nullptr || id == nullptr || out == nullptr) return BP_E_INVALID;
    constexpr std::string_view text = "this plug-in is for tests of bundles: it does nothing";
    host->set_error(host, BP_E_UNSUPPORTED, {text.data(), text.size()});
    return BP_E_UNSUPPORTED;
}

}  // namespace

const bp_entry bp_plugin_entry = {sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0, &create};
