// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Its note speaks of the ABI of this box, its code of a later one.
#include "animal.hpp"

namespace {

bp_status create(const bp_host*, const char*, bp_instance**) {
    return BP_E_UNSUPPORTED;
}

}  // namespace

extern "C" BP_EXPORT const bp_entry bp_plugin_entry{sizeof(bp_entry), BP_ABI_MAJOR,
                                                    BP_ABI_MINOR + 7, 0, &create};
