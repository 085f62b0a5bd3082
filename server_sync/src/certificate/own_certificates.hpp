// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The certificates that need nobody else: the owner's from the configuration, one that an authority of the configuration
// signs for this box, and a self-signed one.
//
// Owner: the keeper. Blocks on the disk for a moment: small files, and rarely a new one. Failure: without a usable file
// there is none of that kind, and problem() says why.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/sync/browser.hpp"
#include "certificate/pem_pair.hpp"
#include "certificate/x509_maker.hpp"

namespace backplane::sync {

struct ChosenCertificate {
    std::string source;  ///< "configuration", "authority", "self_signed"
    CheckedPair pair;
};

class OwnCertificates {
public:
    OwnCertificates(std::string folder, core::Config::Https https)
        : folder_(std::move(folder)), https_(std::move(https)) {}

    /// The owner's, or by the owner's authority: read anew, because both are renewed by others.
    std::optional<ChosenCertificate> of_the_owner(double now, const BoxInfo& box);
    /// The one that was made before, unless it ends soon or the box has other names now.
    std::optional<ChosenCertificate> self_signed(double now, const BoxInfo& box);

    /// What was wrong at the last look, with what to do; empty when nothing was.
    const std::string& problem() const noexcept { return problem_; }

private:
    std::optional<ChosenCertificate> configured();
    std::optional<ChosenCertificate> by_authority(double now, const BoxInfo& box);
    std::optional<CheckedPair> stored(const std::string& name);
    void store(const std::string& name, const core::TlsIdentity& identity);
    CertificatePlan plan(double now, const BoxInfo& box,
                         const std::vector<std::string>& earlier) const;
    bool has_names(const CertificateFacts& facts, const BoxInfo& box) const;
    bool fits(const CertificateFacts& facts, double now, const BoxInfo& box) const;
    void note(const std::string& problem);

    std::string folder_;
    core::Config::Https https_;
    std::string problem_;
    std::optional<CheckedPair> last_configured_, last_leaf_, last_self_signed_;
};

/// A clock that shows less was never set: no box is that old.
constexpr double k_earliest_time = 1'767'225'600;  // 2026-01-01
constexpr double k_day = 86'400;

}  // namespace backplane::sync
