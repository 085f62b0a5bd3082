// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Whom the box belongs to: the address of the Odoo server and the secrets of the pairing, kept over a restart.
//
// Owner: the link. Thread: the main loop's. Secrets never leave this object towards logs or pages.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/core/subscription.hpp"

namespace backplane::sync {

class SyncStore;

struct ServerAccount {
    std::string url;  ///< scheme and authority only: "https://shop.example.com"; empty: not paired
    std::string token;
    std::string db_uuid;
    std::string enterprise_code;
    std::string db_name;  ///< for servers with several databases; may be empty

    bool paired() const noexcept { return !url.empty(); }
    bool operator==(const ServerAccount&) const = default;
};

class Account {
public:
    using Done = std::function<void(core::Result<void>)>;

    /// `configured_url`: of the configuration; it stands while nothing was learnt by pairing.
    Account(SyncStore& store, std::string configured_url);
    ~Account();

    const ServerAccount& current() const noexcept;
    /// "state" (learnt by pairing), "configuration", or "" (not paired).
    std::string_view source() const noexcept;

    /// All of these are done when they are durable; listeners are told before `done` is called.
    void pair(ServerAccount account, Done done);
    void set_credentials(std::string db_uuid, std::string enterprise_code, Done done);
    void move_to(std::string url, Done done);  ///< same database, new address (server_update)
    /// Forgets all of it, and with it everything else that belongs to this database (SyncStore::forget_server).
    void unpair(Done done);

    /// Called after each change, in the order of subscription.
    core::Subscription on_change(std::function<void()> changed);

    /// X-Odoo-Database when a database name is known and `url` belongs to this server. User-Agent always.
    std::vector<std::pair<std::string, std::string>> headers_for(std::string_view url) const;
    /// current().url + path.
    std::string url_of(std::string_view path) const;

private:
    struct State;
    std::shared_ptr<State> state_;  ///< the only owner; what waits in the store holds weak ones
};

/// The body of a JSON-RPC request of the box: {"params": …}.
std::string rpc_body(const boost::json::object& params);

}  // namespace backplane::sync
