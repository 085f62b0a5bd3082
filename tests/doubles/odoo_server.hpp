// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A real HTTP(S) and WebSocket server on the loopback device that plays the Odoo server of a box, the pairing proxy and
// the certificate service, all on one port; and everything that can be wrong with them.
//
//     OdooServer server;
//     … a box is paired with server.connection_token() …
//     server.wait_for_box_connected();
//     server.notify_action("usbEPSONTM-T20II", "open_cashbox");
//     server.wait_for_reply([](const auto& reply) { return reply.contains("status"); });
//     server.fault("/iot/box/send_websocket", Fault::lost_answer());   // … and heal() …
//     server.stop();    // killed; start(): the same port, nothing forgotten
//
// What the database knows and was told is in odoo_database.hpp, faults in faults.hpp, the rules of the bus in
// websocket_session.hpp. Without the fault script it behaves as Odoo does towards a box: `handlers()` is delivered with
// an ETag, 304 for a box that has it, and nothing for a box whose automatic update is off.
//
// Thread: any. Its destructor ends all answers, also those that never end by themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "doubles/answer.hpp"
#include "doubles/certificates.hpp"
#include "doubles/faults.hpp"
#include "doubles/odoo_database.hpp"
#include "doubles/websocket_session.hpp"

namespace backplane::tests {

struct OdooServerOptions {
    const Certificate* identity =
        nullptr;             ///< https with it, else http; used only while the server is made
    std::uint16_t port = 0;  ///< 0: any that is free
    WebSocketRules websocket{};
    OdooSettings database{};
};

class OdooServer : public OdooDatabase {
public:
    OdooServer();                                      ///< http
    explicit OdooServer(const Certificate& identity);  ///< https
    explicit OdooServer(const OdooServerOptions& options);
    ~OdooServer() override;

    std::uint16_t port() const noexcept;
    /// "http://127.0.0.1:40123", or with another host in its place.
    std::string url(const std::string& host = "127.0.0.1") const;
    /// What a user copies from Odoo into the box.
    std::string connection_token() const;
    /// The same as older databases write it: url|token|db_uuid|enterprise_code.
    std::string old_connection_token() const;

    // ---- faults; all of them while it runs ----

    /// Killed: connections are cut without a goodbye and new ones refused. The port stays ours.
    void stop();
    void start();
    /// Of the whole, until heal(); refuse() is stop() until then.
    void fault(Fault fault);
    /// Of one route ("/iot/setup", "/websocket"), until heal(path).
    void fault(const std::string& path, Fault fault);
    void heal();  ///< everything
    void heal(const std::string& path);
    /// Cuts what is connected, once; new connections are taken.
    void reset_connections();
    /// Of the Date header, relative to now.
    void clock_offset(std::chrono::seconds offset);
    /// For connections that begin from now on (https only).
    void use_certificate(const Certificate& identity);

    // ---- the bus ----

    /// Open WebSockets that have subscribed to the channel of a box.
    std::size_t connected_boxes() const;
    bool wait_for_box_connected(Patience limit = k_patience) const;
    bool wait_for_box_disconnected(Patience limit = k_patience) const;
    /// How many subscriptions there were in all.
    std::size_t subscriptions() const;
    /// Any text, as a frame to each open WebSocket; no notification of the bus.
    void send_frame(const std::string& text);
    /// A close frame with this code to each.
    void close_websockets(int code);

private:
    std::string own_url() const override { return url(); }
    void bus_changed() override;
    void sessions_ended() override { close_websockets(4001); }

    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::tests
