// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/pairing_service.hpp"

#include <boost/json/value.hpp>

namespace backplane::tests {

namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

/// Eight letters and digits that nobody takes for each other.
std::string code_of(int number) {
    constexpr std::string_view k_letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    std::uint64_t mixed = static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15ULL;
    std::string code;
    for (int i = 0; i < 8; ++i, mixed >>= 5) code += k_letters[(mixed >> 20) % k_letters.size()];
    return code;
}

json::object error(std::string_view text) {
    return {{"error", text}};
}

}  // namespace

json::object PairingService::ask(const json::object& params) {
    std::unique_lock lock(mutex_);
    if (always_) return *always_;
    const std::string uuid = text_of(params, "pairing_uuid");
    const std::string code = text_of(params, "pairing_code");
    if (uuid.empty() && code.empty()) {
        const int number = ++made_;
        const std::string suffix = std::to_string(100000 + number);
        const std::string made = "5b1e77ab-0000-4000-8000-000000" + suffix;
        const Box& box =
            boxes_[made] = {code_of(number), text_of(params, "serial_number"), false, false};
        return {{"result", {{"pairing_code", box.code}, {"pairing_uuid", made}}}};
    }
    const auto found = boxes_.find(uuid);
    if (found == boxes_.end() || found->second.code != code || found->second.expired)
        return error("expired");
    if (!found->second.entered)
        return {{"result", {{"pairing_code", code}, {"pairing_uuid", uuid}}}};
    lock.unlock();
    const PairingGift gift = gift_();
    return {{"result",
             {{"url", gift.url},
              {"token", gift.token},
              {"db_uuid", gift.db_uuid},
              {"enterprise_code", gift.enterprise_code}}}};
}

std::vector<std::string> PairingService::codes() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> codes;
    for (const auto& [uuid, box] : boxes_)
        if (!box.entered && !box.expired) codes.push_back(box.code);
    return codes;
}

bool PairingService::enter_code(std::string_view code) {
    const std::lock_guard lock(mutex_);
    for (auto& [uuid, box] : boxes_) {
        if (box.code != code || box.expired) continue;
        box.entered = true;
        return true;
    }
    return false;
}

void PairingService::expire() {
    const std::lock_guard lock(mutex_);
    for (auto& [uuid, box] : boxes_) box.expired = true;
}

void PairingService::answer_always(std::optional<json::object> answer) {
    const std::lock_guard lock(mutex_);
    always_ = std::move(answer);
}

json::object CertificateService::ask(const json::object& params) {
    const std::lock_guard lock(mutex_);
    if (always_) return *always_;
    if (!error_.empty()) {
        if (where_ == Where::answer) return error(error_);
        return {{"result", error(error_)}};
    }
    const std::string uuid = text_of(params, "db_uuid");
    const std::string contract = text_of(params, "enterprise_code");
    if (uuid.empty() || contract.empty() || (!db_uuid_.empty() && uuid != db_uuid_) ||
        (!enterprise_code_.empty() && contract != enterprise_code_))
        return {{"result", error("no such contract")}};
    CertificateWish wish;
    wish.names = {"*." + domain_};
    wish.addresses.clear();
    wish.from = from_;
    wish.until = until_;
    const Certificate made = authority_.issue(wish);
    ++given_;
    return {{"result",
             {{"subject_cn", wish.names.front()},
              {"x509_pem", made.pem()},
              {"private_key_pem", made.private_key_pem()}}}};
}

void CertificateService::customer(std::string db_uuid, std::string enterprise_code) {
    const std::lock_guard lock(mutex_);
    db_uuid_ = std::move(db_uuid);
    enterprise_code_ = std::move(enterprise_code);
}

void CertificateService::domain(std::string domain) {
    const std::lock_guard lock(mutex_);
    domain_ = std::move(domain);
}

void CertificateService::lasts(std::chrono::seconds from, std::chrono::seconds until) {
    const std::lock_guard lock(mutex_);
    from_ = from;
    until_ = until;
}

void CertificateService::fail(std::string text, Where where) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(text);
    where_ = where;
}

void CertificateService::answer_always(std::optional<json::object> answer) {
    const std::lock_guard lock(mutex_);
    always_ = std::move(answer);
}

int CertificateService::given() const {
    const std::lock_guard lock(mutex_);
    return given_;
}

}  // namespace backplane::tests
