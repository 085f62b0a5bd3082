// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Odoo's service that gives a box its certificate (protocol page, 3.5), and the six codes that tell why there is none
// (8.3), each with what to do.
#pragma once

#include <string>
#include <string_view>

#include "backplane/core/result.hpp"
#include "certificate/pem_pair.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"

namespace backplane::sync {

/// The code, and a sentence with what to do; a detail stands after a blank line. Both empty: all is well.
struct HttpsTrouble {
    std::string code, text;
};

HttpsTrouble trouble_no_server();
HttpsTrouble trouble_cert_unreadable(std::string_view detail);
HttpsTrouble trouble_no_credential();
HttpsTrouble trouble_request(std::string_view detail);
HttpsTrouble trouble_status(int status);
HttpsTrouble trouble_no_result(std::string_view detail);

/// Whether a private key may be fetched from there: over https, or from this machine itself.
bool is_private_enough(std::string_view service_url);

/// "https://www.odoo.com" → the request for the certificate of this database.
ServerRequest x509_request(const std::string& service_url, const ServerAccount& account);

struct GivenCertificate {
    std::string subject;  ///< "*.abc.odoo-iot.com"
    CheckedPair pair;
};

/// The certificate, or why the answer brings none.
struct X509Outcome {
    HttpsTrouble trouble;
    std::unique_ptr<GivenCertificate> given;  ///< null with a trouble
};
X509Outcome read_x509_answer(const core::Result<ServerAnswer>& answer);

}  // namespace backplane::sync
