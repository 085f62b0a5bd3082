// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// odoo-double: the Odoo server of the tests as a program, for trying a box without Odoo. Not installed.
#include <httplib.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

#include "doubles/odoo_double_page.hpp"
#include "doubles/odoo_server.hpp"

namespace {

namespace json = boost::json;
using namespace backplane::tests;
using namespace std::chrono_literals;

std::string error_text(const std::string& body) {
    boost::system::error_code error;
    const json::value value = json::parse(body, error);
    if (error || !value.is_object()) return body.substr(0, 200);
    const json::value* text = value.as_object().if_contains("error");
    if (text && text->is_object()) text = text->as_object().if_contains("text");
    return text && text->is_string() ? std::string(text->as_string()) : json::serialize(value);
}

/// Gives the box the token, as its user would on its homepage, as soon as it listens.
void pair_box(const std::stop_token& stop, const std::string& box, const std::string& token,
              OdooDoublePage& page) {
    std::mutex mutex;
    std::condition_variable_any wake;
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    std::string came = "it does not answer";
    while (!stop.stop_requested() && std::chrono::steady_clock::now() < give_up) {
        httplib::Client client(box);
        client.set_connection_timeout(2s);
        client.set_read_timeout(10s);
        const auto answer =
            client.Post("/api/v1/odoo/pair", json::serialize(json::object{{"token", token}}),
                        "application/json");
        if (answer && answer->status == 200)
            return page.say("the box at " + box + " has taken the token");
        if (answer) came = std::to_string(answer->status) + ", " + error_text(answer->body);
        if (answer && answer->status < 500 && answer->status != 404) break;
        // It is starting: until it listens there is nothing to wait on but time.
        std::unique_lock lock(mutex);
        wake.wait_for(lock, stop, 300ms, [] { return false; });
    }
    if (!stop.stop_requested())
        page.say("the box at " + box + " could not be paired (" + came +
                 "): paste the token above into its homepage");
}

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t port = 8071;
    std::string tls_file, box, handlers;
    CLI::App app{
        "odoo-double: plays the Odoo server of a box, the pairing service and the certificate "
        "service, and shows what the box says. Listens on this computer only."};
    app.add_option("--port", port, "Port to listen on; 0 takes a free one")->capture_default_str();
    app.add_option("--tls", tls_file,
                   "Speak https, and write the certificate of the authority (PEM) to this file: it "
                   "goes into odoo.ca_file of the box");
    app.add_option("--pair", box,
                   "Give the connection token to this box, such as "
                   "http://127.0.0.1:8069");
    app.add_option("--deliver", handlers, "Folder or zip with plug-ins to deliver");
    CLI11_PARSE(app, argc, argv);

    // Before any thread is there, so that all of them leave these to sigwait() below.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    try {
        std::optional<Certificate> identity;
        if (!tls_file.empty()) {
            const CertificateAuthority authority;
            identity = authority.issue();
            std::ofstream file(tls_file);
            file << authority.pem();
            if (!file.flush()) throw std::runtime_error(tls_file + " cannot be written");
        }
        OdooServerOptions options;
        options.port = port;
        options.identity = identity ? &*identity : nullptr;
        options.database.remembered = 500;
        OdooServer server(options);
        OdooDoublePage page(server,
                            [](const std::string& line) { std::cout << line << std::endl; });
        if (!handlers.empty()) server.handlers(bundle_at(handlers));
        std::cout << "The stand-in for Odoo is at  " << server.url()
                  << "/  (a page with buttons)\n"
                     "Connection token for the box:\n  "
                  << server.connection_token() << std::endl;
        std::jthread pairing;
        if (!box.empty())
            pairing = std::jthread([&](const std::stop_token& stop) {
                pair_box(stop, box, server.connection_token(), page);
            });
        int signal = 0;
        sigwait(&ends, &signal);
        server.on_request({});
        server.stop();
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "odoo-double: " << error.what() << "\n";
        return 1;
    }
}
