// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What may never be read by others is taken out of texts here, and nowhere else: before a record of the log is kept,
// and before anything goes into a support bundle.
//
// Two things give a secret away: the name beside it ("token", "api-key", "pin"), and how it looks (a private key in
// PEM, a JSON web token, a URL with a password, base64 of more than 64 characters, the number of a payment card, the
// bytes of a printer). What is printed on receipts is somebody else's: it is replaced by its length.
//
// What is given up for it: a number of 13 to 19 digits that begins as payment cards do and has their check digit loses
// all but its last four digits, also when it is a barcode or a serial number. Of all numbers of 13 digits that begin
// with 4, 5 or 6 that is one in ten; longer barcodes likewise. Other EAN-13, all EAN-8 and UPC-A stay readable.
//
// Thread: any; no state. Time grows with the length of the text, whatever it holds.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace backplane::core {

enum class NameMeans {
    nothing,
    secret,    ///< "token", "access_token", "Authorization", "enterprise_code": the value is hidden
    contents,  ///< "receipt", "data", "payload": the value is replaced by its length
};
/// What the name of a field, a JSON member or a key says of its value. The last word decides: "tokens_left" is harmless.
NameMeans meaning_of(std::string_view name) noexcept;

/// The value of a field of this name as others may see it.
std::string redacted_value(std::string_view name, std::string_view value);

/// The text without what looks secret; "***" stands in its place.
std::string redacted(std::string_view text);

/// Members by their names, texts by how they look. `deepest` levels; what is below is left out.
boost::json::value redacted(const boost::json::value& value, int deepest = 32);

/// A configuration file (YAML, also a broken one): values of keys that name a secret with everything that belongs to
/// them, comments, and whatever redacted() takes out.
std::string redacted_yaml(std::string_view text);

}  // namespace backplane::core
