// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/account.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "backplane/core/log.hpp"
#include "server/listeners.hpp"
#include "server/server_url.hpp"
#include "store/sync_store.hpp"

namespace backplane::sync {

namespace {

using Changes = std::map<std::string, std::optional<std::string>>;

constexpr const char* k_url = "server.url";
constexpr const char* k_token = "server.token";
constexpr const char* k_db_uuid = "server.db_uuid";
constexpr const char* k_enterprise_code = "server.enterprise_code";
constexpr const char* k_db_name = "server.db_name";

constexpr std::size_t k_most_bytes = 2048;

// What Odoo's server takes for a box; a browser would be treated differently (protocol page, 3).
constexpr const char* k_user_agent = "OdooIoTBox/1.0";

/// Values become headers and JSON; what is in them came from a stranger or from a person's hand.
core::Result<void> check_value(const char* what, std::string_view value) {
    const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7f;
    });
    if (clean && value.size() <= k_most_bytes) return {};
    return core::failure("account.bad_value",
                         std::string("the ") + what +
                             (clean ? " is longer than " + std::to_string(k_most_bytes) + " bytes"
                                    : std::string(" contains control characters")) +
                             ": copy it again from the database");
}

/// Scheme and authority of a server's address, which must not be something else.
core::Result<std::string> origin_of(std::string_view url) {
    auto parsed = parse_server_url(url);
    if (!parsed) return core::Unexpected(std::move(parsed).error());
    return parsed->origin();
}

std::optional<std::string> or_nothing(std::string value) {
    if (value.empty()) return std::nullopt;
    return value;
}

}  // namespace

struct Account::State : std::enable_shared_from_this<Account::State> {
    State(SyncStore& with, std::string configured) : store(with) {
        if (configured.empty()) return;
        if (auto origin = origin_of(configured)) configured_url = *std::move(origin);
    }

    void read() {
        current.url = store.value(k_url);
        if (current.url.empty()) current.url = configured_url;
        current.token = store.value(k_token);
        current.db_uuid = store.value(k_db_uuid);
        current.enterprise_code = store.value(k_enterprise_code);
        current.db_name = store.value(k_db_name);
    }

    /// What the store calls when it is done: whatever came of it, the box works with the new values.
    SyncStore::Done after(const char* event, Done done) {
        return [weak = weak_from_this(), event,
                done = std::move(done)](core::Result<void> written) {
            const auto self = weak.lock();
            if (!self) return;
            core::log_info(
                "odoo", event,
                {{"server", self->current.url}, {"kept", written ? "yes" : written.error().text}});
            self->changed.tell("account");
            if (done) done(std::move(written));
        };
    }

    void refuse(core::Error error, Done done) {
        // The store calls back later, as everything here does.
        store.set({}, [weak = weak_from_this(), error = std::move(error),
                       done = std::move(done)](const core::Result<void>&) {
            if (weak.lock() && done) done(core::Unexpected(error));
        });
    }

    SyncStore& store;
    std::string configured_url;
    ServerAccount current;
    Listeners changed;
};

Account::Account(SyncStore& store, std::string configured_url)
    : state_(std::make_shared<State>(store, std::move(configured_url))) {
    state_->read();
}

Account::~Account() = default;

const ServerAccount& Account::current() const noexcept {
    return state_->current;
}

std::string_view Account::source() const noexcept {
    if (!state_->store.value(k_url).empty()) return "state";
    return state_->configured_url.empty() ? "" : "configuration";
}

void Account::pair(ServerAccount account, Done done) {
    auto origin = origin_of(account.url);
    if (!origin) return state_->refuse(std::move(origin).error(), std::move(done));
    for (const auto& [what, value] :
         {std::pair<const char*, const std::string&>{"token", account.token},
          {"database's identifier (db_uuid)", account.db_uuid},
          {"enterprise code", account.enterprise_code},
          {"database's name (db_name)", account.db_name}})
        if (const auto good = check_value(what, value); !good)
            return state_->refuse(good.error(), std::move(done));

    const ServerAccount& before = state_->current;
    // A database is known by its own name; a server that has none is one by its address.
    const bool same = before.paired() && (account.db_uuid.empty() || before.db_uuid.empty()
                                              ? before.url == *origin
                                              : before.db_uuid == account.db_uuid);
    Changes changes{{k_url, *std::move(origin)},
                    {k_token, or_nothing(std::move(account.token))},
                    {k_db_uuid, or_nothing(std::move(account.db_uuid))},
                    {k_enterprise_code, or_nothing(std::move(account.enterprise_code))},
                    {k_db_name, or_nothing(std::move(account.db_name))}};
    auto after = state_->after("account.paired", std::move(done));
    // What another database has left must not reach this one.
    if (same)
        state_->store.set(std::move(changes), std::move(after));
    else
        state_->store.forget_server(std::move(changes), std::move(after));
    state_->read();
}

void Account::set_credentials(std::string db_uuid, std::string enterprise_code, Done done) {
    for (const auto& [what, value] :
         {std::pair<const char*, const std::string&>{"database's identifier (db_uuid)", db_uuid},
          {"enterprise code", enterprise_code}})
        if (const auto good = check_value(what, value); !good)
            return state_->refuse(good.error(), std::move(done));
    state_->store.set({{k_db_uuid, or_nothing(std::move(db_uuid))},
                       {k_enterprise_code, or_nothing(std::move(enterprise_code))}},
                      state_->after("account.credentials", std::move(done)));
    state_->read();
}

void Account::move_to(std::string url, Done done) {
    auto origin = origin_of(url);
    if (!origin) return state_->refuse(std::move(origin).error(), std::move(done));
    state_->store.set({{k_url, *std::move(origin)}},
                      state_->after("account.moved", std::move(done)));
    state_->read();
}

void Account::unpair(Done done) {
    state_->store.forget_server({}, state_->after("account.unpaired", std::move(done)));
    state_->read();
}

core::Subscription Account::on_change(std::function<void()> changed) {
    return state_->changed.add(std::move(changed));
}

std::vector<std::pair<std::string, std::string>> Account::headers_for(std::string_view url) const {
    std::vector<std::pair<std::string, std::string>> headers{{"User-Agent", k_user_agent}};
    const ServerAccount& now = state_->current;
    if (now.db_name.empty() || !now.paired()) return headers;
    const auto wanted = parse_server_url(url);
    // The login page is told the database in its address (protocol page, 3).
    if (wanted && wanted->origin() == now.url && !wanted->path.starts_with("/web/login?"))
        headers.emplace_back("X-Odoo-Database", now.db_name);
    return headers;
}

std::string Account::url_of(std::string_view path) const {
    return state_->current.url + std::string(path);
}

std::string rpc_body(const boost::json::object& params) {
    boost::json::object body;
    body["params"] = params;
    return boost::json::serialize(body);
}

}  // namespace backplane::sync
