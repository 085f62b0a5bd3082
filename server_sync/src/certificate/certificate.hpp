// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The certificate of the box: its owner's, Odoo's, or one made here (protocol page, 3.5; security page Q15, Q17).
//
// In this order: `certificate` and `key` of the configuration; an authority of the configuration, which signs a leaf for
// this box; what Odoo's service has given (subject "*.abc.odoo-iot.com"), asked for anew once a day from 14 days before
// its end and insistently, with growing pauses, when less than 10 days are left; a self-signed one, made on this box for
// its own names and addresses, its key never shared. What is in use is handed to the HTTP server, which takes it without
// dropping connections. Looked at every day (also after a jump of the clock or with another address), after pairing, and
// when somebody asks. A clock that contradicts a good certificate is not believed: it stays in use, and the text says so.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/subscription.hpp"
#include "backplane/sync/browser.hpp"
#include "server/account.hpp"
#include "server/requests.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

struct CertificateStatus {
    std::string
        source;  ///< "configuration", "authority", "odoo", "self_signed", or "" before the first
    std::string subject;             ///< of what is in use: "*.abc.odoo-iot.com"
    std::vector<std::string> names;  ///< and addresses that it is good for
    std::string not_after;           ///< "2026-01-31 12:00:00" (UTC); empty without one
    double not_after_time = 0;
    int days_left = 0;
    bool expires_soon = false;  ///< less than 14 days, and nothing newer could be had
    /// One of the six codes of the protocol page, 8.3, as far as Odoo's certificate is concerned; empty: it is fine or
    /// not wanted. The detail follows in `text`, with what to do.
    std::string code, text;
    double checked = 0;
};

class CertificateKeeper {
public:
    struct Setup {
        Account& account;
        SyncStore& store;
        TimerFactory timer;
        std::function<BoxInfo()> box;
        LaneMaker lanes;
        std::function<double()> now;
        std::string folder;   ///< for key and certificate, 0700
        std::string service;  ///< "https://www.odoo.com"; empty: never ask
        core::Config::Https https;
        std::function<void(core::TlsIdentity)> use;  ///< gives it to the HTTP server
    };
    explicit CertificateKeeper(Setup setup);
    ~CertificateKeeper();

    /// Blocks on the disk, and makes a self-signed one if there is nothing else: before the loop runs.
    void begin();
    void check_now(std::function<void()> done = {});
    CertificateStatus status() const;
    /// "192-168-1-20.abc.odoo-iot.com" with Odoo's certificate, else `ip`.
    std::string domain(const std::string& ip) const;
    core::Subscription on_change(std::function<void()> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace backplane::sync
