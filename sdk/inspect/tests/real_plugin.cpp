// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A plug-in as backplane_add_plugin() builds it, with what tends to leak out of one: Boost.JSON,
// templates of the C++ library, a function-local static.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <regex>
#include <string>

#include "backplane/abi/abi.h"

namespace {

bp_status create(const bp_host* host, const char* id, bp_instance** out) noexcept {
    if (host == nullptr || id == nullptr || out == nullptr) return BP_E_INVALID;
    try {
        static const std::regex known("com\\.example\\..*");
        const auto echo = boost::json::serialize(boost::json::parse("{\"refused\": true}"));
        host->set_error(host, BP_E_UNSUPPORTED, {echo.data(), echo.size()});
        return std::regex_match(id, known) ? BP_E_UNSUPPORTED : BP_E_INVALID;
    } catch (...) {
        return BP_E_INTERNAL;
    }
}

}  // namespace

const bp_entry bp_plugin_entry = {sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0, &create};
