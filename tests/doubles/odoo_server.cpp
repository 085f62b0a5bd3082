// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The port, the connections and their faults.
#include "doubles/odoo_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <thread>

#include "doubles/connection.hpp"
#include "doubles/http_exchange.hpp"

namespace backplane::tests {

namespace {
constexpr std::chrono::seconds k_greeting{10};
constexpr std::chrono::seconds k_idle{75};
using Kind = Fault::Kind;
}  // namespace

struct OdooServer::Impl {
    struct Worker {
        explicit Worker(core::Fd socket, std::shared_ptr<SSL_CTX> tls)
            : connection(std::make_unique<Connection>(std::move(socket), std::move(tls))) {}
        std::unique_ptr<Connection>
            connection;  ///< closed by its thread, under `mutex` of the server
        std::thread thread;
        std::atomic<bool> done{false};
    };

    Impl(OdooServer& its_owner, const OdooServerOptions& options)
        : owner(its_owner), rules(options.websocket), place(options.port) {
        if (options.identity) tls = tls_context(*options.identity);
        scheme = tls ? "https" : "http";
    }

    // ---- connections ----

    void listen() {
        const std::lock_guard switching(switch_mutex);
        if (listening) return;
        listener = place.listen();
        wake_listener.reset(::eventfd(0, EFD_CLOEXEC));
        acceptor = std::thread([this] { accept_all(); });
        listening = true;
    }

    void hang_up() {
        const std::lock_guard switching(switch_mutex);
        if (!listening) return;
        const std::uint64_t one = 1;
        (void)!::write(wake_listener.get(), &one, sizeof one);
        acceptor.join();
        listener.reset();
        listening = false;
        std::list<Worker> ended;
        {
            const std::lock_guard lock(mutex);
            for (auto& worker : workers)
                if (worker.connection) worker.connection->end(Connection::End::close);
            ended.swap(workers);
        }
        for (auto& worker : ended) worker.thread.join();
    }

    void accept_all() {
        for (;;) {
            std::array<pollfd, 2> polled{pollfd{listener.get(), POLLIN, 0},
                                         pollfd{wake_listener.get(), POLLIN, 0}};
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
            if (polled[1].revents) return;
            core::Fd socket(
                ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (socket) take(std::move(socket));
        }
    }

    void take(core::Fd socket) {
        std::list<Worker> over;
        const std::lock_guard lock(mutex);
        for (auto worker = workers.begin(); worker != workers.end();) {
            const auto next = std::next(worker);
            if (worker->done) over.splice(over.end(), workers, worker);
            worker = next;
        }
        for (auto& worker : over) worker.thread.join();
        Worker& worker = workers.emplace_back(std::move(socket), tls);
        worker.thread = std::thread([this, &worker] {
            serve(*worker.connection);
            std::unique_ptr<Connection> closed;
            {
                const std::lock_guard closing(mutex);
                closed = std::move(worker.connection);
            }
            closed.reset();
            worker.done = true;
        });
    }

    template <class Do>
    void each_connection(Do do_it) {
        const std::lock_guard lock(mutex);
        for (auto& worker : workers)
            if (worker.connection) do_it(*worker.connection);
    }
    void wake_all() {
        each_connection([](Connection& connection) { connection.wake(); });
    }

    // ---- one connection ----

    /// Waits while it is a black hole. False when this connection is over.
    bool thaw(Connection& connection, const std::string& path) {
        while (faults.of(path).kind == Kind::black_hole)
            if (!connection.pause_until_woken()) return false;
        return !connection.ended();
    }

    void serve(Connection& connection) {
        if (faults.of("").kind == Kind::reset) return connection.end(Connection::End::reset);
        // It may have waited in the queue of the system while nobody was to be reached.
        if (connection.has_left()) return;
        if (!thaw(connection, "") || !connection.greet(k_greeting)) return;
        for (;;) {
            auto read = read_request(connection, k_idle);
            if (!read) return;
            const ReceivedRequest& request = read->request;
            if (!thaw(connection, request.path)) return;
            if (wants_websocket(request) && request.path == "/websocket")
                return serve_websocket(connection, request);
            Answer answer = answer_with_faults(connection, request);
            if (!read->keep_alive) answer.last = true;
            if (!write_answer(connection, answer, date(), request.method == "HEAD"))
                return connection.finish();
        }
    }

    Answer answer_with_faults(Connection& connection, const ReceivedRequest& request) {
        const Fault fault = faults.of(request.path);
        if (fault.kind == Kind::reset) return Answer::reset();
        owner.note(request);
        if (fault.kind == Kind::page) return Answer::status(fault.status);
        Answer answer = owner.answer(request);
        owner.told(request, answer);
        switch (fault.kind) {
            case Kind::slow:
                connection.pause(fault.delay);
                break;
            case Kind::half:
                answer.kind = Answer::Kind::truncated;
                answer.keep = answer.body.size() / 2;
                break;
            case Kind::lost_answer:
                return Answer::reset();
            case Kind::wrong_json:
                return Answer::json(R"({"jsonrpc": "2.0", "id": null, "result": [)");
            default:
                break;
        }
        return answer;
    }

    void serve_websocket(Connection& connection, const ReceivedRequest& request) {
        const Fault fault = faults.of(request.path);
        if (fault.kind == Kind::reset) return connection.end(Connection::End::reset);
        owner.note(request);
        Answer answer =
            owner.belongs_to_a_database(request) ? answer_to_upgrade(request) : Answer::status(404);
        if (fault.kind == Kind::page) answer = Answer::status(fault.status);
        if (fault.kind == Kind::slow && !connection.pause(fault.delay)) return;
        if (answer.code != 101) answer.last = true;
        owner.told(request, answer);
        if (!write_answer(connection, answer, date(), false)) return connection.finish();
        WebSocketSession session(
            connection, request,
            {owner.bus(), faults, rules, [this](const WebSocketSession&, const BusSubscription&) {
                 ++subscriptions;
                 owner.changed();
             }});
        {
            const std::lock_guard lock(mutex);
            sessions.push_back(&session);
        }
        session.run();
        {
            const std::lock_guard lock(mutex);
            std::erase(sessions, &session);
        }
        owner.changed();
    }

    std::string date() const {
        return http_date(std::chrono::system_clock::now() + std::chrono::seconds(offset));
    }

    OdooServer& owner;
    const WebSocketRules rules;
    const Port place;
    std::string scheme;
    Faults faults;
    std::atomic<std::int64_t> offset{0};
    std::atomic<std::size_t> subscriptions{0};

    std::mutex switch_mutex;  // before `mutex`
    // guarded by switch_mutex
    bool listening = false;
    core::Fd listener, wake_listener;
    std::thread acceptor;

    std::mutex mutex;
    // guarded by mutex
    std::shared_ptr<SSL_CTX> tls;
    std::list<Worker> workers;
    std::vector<WebSocketSession*> sessions;
};

OdooServer::OdooServer() : OdooServer(OdooServerOptions{}) {}

OdooServer::OdooServer(const Certificate& identity)
    : OdooServer(OdooServerOptions{&identity, 0, {}, {}}) {}

OdooServer::OdooServer(const OdooServerOptions& options)
    : OdooDatabase(options.database), impl_(std::make_unique<Impl>(*this, options)) {
    impl_->listen();
}

OdooServer::~OdooServer() {
    impl_->hang_up();
}

std::uint16_t OdooServer::port() const noexcept {
    return impl_->place.number();
}

std::string OdooServer::url(const std::string& host) const {
    return impl_->scheme + "://" + host + ":" + std::to_string(port());
}

std::string OdooServer::connection_token() const {
    const OdooSettings& database = settings();
    std::string token = url() + "?token=" + database.token + "&db_uuid=" + database.db_uuid +
                        "&enterprise_code=" + database.enterprise_code;
    if (database.databases.size() > 1) token += "&db_name=" + database.databases.front();
    return token;
}

std::string OdooServer::old_connection_token() const {
    const OdooSettings& database = settings();
    return url() + "|" + database.token + "|" + database.db_uuid + "|" + database.enterprise_code;
}

void OdooServer::stop() {
    impl_->hang_up();
}

void OdooServer::start() {
    impl_->listen();
}

void OdooServer::fault(Fault fault) {
    this->fault("", fault);
}

void OdooServer::fault(const std::string& path, Fault fault) {
    impl_->faults.set(path, fault);
    if (fault.kind == Kind::refuse) return stop();
    if (path.empty()) start();
    if (path.empty() && fault.kind == Kind::reset)
        impl_->each_connection(
            [](Connection& connection) { connection.end(Connection::End::reset); });
    impl_->wake_all();
}

void OdooServer::heal() {
    impl_->faults.clear();
    start();
    impl_->wake_all();
}

void OdooServer::heal(const std::string& path) {
    impl_->faults.clear(path);
    if (path.empty()) start();
    impl_->wake_all();
}

void OdooServer::reset_connections() {
    impl_->each_connection([](Connection& connection) { connection.end(Connection::End::reset); });
}

void OdooServer::clock_offset(std::chrono::seconds offset) {
    impl_->offset = offset.count();
}

void OdooServer::use_certificate(const Certificate& identity) {
    auto context = tls_context(identity);
    const std::lock_guard lock(impl_->mutex);
    impl_->tls = std::move(context);
}

std::size_t OdooServer::connected_boxes() const {
    const std::lock_guard lock(impl_->mutex);
    return static_cast<std::size_t>(
        std::count_if(impl_->sessions.begin(), impl_->sessions.end(),
                      [](const WebSocketSession* session) { return session->is_of_box(); }));
}

bool OdooServer::wait_for_box_connected(Patience limit) const {
    return wait([this] { return connected_boxes() > 0; }, limit);
}

bool OdooServer::wait_for_box_disconnected(Patience limit) const {
    return wait([this] { return connected_boxes() == 0; }, limit);
}

std::size_t OdooServer::subscriptions() const {
    return impl_->subscriptions;
}

void OdooServer::send_frame(const std::string& text) {
    const std::lock_guard lock(impl_->mutex);
    for (WebSocketSession* session : impl_->sessions) session->send_raw(text);
}

void OdooServer::close_websockets(int code) {
    const std::lock_guard lock(impl_->mutex);
    for (WebSocketSession* session : impl_->sessions) session->close(code);
}

void OdooServer::bus_changed() {
    impl_->wake_all();
}

}  // namespace backplane::tests
