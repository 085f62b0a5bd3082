// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "certificate/end_date_report.hpp"

#include <boost/json/object.hpp>

#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "browser/json_rpc.hpp"
#include "certificate/pause.hpp"

namespace backplane::sync {
namespace {

// Forgotten together with the server.
constexpr const char* k_told = "server.certificate_told";
constexpr std::size_t k_answer_bytes = 64u << 10;
constexpr std::chrono::seconds k_patience{5};  // protocol page, 3.5

}  // namespace

struct EndDateReport::State : std::enable_shared_from_this<EndDateReport::State> {
    State(Account& of, SyncStore& memory, std::unique_ptr<Requests> requests, TimerFactory timers,
          std::function<BoxInfo()> self)
        : account(of),
          store(memory),
          lane(std::move(requests)),
          timer(std::move(timers)),
          box(std::move(self)) {}

    std::string task() const {
        if (date.empty() || !account.current().paired()) return {};
        return account.current().url + " " + date;
    }

    void tell(const std::string& now) {
        date = now;
        const std::string wanted = task();
        if (wanted == current) return;
        current = wanted;
        failures = 0;
        retry.reset();
        request.reset();
        if (!current.empty() && store.value(k_told) != current) send();
    }

    void send() {
        ServerRequest ask;
        ask.url = account.url_of("/iot/box/update_certificate_status");
        ask.headers = account.headers_for(ask.url);
        ask.content_type = "application/json";
        ask.body = rpc_body({{"identifier", box().identifier}, {"ssl_certificate_end_date", date}});
        ask.total = k_patience;
        ask.answer_bytes = k_answer_bytes;
        request = lane->send(std::move(ask),
                             [weak = weak_from_this()](const core::Result<ServerAnswer>& answer) {
                                 if (const auto self = weak.lock()) self->answered(answer);
                             });
    }

    void answered(const core::Result<ServerAnswer>& answer) {
        std::string wrong;
        if (!answer) {
            wrong = answer.error().code;
        } else if (answer->status == 404 || answer->status == 405) {
            // An older server, which does not show the date anywhere either.
        } else if (answer->status != 200) {
            wrong = "status " + std::to_string(answer->status);
        } else if (const auto document = parse_json(answer->body);
                   !document || !document->is_object()) {
            wrong = "no JSON";
        } else if (document->get_object().contains("error")) {
            wrong = "an error of the server";
        }
        if (wrong.empty()) {
            failures = 0;
            store.set({{k_told, current}});
            return;
        }
        ++failures;
        core::log_info("odoo", "certificate.date_not_told",
                       {{"reason", wrong}, {"failures", std::to_string(failures)}});
        retry = timer(pause_after(failures), guarded("certificate date", [weak = weak_from_this()] {
                          if (const auto self = weak.lock()) self->send();
                      }));
    }

    Account& account;
    SyncStore& store;
    std::unique_ptr<Requests> lane;
    TimerFactory timer;
    std::function<BoxInfo()> box;
    std::string date;     ///< as it was last given
    std::string current;  ///< server and date that are being told or have been told
    unsigned failures = 0;
    core::Subscription request, retry;
};

EndDateReport::EndDateReport(Account& account, SyncStore& store, std::unique_ptr<Requests> lane,
                             TimerFactory timer, std::function<BoxInfo()> box)
    : state_(std::make_shared<State>(account, store, std::move(lane), std::move(timer),
                                     std::move(box))) {}
EndDateReport::~EndDateReport() = default;

void EndDateReport::tell(const std::string& date) {
    state_->tell(date);
}

}  // namespace backplane::sync
