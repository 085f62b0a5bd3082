// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the pairing service answers to a box without a database (protocol page, 3.1). A pure function over hostile bytes.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <variant>

#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

struct PairingCode {
    std::string code;  ///< as people read it
    /// As the service wrote them (texts or numbers), to be sent back like that.
    boost::json::value sent_code, sent_uuid;
};
struct NothingYet {};  ///< nobody has typed the code so far
struct CodeHasExpired {};
struct OddAnswer {
    std::string
        what;  ///< for people: "answered with HTTP status 502"; quotes nothing of the answer
};
using PairingAnswer =
    std::variant<NothingYet, PairingCode, CodeHasExpired, ServerAccount, OddAnswer>;

PairingAnswer read_pairing_answer(const ServerAnswer& answer);

}  // namespace backplane::sync
