// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "pairing/pairing_answer.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <utility>

#include "browser/json_rpc.hpp"
#include "pairing/connection_token.hpp"

namespace backplane::sync {

namespace json = boost::json;

namespace {

constexpr std::size_t k_code_bytes = 32;  // people have to read and type it
constexpr std::size_t k_uuid_bytes = 128;
constexpr std::size_t k_secret_bytes = 512;

/// A text, or the text of a whole number; empty for everything else, for too long ones and for what cannot be shown.
std::string plain_text(const json::value* value, std::size_t most) {
    if (value == nullptr) return {};
    if (const auto* number = value->if_int64()) return std::to_string(*number);
    if (const auto* large = value->if_uint64()) return std::to_string(*large);
    const auto* text = value->if_string();
    if (text == nullptr || text->size() > most) return {};
    const bool clean = std::all_of(text->begin(), text->end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7f;
    });
    return clean ? std::string(*text) : std::string();
}

bool says_expired(const json::object& object) {
    const auto* error = object.if_contains("error");
    if (error == nullptr) return false;
    if (const auto* text = error->if_string()) return *text == "expired";
    const auto* nested = error->if_object();
    if (nested == nullptr) return false;
    const auto* message = nested->if_contains("message");
    const auto* text = message != nullptr ? message->if_string() : nullptr;
    return text != nullptr && *text == "expired";
}

PairingAnswer read_result(const json::object& result) {
    if (says_expired(result)) return CodeHasExpired{};
    if (const auto* url = result.if_contains("url"); url != nullptr && url->is_string()) {
        auto address = parse_server_address(url->get_string());
        if (!address) return OddAnswer{"answered with an address of Odoo that the box cannot use"};
        ServerAccount account;
        account.url = *std::move(address);
        account.token = plain_text(result.if_contains("token"), k_secret_bytes);
        account.db_uuid = plain_text(result.if_contains("db_uuid"), k_secret_bytes);
        account.enterprise_code = plain_text(result.if_contains("enterprise_code"), k_secret_bytes);
        account.db_name = plain_text(result.if_contains("db_name"), k_secret_bytes);
        if (account.token.empty()) return OddAnswer{"answered without the token of the database"};
        return account;
    }
    const auto* code = result.if_contains("pairing_code");
    const auto* uuid = result.if_contains("pairing_uuid");
    PairingCode found;
    found.code = plain_text(code, k_code_bytes);
    if (!found.code.empty() && !plain_text(uuid, k_uuid_bytes).empty()) {
        found.sent_code = *code;
        found.sent_uuid = *uuid;
        return found;
    }
    if (result.empty()) return NothingYet{};
    return OddAnswer{"answered with neither a code nor the address of a database"};
}

}  // namespace

PairingAnswer read_pairing_answer(const ServerAnswer& answer) {
    if (answer.status != 200)
        return OddAnswer{"answered with HTTP status " + std::to_string(answer.status)};
    const auto document = parse_json(answer.body);
    if (!document) return OddAnswer{"answered with something that is not JSON, perhaps a web page"};
    const auto* object = document->if_object();
    if (object == nullptr) return OddAnswer{"answered with JSON that is no object"};
    if (says_expired(*object)) return CodeHasExpired{};
    if (const auto* error = object->if_contains("error"); error != nullptr && !error->is_null())
        return OddAnswer{"answered that it has an error of its own"};
    const auto* result = object->if_contains("result");
    // Nothing, false and null are how servers written in Python say that there is nothing.
    if (result == nullptr || result->is_null()) return NothingYet{};
    if (const auto* yes = result->if_bool(); yes != nullptr && !*yes) return NothingYet{};
    if (const auto* found = result->if_object()) return read_result(*found);
    return OddAnswer{"answered with neither a code nor the address of a database"};
}

}  // namespace backplane::sync
