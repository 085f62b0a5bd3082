// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What names give away.
#include <algorithm>
#include <array>

#include "util/redaction.hpp"

namespace backplane::core {
namespace {

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
bool is_letter_or_digit(char c) noexcept {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

bool ends_with(std::string_view name, std::string_view word) noexcept {
    return name.size() >= word.size() &&
           std::equal(word.begin(), word.end(),
                      name.end() - static_cast<std::ptrdiff_t>(word.size()),
                      [](char a, char b) { return a == lower(b); });
}

/// "api_key", "api-key", "apiKey" and "key" end with the word "key"; "monkey" and "APIKEY" do not.
bool ends_with_word(std::string_view name, std::string_view word) noexcept {
    if (!ends_with(name, word)) return false;
    const std::size_t begin = name.size() - word.size();
    if (begin == 0 || !is_letter_or_digit(name[begin - 1])) return true;
    return is_upper(name[begin]) && !is_upper(name[begin - 1]);
}

// No other word ends like these: "accesstoken" and "userpassword" are found, too.
constexpr std::array<std::string_view, 12> k_secret_endings{
    "token",  "password", "passwd", "passphrase", "secret",   "authorization",
    "apikey", "authkey",  "cookie", "credential", "passwort", "privatekey"};
constexpr std::array<std::string_view, 12> k_secret_words{
    "key", "pwd", "pass", "pin", "cvv", "cvc", "psk", "otp", "credentials", "secrets", "passwords"};
// "code" alone is that of an error.
constexpr std::array<std::string_view, 8> k_secret_names{
    "enterprise_code", "contract_code", "pairing_code",    "subscription_code",
    "contract",        "session_id",    "contract_number", "set-cookie"};
constexpr std::array<std::string_view, 3> k_open_keys{"public_key", "publickey", "public-key"};
constexpr std::array<std::string_view, 8> k_contents{
    "receipt", "receipts", "data", "payload", "document", "image", "last_event", "body"};

}  // namespace

NameMeans meaning_of(std::string_view name) noexcept {
    while (!name.empty() && !is_letter_or_digit(name.back())) name.remove_suffix(1);
    // Codes of errors end with whatever is missing: ERR_…_NO_CREDENTIAL.
    if (name.size() < 3 || name.starts_with("ERR_")) return NameMeans::nothing;
    const auto is_end = [&](std::string_view word) { return ends_with(name, word); };
    const auto is_word = [&](std::string_view word) { return ends_with_word(name, word); };
    // Most names of fields end with none of these letters.
    if (std::any_of(k_contents.begin(), k_contents.end(), is_word)) return NameMeans::contents;
    if (std::any_of(k_secret_endings.begin(), k_secret_endings.end(), is_end) ||
        std::any_of(k_secret_names.begin(), k_secret_names.end(), is_word))
        return NameMeans::secret;
    if (std::any_of(k_secret_words.begin(), k_secret_words.end(), is_word) &&
        std::none_of(k_open_keys.begin(), k_open_keys.end(), is_end))
        return NameMeans::secret;
    return NameMeans::nothing;
}

}  // namespace backplane::core
