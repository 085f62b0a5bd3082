// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/x509_service.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <utility>

#include "browser/json_rpc.hpp"

namespace backplane::sync {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds k_patience{95};  // protocol page, 3.5
constexpr std::size_t k_answer_bytes = 256u << 10;
constexpr std::size_t k_most_detail = 400;

HttpsTrouble trouble(std::string code, std::string text, std::string_view detail = {}) {
    if (!detail.empty()) {
        text += "\n\n";
        text += detail.substr(0, k_most_detail);
    }
    return {std::move(code), std::move(text)};
}

/// An error is a text, or an object with a message, as JSON-RPC has it.
std::string error_text(const json::value& error) {
    if (const auto* text = error.if_string()) return {text->data(), text->size()};
    if (const auto* object = error.if_object()) {
        if (const auto* data = object->if_contains("data"); data != nullptr && data->is_object()) {
            if (const auto* message = data->get_object().if_contains("message");
                message != nullptr && message->is_string() && !message->get_string().empty())
                return std::string(message->get_string());
        }
        if (const auto* message = object->if_contains("message");
            message != nullptr && message->is_string())
            return std::string(message->get_string());
    }
    return "an error without a text";
}

/// What people and browsers can use as a name: "*.abc.odoo-iot.com".
bool is_subject(std::string_view text) {
    return !text.empty() && text.size() <= 253 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '*';
           });
}

std::string text_member(const json::object& object, std::string_view name) {
    const auto* const value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

}  // namespace

HttpsTrouble trouble_no_server() {
    return trouble("ERR_IOT_HTTPS_CHECK_NO_SERVER",
                   "This box gets no certificate from Odoo because it is not paired with a "
                   "database: pair it, or give it a certificate of your own in the configuration.");
}
HttpsTrouble trouble_cert_unreadable(std::string_view detail) {
    return trouble("ERR_IOT_HTTPS_CHECK_CERT_READ_EXCEPTION",
                   "The certificate that Odoo gave to this box cannot be read any more; a new one "
                   "is asked for. If this does not go away, look at the disk.",
                   detail);
}
HttpsTrouble trouble_no_credential() {
    return trouble("ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL",
                   "Odoo gives no certificate without a contract: the database is not registered "
                   "(its identifier or the contract number is missing). Register the database in "
                   "Odoo, pair the box again, or enter both on the box's page.");
}
HttpsTrouble trouble_request(std::string_view detail) {
    return trouble("ERR_IOT_HTTPS_LOAD_REQUEST_EXCEPTION",
                   "Odoo's certificate service could not be asked. It is tried again; see that a "
                   "firewall lets this box reach it, that its DNS works and that its clock is "
                   "right.",
                   detail);
}
HttpsTrouble trouble_status(int status) {
    const std::string number = std::to_string(status);
    return trouble("ERR_IOT_HTTPS_LOAD_REQUEST_STATUS " + number,
                   status >= 500
                       ? "Odoo's certificate service has a problem of its own (status " + number +
                             "). It is asked again; nothing needs to be done here."
                       : "Odoo's certificate service refused the request (status " + number +
                             "). See that no proxy or firewall answers in its place.");
}
HttpsTrouble trouble_no_result(std::string_view detail) {
    return trouble("ERR_IOT_HTTPS_LOAD_REQUEST_NO_RESULT",
                   "Odoo's certificate service answered without a certificate. Usually the "
                   "subscription of the database has ended or does not include it, or this is a "
                   "copy of the database: see that the contract number is right.",
                   detail);
}

bool is_private_enough(std::string_view url) {
    if (url.starts_with("https://")) return true;
    if (!url.starts_with("http://")) return false;
    const std::string_view rest = url.substr(7);
    const std::string_view host = rest.starts_with('[')
                                      ? rest.substr(0, rest.find(']') + 1)
                                      : rest.substr(0, rest.find_first_of(":/?#"));
    return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

ServerRequest x509_request(const std::string& service_url, const ServerAccount& account) {
    ServerRequest request;
    request.url = service_url;
    while (request.url.ends_with('/')) request.url.pop_back();
    request.url += "/odoo-enterprise/iot/x509";
    request.content_type = "application/json";
    request.headers.emplace_back("User-Agent", "OdooIoTBox/1.0");
    request.body =
        rpc_body({{"db_uuid", account.db_uuid}, {"enterprise_code", account.enterprise_code}});
    request.total = k_patience;
    request.answer_bytes = k_answer_bytes;
    request.redirects = 2;
    return request;
}

X509Outcome read_x509_answer(const core::Result<ServerAnswer>& answer) {
    if (!answer) return {trouble_request(answer.error().text), nullptr};
    if (answer->status != 200) return {trouble_status(answer->status), nullptr};
    const auto no_result = [](std::string_view why) {
        return X509Outcome{trouble_no_result(why), nullptr};
    };
    // Errors of the parser tell a place, never what stands there: it may be the key.
    const auto document = parse_json(answer->body);
    if (!document || !document->is_object()) return no_result("The answer is not a JSON object.");
    const json::object& envelope = document->get_object();
    if (const auto* error = envelope.if_contains("error"); error != nullptr && !error->is_null())
        return no_result(error_text(*error));
    const auto* const result = envelope.if_contains("result");
    if (result == nullptr || !result->is_object()) return no_result("The answer has no result.");
    const json::object& object = result->get_object();
    if (const auto* error = object.if_contains("error"); error != nullptr && !error->is_null())
        return no_result(error_text(*error));

    const std::string subject = text_member(object, "subject_cn");
    core::TlsIdentity identity{text_member(object, "x509_pem"),
                               text_member(object, "private_key_pem")};
    if (identity.certificates_pem.empty() || identity.key_pem.empty())
        return no_result("The certificate or its key is missing in the answer.");
    if (!is_subject(subject)) return no_result("The answer does not say whom it is for.");
    if (!identity.certificates_pem.ends_with('\n')) identity.certificates_pem += '\n';
    auto pair = check_pair(std::move(identity), "What Odoo's certificate service sent");
    if (!pair) return no_result(pair.error().text);
    return {{}, std::make_unique<GivenCertificate>(GivenCertificate{subject, std::move(*pair)})};
}

}  // namespace backplane::sync
