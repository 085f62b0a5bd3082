// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "certificate/end_date_report.hpp"
#include "certificate/own_certificates.hpp"
#include "certificate/pair_file.hpp"
#include "certificate/pause.hpp"
#include "certificate/x509_service.hpp"
#include "server/listeners.hpp"

namespace backplane::sync {
namespace {

using namespace std::chrono_literals;

constexpr auto k_tick = 10min;
constexpr unsigned k_ticks_a_day = 144;
constexpr double k_jump = 3600;  // seconds between wall and monotonic clock that are no drift
// From the first on a newer one is asked for once a day, from the second on until there is one.
constexpr double k_ask_before = 14 * k_day;
constexpr double k_insist_before = 10 * k_day;

constexpr const char* k_file = "odoo.pem";
constexpr const char* k_subject = "certificate.subject";
constexpr const char* k_database = "certificate.db_uuid";

enum class Reason { start, tick_of_the_day, clock_or_network, account, asked, retry };
enum class Need { none, soon, now };

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const auto part : parts) {
        if (part.empty()) continue;
        if (!text.empty()) text += "\n";
        text += part;
    }
    return text;
}

bool looks_the_same(const CertificateStatus& a, const CertificateStatus& b) {
    return a.source == b.source && a.subject == b.subject && a.names == b.names &&
           a.not_after == b.not_after && a.expires_soon == b.expires_soon && a.code == b.code &&
           a.text == b.text;
}

}  // namespace

struct CertificateKeeper::State : std::enable_shared_from_this<CertificateKeeper::State> {
    explicit State(Setup with)
        : setup(std::move(with)),
          lane(setup.lanes("bp-certificate")),
          own(setup.folder, setup.https),
          report(setup.account, setup.store, setup.lanes("bp-cert-date"), setup.timer, setup.box) {}

    // ---- when to look ----

    void begin() {
        if (std::exchange(begun, true)) return;
        load();
        follow_account = setup.account.on_change([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->account_changed();
        });
        account = setup.account.current();
        last_wall = setup.now();
        last_ip = setup.box().ip;
        wait_for_tick();
        check(Reason::start);
    }

    void wait_for_tick() {
        tick_timer = setup.timer(k_tick, guarded("certificate", [weak = weak_from_this()] {
                                     if (const auto self = weak.lock()) self->tick();
                                 }));
    }

    void tick() {
        wait_for_tick();
        const double wall = setup.now();
        const double off =
            wall - last_wall - static_cast<double>(std::chrono::seconds{k_tick}.count());
        last_wall = wall;
        const std::string ip = setup.box().ip;
        const bool moved = std::exchange(last_ip, ip) != ip;
        if (++ticks % k_ticks_a_day == 0) {
            check(Reason::tick_of_the_day);
        } else if (std::abs(off) > k_jump || moved) {
            check(Reason::clock_or_network);
        }
    }

    void account_changed() {
        const ServerAccount& now = setup.account.current();
        const bool same = now.url == account.url && now.db_uuid == account.db_uuid &&
                          now.enterprise_code == account.enterprise_code;
        account = now;
        if (same) return;
        trouble = {};
        check(Reason::account);
    }

    void check_now(std::function<void()> done) {
        if (done) waiting.push_back(std::move(done));
        soon = setup.timer(0ms, guarded("certificate", [weak = weak_from_this()] {
                               if (const auto self = weak.lock()) self->check(Reason::asked);
                           }));
    }

    // ---- what there is ----

    void load() {
        auto identity = read_pair_file(setup.folder + "/" + k_file);
        if (!identity) {
            if (identity.error().code != "certificate.missing")
                trouble = trouble_cert_unreadable(identity.error().text);
            return;
        }
        auto pair = check_pair(std::move(*identity), setup.folder + "/" + k_file);
        if (!pair) {
            trouble = trouble_cert_unreadable(pair.error().text);
            return;
        }
        // The power may have failed between the file and the note about it.
        std::string subject = setup.store.value(k_subject);
        if (!pair->facts.is_good_for(subject) && subject != pair->facts.common_name) {
            subject = pair->facts.common_name;
            for (const auto& name : pair->facts.names)
                if (!subject.starts_with("*.") && name.starts_with("*.")) subject = name;
        }
        odoo = GivenCertificate{std::move(subject), std::move(*pair)};
    }

    /// The clock is not believed when it contradicts a certificate that was good before.
    std::string clock_trouble(const CertificateFacts& facts, double now) const {
        const bool early = now < k_earliest_time || now < facts.not_before - k_day;
        const bool late = now > facts.not_after + 365 * k_day;
        if (!early && !late) return {};
        return "The clock of this box says " + utc_text(now) + ", which is " +
               (early ? "before this certificate begins"
                      : "long after this certificate has ended") +
               ". If that is wrong, set the clock or let the box reach a time server; until then "
               "the certificate stays in use.";
    }

    Need need(double now) const {
        if (owner_has_one || setup.service.empty()) return Need::none;
        if (!odoo) return Need::now;
        if (!account.db_uuid.empty() && !setup.store.value(k_database).empty() &&
            setup.store.value(k_database) != account.db_uuid)
            return Need::now;
        const CertificateFacts& facts = odoo->pair.facts;
        // It would be called good by a clock that is too early, and asking would fail as well.
        if (now < k_earliest_time || now < facts.not_before - k_day) return Need::none;
        if (facts.not_after - now < k_insist_before) return Need::now;
        return facts.not_after - now < k_ask_before ? Need::soon : Need::none;
    }

    void check(Reason reason) {
        const double now = setup.now();
        auto chosen = own.of_the_owner(now, setup.box());
        owner_has_one = chosen.has_value();
        if (!chosen && odoo) chosen = ChosenCertificate{"odoo", odoo->pair};
        if (!chosen) chosen = own.self_signed(now, setup.box());
        show(chosen);
        ask_if_needed(reason, now);
        publish();
        if (!request) finish();
    }

    void show(const std::optional<ChosenCertificate>& chosen) {
        if (!chosen) {
            source.clear();
            shown = {};
            return;
        }
        const bool same =
            source == chosen->source &&
            shown.identity.certificates_pem == chosen->pair.identity.certificates_pem &&
            shown.identity.key_pem == chosen->pair.identity.key_pem;
        source = chosen->source;
        shown = chosen->pair;
        if (same) return;
        core::log_info("odoo", "certificate.in_use",
                       {{"source", source},
                        {"subject", subject()},
                        {"until", utc_text(shown.facts.not_after)}});
        if (setup.use) setup.use(shown.identity);
    }

    std::string subject() const {
        return source == "odoo" && odoo ? odoo->subject : shown.facts.common_name;
    }

    // ---- a newer one ----

    void ask_if_needed(Reason reason, double now) {
        const Need wanted = need(now);
        if (wanted == Need::none) {
            stop_asking();
            trouble = {};
            failures = 0;
            return;
        }
        if (!account.paired()) {
            stop_asking();
            if (!is_damaged()) trouble = trouble_no_server();
            return;
        }
        if (account.db_uuid.empty() || account.enterprise_code.empty()) {
            stop_asking();
            trouble = trouble_no_credential();
            return;
        }
        if (!is_private_enough(setup.service)) {
            stop_asking();
            trouble = trouble_request(
                "The address of the certificate service in the configuration must begin with "
                "https://, because a private key comes from there.");
            return;
        }
        if (reason == Reason::account) {
            stop_asking();
            failures = 0;
        }
        if (request) return;  // its answer is the one that was wished for
        // The pauses between failures stand, unless something has changed.
        if (reason == Reason::tick_of_the_day && retry) return;
        insisting = wanted == Need::now;
        ask();
    }

    bool is_damaged() const { return trouble.code == "ERR_IOT_HTTPS_CHECK_CERT_READ_EXCEPTION"; }

    void stop_asking() {
        retry.reset();
        request.reset();
    }

    void ask() {
        retry.reset();
        asked_for = account.db_uuid;
        request = lane->send(x509_request(setup.service, account),
                             [weak = weak_from_this()](const core::Result<ServerAnswer>& answer) {
                                 if (const auto self = weak.lock()) self->answered(answer);
                             });
    }

    void answered(const core::Result<ServerAnswer>& answer) {
        request.reset();
        X509Outcome outcome = read_x509_answer(answer);
        const bool of_another_database =
            !setup.store.value(k_database).empty() && setup.store.value(k_database) != asked_for;
        if (!outcome.given) {
            failed(std::move(outcome.trouble));
        } else if (odoo && !of_another_database &&
                   outcome.given->pair.facts.not_after <= odoo->pair.facts.not_after) {
            nothing_newer = true;
            if (insisting) {
                failed(trouble_no_result("It is still the one that ends on " +
                                         utc_text(odoo->pair.facts.not_after) + " (UTC)."));
            } else {
                trouble = {};
            }
        } else {
            take(std::move(*outcome.given));
        }
        publish();
        finish();
    }

    void failed(HttpsTrouble why) {
        trouble = std::move(why);
        nothing_newer = true;
        ++failures;
        core::log_warning("odoo", "certificate.not_loaded",
                          {{"code", trouble.code}, {"failures", std::to_string(failures)}});
        if (!insisting) return;  // tomorrow is early enough
        retry =
            setup.timer(pause_after(failures), guarded("certificate", [weak = weak_from_this()] {
                            const auto self = weak.lock();
                            if (!self) return;
                            self->retry.reset();
                            self->check(Reason::retry);
                        }));
    }

    void take(GivenCertificate given) {
        failures = 0;
        nothing_newer = false;
        trouble = {};
        odoo = std::move(given);
        if (!owner_has_one) show(ChosenCertificate{"odoo", odoo->pair});
        setup.store.set({{k_subject, odoo->subject}, {k_database, asked_for}});
        save();
    }

    /// On the store's thread, where waiting for the disk delays nobody.
    void save() {
        auto written = [weak = weak_from_this()](const core::Result<void>& result) {
            if (const auto self = weak.lock()) self->saved(result);
        };
        setup.store.write(
            [folder = setup.folder, identity = odoo->pair.identity](core::Database&) {
                return write_pair_file(folder, k_file, identity);
            },
            std::move(written));
    }

    void saved(core::Result<void> result) {
        // A store that is out of order has not even tried.
        if (!result && result.error().code != "certificate.not_written" && odoo)
            result = write_pair_file(setup.folder, k_file, odoo->pair.identity);
        not_saved = result ? std::string()
                           : result.error().text +
                                 " (until then this box asks Odoo again after each start)";
        if (!result)
            core::log_error("odoo", "certificate.not_stored", {{"error", result.error().text}});
        publish();
    }

    // ---- what is said about it ----

    void publish() {
        const double now = setup.now();
        CertificateStatus next;
        next.source = source;
        next.checked = now;
        std::string clock;
        if (!source.empty()) {
            next.subject = subject();
            next.names = shown.facts.names;
            next.not_after_time = shown.facts.not_after;
            next.not_after = utc_text(shown.facts.not_after);
            clock = clock_trouble(shown.facts, now);
            const bool ends = shown.facts.not_after - now < k_ask_before;
            const bool odoo_failed = nothing_newer || !trouble.code.empty();
            next.expires_soon =
                ends && source != "self_signed" && (source != "odoo" || odoo_failed);
        }
        next.code = trouble.code;
        next.text = joined({trouble.text, own.problem(), not_saved, clock});
        const bool changed = !looks_the_same(next, status);
        if (next.expires_soon && !status.expires_soon) {
            core::log_warning("odoo", "certificate.expires_soon",
                              {{"source", next.source}, {"until", next.not_after}});
        }
        status = std::move(next);
        // A self-signed one says nothing about what Odoo's page shows by that date.
        report.tell(source == "self_signed" ? std::string() : status.not_after);
        if (changed) listeners.tell("certificate");
    }

    void finish() {
        for (auto& done : std::exchange(waiting, {})) guarded("certificate", std::move(done))();
    }

    Setup setup;
    std::unique_ptr<Requests> lane;
    OwnCertificates own;
    EndDateReport report;
    Listeners listeners;
    CertificateStatus status;

    ServerAccount account;
    std::optional<GivenCertificate> odoo;
    bool owner_has_one = false;
    std::string source;
    CheckedPair shown;

    HttpsTrouble trouble;
    std::string not_saved;
    std::string asked_for;  ///< the database of the request that is under way
    bool insisting = false;
    bool nothing_newer = false;
    unsigned failures = 0;

    bool begun = false;
    double last_wall = 0;
    std::string last_ip;
    unsigned ticks = 0;
    std::vector<std::function<void()>> waiting;
    core::Subscription follow_account, tick_timer, soon, retry, request;
};

CertificateKeeper::CertificateKeeper(Setup setup)
    : state_(std::make_shared<State>(std::move(setup))) {}
CertificateKeeper::~CertificateKeeper() = default;

void CertificateKeeper::begin() {
    state_->begin();
}

void CertificateKeeper::check_now(std::function<void()> done) {
    state_->check_now(std::move(done));
}

CertificateStatus CertificateKeeper::status() const {
    CertificateStatus now = state_->status;
    if (now.not_after_time != 0) {
        now.days_left = static_cast<int>(std::clamp(
            std::floor((now.not_after_time - state_->setup.now()) / k_day), -100'000.0, 100'000.0));
    }
    return now;
}

std::string CertificateKeeper::domain(const std::string& ip) const {
    const std::string subject = state_->status.subject;
    if (state_->status.source != "odoo" || !subject.starts_with("*.") || ip.empty() ||
        ip.find(':') != std::string::npos)
        return ip;
    std::string dashed = ip;
    std::replace(dashed.begin(), dashed.end(), '.', '-');
    return dashed + subject.substr(1);
}

core::Subscription CertificateKeeper::on_change(std::function<void()> changed) {
    return state_->listeners.add(std::move(changed));
}

}  // namespace backplane::sync
