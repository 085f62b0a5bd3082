// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/own_certificates.hpp"

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "certificate/pair_file.hpp"

namespace backplane::sync {
namespace {

// Browsers refuse certificates that are good for more than 398 days (CA/Browser Forum, 6.3.2).
constexpr double k_lifetime = 397 * k_day;
constexpr double k_renew_before = 30 * k_day;
// Clocks of others are a little behind.
constexpr double k_slack = k_day;
// Earlier addresses of the box that stay in its certificate: people have accepted it there.
constexpr std::size_t k_most_addresses = 8;

constexpr const char* k_leaf = "authority.pem";
constexpr const char* k_self_signed = "self-signed.pem";
constexpr const char* k_previous = "self-signed.previous.pem";

void add(std::vector<std::string>& list, std::string entry) {
    if (!entry.empty() && std::find(list.begin(), list.end(), entry) == list.end())
        list.push_back(std::move(entry));
}

}  // namespace

void OwnCertificates::note(const std::string& problem) {
    if (problem_.find(problem) != std::string::npos) return;
    problem_ += (problem_.empty() ? "" : "\n") + problem;
}

std::optional<ChosenCertificate> OwnCertificates::of_the_owner(double now, const BoxInfo& box) {
    problem_.clear();
    if (!https_.certificate.empty() || !https_.key.empty()) {
        if (auto found = configured()) return found;
    }
    if (!https_.authority.empty() || !https_.authority_key.empty()) return by_authority(now, box);
    return std::nullopt;
}

std::optional<ChosenCertificate> OwnCertificates::configured() {
    const auto certificates = read_text_file(https_.certificate);
    const auto key = read_text_file(https_.key);
    std::string wrong;
    if (!certificates) {
        wrong = certificates.error().text;
    } else if (!key) {
        wrong = key.error().text;
    } else {
        auto pair = check_pair({*certificates, *key},
                               "the certificate of the configuration (" + https_.certificate + ")");
        if (pair) {
            last_configured_ = *pair;
            return ChosenCertificate{"configuration", std::move(*pair)};
        }
        wrong = pair.error().text;
    }
    // Perhaps somebody is just replacing the two files: what was good a moment ago still is.
    if (last_configured_) {
        note(wrong + " (the one that was read before stays in use)");
        return ChosenCertificate{"configuration", *last_configured_};
    }
    note(wrong);
    return std::nullopt;
}

std::optional<ChosenCertificate> OwnCertificates::by_authority(double now, const BoxInfo& box) {
    const auto certificates = read_text_file(https_.authority);
    const auto key = read_text_file(https_.authority_key);
    if (!last_leaf_) last_leaf_ = stored(k_leaf);
    if (!certificates || !key) {
        note(!certificates ? certificates.error().text : key.error().text);
    } else {
        const core::TlsIdentity authority{*certificates, *key};
        const bool mine = last_leaf_ && is_signed_by(last_leaf_->identity, authority);
        if (mine && fits(last_leaf_->facts, now, box))
            return ChosenCertificate{"authority", *last_leaf_};
        if (mine && now < k_earliest_time) return ChosenCertificate{"authority", *last_leaf_};
        // One that ends with its authority is as long as it can be.
        const auto issuer = read_certificate(*certificates, "the authority");
        if (mine && issuer && last_leaf_->facts.not_after >= facts_of(issuer->get()).not_after &&
            has_names(last_leaf_->facts, box))
            return ChosenCertificate{"authority", *last_leaf_};
        auto made = make_signed(plan(now, box, {}), authority);
        auto pair = made ? check_pair(std::move(*made), "the new certificate")
                         : core::Result<CheckedPair>{core::Unexpected<core::Error>{made.error()}};
        if (pair) {
            store(k_leaf, pair->identity);
            last_leaf_ = *pair;
            return ChosenCertificate{"authority", std::move(*pair)};
        }
        note(pair.error().text);
    }
    // Signed earlier, and still better than one that nobody trusts.
    if (last_leaf_) return ChosenCertificate{"authority", *last_leaf_};
    return std::nullopt;
}

std::optional<ChosenCertificate> OwnCertificates::self_signed(double now, const BoxInfo& box) {
    if (!last_self_signed_) last_self_signed_ = stored(k_self_signed);
    if (last_self_signed_ && (fits(last_self_signed_->facts, now, box) || now < k_earliest_time)) {
        return ChosenCertificate{"self_signed", *last_self_signed_};
    }
    // While the clock was wrong another one may have been made: people have accepted this one.
    auto previous = stored(k_previous);
    if (previous && fits(previous->facts, now, box)) {
        store(k_self_signed, previous->identity);
        last_self_signed_ = *previous;
        return ChosenCertificate{"self_signed", std::move(*previous)};
    }
    auto made = make_self_signed(plan(
        now, box, last_self_signed_ ? last_self_signed_->facts.names : std::vector<std::string>{}));
    auto pair = made ? check_pair(std::move(*made), "the new certificate")
                     : core::Result<CheckedPair>{core::Unexpected<core::Error>{made.error()}};
    if (!pair) {
        note(pair.error().text);
        if (last_self_signed_) return ChosenCertificate{"self_signed", *last_self_signed_};
        return std::nullopt;
    }
    if (last_self_signed_) store(k_previous, last_self_signed_->identity);
    store(k_self_signed, pair->identity);
    last_self_signed_ = *pair;
    return ChosenCertificate{"self_signed", std::move(*pair)};
}

std::optional<CheckedPair> OwnCertificates::stored(const std::string& name) {
    auto identity = read_pair_file(folder_ + "/" + name);
    if (!identity) {
        if (identity.error().code != "certificate.missing") note(identity.error().text);
        return std::nullopt;
    }
    auto pair = check_pair(std::move(*identity), folder_ + "/" + name);
    if (pair) return std::move(*pair);
    // It is made anew, so this is only worth a line.
    core::log_warning("odoo", "certificate.file_damaged", {{"error", pair.error().text}});
    return std::nullopt;
}

void OwnCertificates::store(const std::string& name, const core::TlsIdentity& identity) {
    const auto written = write_pair_file(folder_, name, identity);
    if (written) return;
    note(written.error().text + " (until then this box has another certificate after each start)");
    core::log_error("odoo", "certificate.not_stored", {{"error", written.error().text}});
}

CertificatePlan OwnCertificates::plan(double now, const BoxInfo& box,
                                      const std::vector<std::string>& earlier) const {
    CertificatePlan plan;
    if (is_host_name(box.hostname)) {
        add(plan.names, box.hostname);
        if (box.hostname.find('.') == std::string::npos) add(plan.names, box.hostname + ".local");
    }
    for (const auto& name : https_.names) add(plan.names, name);
    add(plan.names, "localhost");
    add(plan.addresses, plain_address(box.ip));
    for (const auto& name : https_.names) add(plan.addresses, plain_address(name));
    for (const auto& name : earlier) {
        if (plan.addresses.size() >= k_most_addresses) break;
        add(plan.addresses, plain_address(name));
    }
    add(plan.addresses, "127.0.0.1");
    add(plan.addresses, "::1");
    std::erase_if(plan.names, [](const auto& name) { return !plain_address(name).empty(); });
    plan.from = now - k_slack;
    plan.until = plan.from + k_lifetime;
    return plan;
}

bool OwnCertificates::has_names(const CertificateFacts& facts, const BoxInfo& box) const {
    std::vector<std::string> wanted;
    if (is_host_name(box.hostname)) add(wanted, box.hostname);
    add(wanted, plain_address(box.ip));
    for (const auto& name : https_.names) {
        const auto address = plain_address(name);
        add(wanted, !address.empty() ? address : is_host_name(name) ? name : std::string());
    }
    return std::all_of(wanted.begin(), wanted.end(),
                       [&](const auto& name) { return facts.is_good_for(name); });
}

bool OwnCertificates::fits(const CertificateFacts& facts, double now, const BoxInfo& box) const {
    return now >= facts.not_before && facts.not_after - now >= k_renew_before &&
           has_names(facts, box);
}

}  // namespace backplane::sync
