// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The two services of Odoo itself that a box asks: the pairing proxy (protocol page, 3.1) and the one that gives
// certificates (3.5).
//
// Thread: any.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doubles/certificates.hpp"

namespace backplane::tests {

/// The database that a box is paired with.
struct PairingGift {
    std::string url, token, db_uuid, enterprise_code;
};

class PairingService {
public:
    /// `gift` is asked when a code was entered.
    explicit PairingService(std::function<PairingGift()> gift) : gift_(std::move(gift)) {}

    /// The members "result" or "error" of the answer to a question with these parameters.
    boost::json::object ask(const boost::json::object& params);

    /// Those that can still be entered, oldest first.
    std::vector<std::string> codes() const;
    /// As the user does in Odoo; false: there is no such code.
    bool enter_code(std::string_view code);
    /// All codes, at once.
    void expire();
    /// What a question is answered with from now on, instead of all of this: {"result": …} or {"error": …}.
    void answer_always(std::optional<boost::json::object> answer);

private:
    struct Box {
        std::string code, serial;
        bool entered = false, expired = false;
    };
    const std::function<PairingGift()> gift_;
    mutable std::mutex mutex_;
    // guarded by mutex_
    std::map<std::string, Box> boxes_;  ///< by uuid, which count up
    int made_ = 0;
    std::optional<boost::json::object> always_;
};

class CertificateService {
public:
    boost::json::object ask(const boost::json::object& params);

    /// PEM of the authority that signs: what a browser would have to trust.
    std::string authority() const { return authority_.pem(); }
    /// Whom it gives certificates to; empty values: everybody who names anything.
    void customer(std::string db_uuid, std::string enterprise_code);
    /// Of the next ones: "*.<domain>", and how long from now.
    void domain(std::string domain);
    void lasts(std::chrono::seconds from, std::chrono::seconds until);
    /// Refuses with this text, as "error" of the answer or of its result. Empty: not any more.
    enum class Where { answer, result };
    void fail(std::string text, Where where = Where::result);
    void answer_always(std::optional<boost::json::object> answer);
    int given() const;

private:
    const CertificateAuthority authority_;
    mutable std::mutex mutex_;
    // guarded by mutex_
    std::string db_uuid_, enterprise_code_, domain_{"abc.odoo-iot.com"}, error_;
    Where where_ = Where::result;
    std::chrono::seconds from_{-3600}, until_{60 * 86400};
    std::optional<boost::json::object> always_;
    int given_ = 0;
};

}  // namespace backplane::tests
