// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The routes by which Odoo's own pages pair a box, take it from its database, restart it and read its
// log (protocol page, 2.3).
//
// Odoo's box does all that for whoever asks, by GET and from any page. Here each of them is for the
// box's own pages and for programs (own_origin.hpp); connect_to_server also for the page of a
// database, as long as the box belongs to nobody or to that one. The box restarts only when that was
// asked for: everything else takes effect at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backplane/sync/browser.hpp"
#include "browser/action_route.hpp"
#include "browser/box_pages.hpp"
#include "browser/json_rpc.hpp"
#include "browser/own_origin.hpp"
#include "link/link_controls.hpp"
#include "logs/log_level_page.hpp"

namespace backplane::sync {

class OdooPages : public std::enable_shared_from_this<OdooPages> {
public:
    /// So long after a pairing /data tells of the new database, as the page that waits for it asks
    /// again at intervals that grow.
    static constexpr std::chrono::minutes k_new_for{5};

    OdooPages(const BrowserContext& context, std::shared_ptr<ActionRoute> actions);

    /// Begins to look for a new pairing. After the constructor, since it needs weak_from_this().
    void begin();

    void connect_to_server(const core::HttpExchangePtr& exchange);
    void save_credential(const core::HttpExchangePtr& exchange);
    void clear_credential(const core::HttpExchangePtr& exchange);
    void server_clear(const core::HttpExchangePtr& exchange);
    void restart(const core::HttpExchangePtr& exchange);
    void load_iot_handlers(const core::HttpExchangePtr& exchange);
    void log_levels_update(const core::HttpExchangePtr& exchange);
    core::HttpResponse log_levels() const;
    core::HttpResponse iot_logs() const;
    core::HttpResponse version_info() const;
    PairingData pairing() const;

private:
    using ControlsPtr = std::shared_ptr<LinkControls>;
    /// True when it is a GET of an own page or a program; everything else has been answered.
    bool is_own_get(const core::HttpExchangePtr& exchange) const;
    Caller caller(const core::HttpRequest& request) const;
    void look_for_new();
    /// Params of a JSON-RPC call that only own pages and programs may make; otherwise that has been answered.
    std::optional<RpcCall> own_call(const core::HttpExchangePtr& exchange) const;
    LogLevelPage log_level_page() const;

    std::function<BoxInfo()> box_;
    TimerFactory timer_;
    core::Updates* updates_;
    core::LogLevels* log_levels_;
    std::function<PluginNames()> plugins_;
    LinkAccess link_;
    std::shared_ptr<ActionRoute> actions_;  // shared with the routes
    std::string last_url_, new_url_;
    core::Subscription changes_, new_timer_;
};

}  // namespace backplane::sync
