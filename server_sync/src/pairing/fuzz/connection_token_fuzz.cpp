// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: what somebody pastes into the box as a connection token. What is understood can go into a header and a
// request, and means the same when it is written in the older form; what is not is refused in words, without quoting it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pairing/connection_token.hpp"
#include "server/server_url.hpp"

using namespace backplane::sync;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool is_plain(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto account = parse_connection_token(text);
    if (!account) {
        require(account.error().code.starts_with("token.") && account.error().text.size() > 20);
        require(is_plain(account.error().text));
        return 0;
    }
    require(account->paired() && !account->token.empty());
    for (const auto* value : {&account->url, &account->token, &account->db_uuid,
                              &account->enterprise_code, &account->db_name})
        require(is_plain(*value) && value->size() <= 2048);
    const auto url = parse_server_url(account->url);
    require(url.has_value() && url->origin() == account->url && url->path == "/");

    const auto plain = [](const std::string& value) {
        return value.find_first_of("|? ") == std::string::npos &&
               value.find("\xC2\xA0") == std::string::npos &&
               value.find("\xE2\x80\x8B") == std::string::npos &&
               value.find("\xEF\xBB\xBF") == std::string::npos;
    };
    if (plain(account->token) && plain(account->db_uuid) && plain(account->enterprise_code)) {
        const auto again =
            parse_connection_token(account->url + '|' + account->token + '|' + account->db_uuid +
                                   '|' + account->enterprise_code);
        require(again.has_value() && again->url == account->url && again->token == account->token &&
                again->db_uuid == account->db_uuid &&
                again->enterprise_code == account->enterprise_code);
    }
    return 0;
}
