// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The same server over TLS: exchanges, and what it shows of itself.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <stdexcept>

#include "running_server.hpp"
#include "tls_pair.hpp"

namespace backplane::core {
namespace {

using namespace test;  // NOLINT: a test's own helpers
using testing::HasSubstr;

/// One authority for all tests; its clients accept nothing else.
const tests::CertificateAuthority& authority() {
    static const tests::CertificateAuthority one;
    return one;
}

HttpClient::Tls trusting() {
    HttpClient::Tls tls;
    tls.authority_pem = authority().pem();
    return tls;
}

std::string handshake_failure(RunningServer& server, const HttpClient::Tls& tls) {
    try {
        (void)server.connect_tls(tls);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "there was none";
}

std::string shown_serial(const HttpClient& client) {
    const std::unique_ptr<X509, tests::FreeX509> shown{SSL_get1_peer_certificate(client.ssl())};
    return shown ? std::to_string(ASN1_INTEGER_get(X509_get0_serialNumber(shown.get()))) : "none";
}

/// Keeps the exchanges of "/poll…", echoes the others.
class AnHttpsServer : public testing::Test {
protected:
    AnHttpsServer()
        : server_([this](HttpExchangePtr exchange) {
              if (exchange->request().path.starts_with("/poll")) {
                  exchange->on_gone([this] { ++gone_; });
                  kept_.push_back(std::move(exchange));
              } else if (exchange->request().path == "/tls") {
                  exchange->respond(text_response(exchange->request().tls ? "tls" : "clear"));
              } else if (exchange->request().path == "/large") {
                  exchange->respond(text_response(std::string(3u << 20, 'L')));
              } else {
                  echo(exchange);
              }
          }) {
        use(authority().issue());
        server_.listen_tls();
    }
    ~AnHttpsServer() override {
        server_.on_loop([this] { kept_.clear(); });
    }
    Result<void> use(const TlsIdentity& identity) {
        return server_.on_loop([&] { return server_.server().use_identity(identity); });
    }
    void use(const tests::Certificate& certificate) {
        const auto used = use(identity_of(certificate));
        if (!used) throw std::runtime_error(used.error().text);
    }
    std::string error_of(const TlsIdentity& identity) {
        const auto used = use(identity);
        return used ? "no error" : used.error().code + ": " + used.error().text;
    }
    bool wait_for_exchanges(std::size_t count) {
        return server_.eventually([this, count] { return kept_.size() == count; });
    }

    std::vector<HttpExchangePtr> kept_;
    int gone_ = 0;
    RunningServer server_;
};

TEST_F(AnHttpsServer, answers_over_a_connection_that_its_client_trusts) {
    auto client = server_.connect_tls(trusting());
    const Answer answer = client.ask(get("/hello?a=1"));
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.body, "GET /hello?a=1|");
}

TEST_F(AnHttpsServer, says_in_the_request_how_it_came) {
    server_.listen();
    EXPECT_EQ(server_.connect_tls(trusting()).ask(get("/tls")).body, "tls");
    EXPECT_EQ(server_.connect().ask(get("/tls")).body, "clear");
}

TEST_F(AnHttpsServer, answers_one_request_after_the_other_on_one_connection) {
    auto client = server_.connect_tls(trusting());
    for (int i = 0; i < 50; ++i) {
        const std::string path = "/" + std::to_string(i);
        ASSERT_EQ(client.ask(get(path)).body, "GET " + path + "?|");
    }
    EXPECT_EQ(server_.statistics().accepted, 1u);
}

TEST_F(AnHttpsServer, answers_requests_that_came_in_one_record) {
    auto client = server_.connect_tls(trusting());
    std::string many;
    for (int i = 0; i < 100; ++i) many += get("/" + std::to_string(i));
    client.send(many);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(client.read().body, "GET /" + std::to_string(i) + "?|");
}

TEST_F(AnHttpsServer, takes_a_body_of_many_records) {
    auto client = server_.connect_tls(trusting());
    std::string body(9u << 20, 'x');
    for (std::size_t i = 0; i < body.size(); i += 4099) body[i] = static_cast<char>('a' + i % 26);
    const Answer answer = client.ask(post("/body", body));
    EXPECT_EQ(answer.status, 200u);
    EXPECT_TRUE(answer.body == "POST /body?|" + body) << answer.body.size();
}

TEST_F(AnHttpsServer, sends_an_answer_larger_than_what_the_network_takes_at_once) {
    auto client = server_.connect_tls(trusting());
    client.send(get("/large") + get("/after"));
    EXPECT_TRUE(client.read().body == std::string(3u << 20, 'L'));
    EXPECT_EQ(client.read().body, "GET /after?|");
}

TEST_F(AnHttpsServer, lets_a_long_poll_wait_and_answers_it_later) {
    auto client = server_.connect_tls(trusting());
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([this] { kept_.at(0)->respond(text_response("an event")); });
    EXPECT_EQ(client.read().body, "an event");
    EXPECT_EQ(client.ask(get("/next")).body, "GET /next?|");
}

TEST_F(AnHttpsServer, sends_a_stream_piece_by_piece) {
    auto client = server_.connect_tls(trusting());
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([this] { kept_.at(0)->begin_stream({}); });
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
    for (int i = 0; i < 5; ++i) {
        const std::string piece = "piece " + std::to_string(i) + ";";
        EXPECT_TRUE(server_.on_loop([&] { return kept_.at(0)->write(piece); }));
        EXPECT_THAT(client.read_until(";"), HasSubstr(piece));
    }
    server_.on_loop([this] { kept_.at(0)->close(); });
    EXPECT_EQ(client.read_until("0\r\n\r\n"), "\r\n0\r\n\r\n");
}

TEST_F(AnHttpsServer, sends_a_stream_whole_to_a_client_that_reads_late) {
    auto client = server_.connect_tls(trusting());
    client.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    server_.on_loop([this] { kept_.at(0)->begin_stream({}); });
    client.read_until("\r\n\r\n");
    // More than the kernel's buffers hold: some of it waits, grows, and is tried again.
    std::size_t written = 0, read = 0;
    for (int i = 0; i < 400; ++i) {
        std::string piece(10'000, static_cast<char>('a' + i % 26));
        if (!server_.on_loop([&] { return kept_.at(0)->write(std::move(piece)); })) break;
        written += 10'000;
        // A little now and then, so that it is not cut off.
        while (written - read > 600'000) read += client.read_until("\r\n").size() - 2;
    }
    EXPECT_EQ(written, 4'000'000u);
    server_.on_loop([this] { kept_.at(0)->close(); });
    EXPECT_THAT(client.read_until("\r\n0\r\n\r\n"), testing::EndsWith("\r\n0\r\n\r\n"));
}

TEST_F(AnHttpsServer, tells_when_its_client_leaves_while_it_waits) {
    auto polite = server_.connect_tls(trusting());
    auto rude = server_.connect_tls(trusting());
    polite.send(get("/poll"));
    rude.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(2));
    SSL_shutdown(polite.ssl());
    EXPECT_TRUE(server_.eventually([this] { return gone_ == 1; }));
    rude.close();
    EXPECT_TRUE(server_.eventually([this] { return gone_ == 2; }));
    EXPECT_EQ(server_.statistics().malformed, 0u) << "leaving is nothing bad";
}

TEST_F(AnHttpsServer, ends_a_connection_with_a_farewell) {
    auto client = server_.connect_tls(trusting());
    EXPECT_EQ(client.ask(get("/", "Connection: close\r\n")).status, 200u);
    EXPECT_TRUE(client.is_closed());
    EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_F(AnHttpsServer, lets_answers_go_out_when_it_stops) {
    auto waiting = server_.connect_tls(trusting());
    auto idle = server_.connect_tls(trusting());
    EXPECT_EQ(idle.ask(get("/")).status, 200u);
    waiting.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));
    std::promise<void> stopped;
    server_.on_loop(
        [&] { server_.server().stop(std::chrono::seconds{20}, [&] { stopped.set_value(); }); });
    EXPECT_TRUE(idle.is_closed());
    server_.on_loop([this] { kept_.at(0)->respond(text_response("the last")); });
    EXPECT_EQ(waiting.read().body, "the last");
    EXPECT_TRUE(waiting.is_closed());
    EXPECT_EQ(stopped.get_future().wait_for(k_patience), std::future_status::ready);
}

TEST_F(AnHttpsServer, speaks_tls_1_2_and_1_3) {
    auto newest = server_.connect_tls(trusting());
    EXPECT_STREQ(SSL_get_version(newest.ssl()), "TLSv1.3");
    auto older = trusting();
    older.newest_version = TLS1_2_VERSION;
    auto client = server_.connect_tls(older);
    EXPECT_STREQ(SSL_get_version(client.ssl()), "TLSv1.2");
    EXPECT_EQ(client.ask(get("/")).status, 200u);
    EXPECT_THAT(SSL_get_cipher_name(client.ssl()), HasSubstr("ECDHE"));
}

TEST_F(AnHttpsServer, refuses_tls_1_1) {
    auto old = trusting();
    old.newest_version = TLS1_1_VERSION;
    EXPECT_THAT(handshake_failure(server_, old), HasSubstr("alert protocol version"));
    EXPECT_TRUE(server_.eventually_statistics([](const auto& s) { return s.open == 0; }));
}

TEST_F(AnHttpsServer, does_not_renegotiate) {
    auto older = trusting();
    older.newest_version = TLS1_2_VERSION;
    auto client = server_.connect_tls(older);
    ASSERT_EQ(client.ask(get("/")).status, 200u);
    SSL_renegotiate(client.ssl());
    EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
}

TEST_F(AnHttpsServer, agrees_on_http_1_1_and_on_nothing_else) {
    auto browser = trusting();
    browser.alpn = "\x02h2\x08http/1.1";
    auto client = server_.connect_tls(browser);
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(client.ssl(), &chosen, &length);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), length), "http/1.1");

    auto only_h2 = trusting();
    only_h2.alpn = "\x02h2";
    EXPECT_THAT(handshake_failure(server_, only_h2), HasSubstr("no application protocol"));
}

TEST_F(AnHttpsServer, resumes_a_session) {
    auto first = server_.connect_tls(trusting());
    EXPECT_EQ(first.ask(get("/")).status, 200u);  // the ticket comes before the answer
    const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session{
        SSL_get1_session(first.ssl()), &SSL_SESSION_free};
    auto again = trusting();
    again.resume = session.get();
    auto second = server_.connect_tls(again);
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
    EXPECT_EQ(second.ask(get("/")).status, 200u);
}

TEST_F(AnHttpsServer, shows_a_new_identity_to_new_clients_and_keeps_the_open_long_poll) {
    const auto old_one = authority().issue();
    use(old_one);
    auto waiting = server_.connect_tls(trusting());
    const std::string old_serial = shown_serial(waiting);
    waiting.send(get("/poll"));
    ASSERT_TRUE(wait_for_exchanges(1));

    use(authority().issue());
    auto later = server_.connect_tls(trusting());
    EXPECT_NE(shown_serial(later), old_serial);
    EXPECT_EQ(later.ask(get("/")).status, 200u);

    server_.on_loop([this] { kept_.at(0)->respond(text_response("an event")); });
    EXPECT_EQ(waiting.read().body, "an event");
    EXPECT_EQ(waiting.ask(get("/still")).body, "GET /still?|") << "the old connection goes on";
    EXPECT_EQ(gone_, 0);
}

TEST_F(AnHttpsServer, keeps_its_identity_when_the_new_key_belongs_to_another_certificate) {
    const std::string before = shown_serial(server_.connect_tls(trusting()));
    TlsIdentity mixed = identity_of(authority().issue());
    mixed.key_pem = authority().issue().private_key_pem();
    EXPECT_EQ(
        error_of(mixed),
        "http.identity: this certificate cannot be used for HTTPS: its private key belongs to "
        "another certificate; give both files of one pair");
    EXPECT_EQ(shown_serial(server_.connect_tls(trusting())), before);
}

TEST_F(AnHttpsServer, says_what_is_wrong_with_files_that_it_cannot_use) {
    const TlsIdentity good = identity_of(authority().issue());
    EXPECT_THAT(error_of({"", good.key_pem}),
                HasSubstr("certificate 1 of its file is not readable as PEM"));
    EXPECT_THAT(error_of({good.certificates_pem, "garbage"}),
                HasSubstr("its private key is not readable as PEM"));
    EXPECT_THAT(error_of({good.certificates_pem +
                              "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                          good.key_pem}),
                HasSubstr("certificate 2 of its file is not readable as PEM"));
    EXPECT_THAT(error_of({std::string(1u << 20, 'x'), good.key_pem}), HasSubstr("larger than"));
    std::string many;
    for (int i = 0; i < 20; ++i) many += good.certificates_pem;
    EXPECT_THAT(error_of({many, good.key_pem}), HasSubstr("more than 16 certificates"));
}

TEST_F(AnHttpsServer, does_not_ask_the_terminal_for_the_password_of_a_key) {
    const auto certificate = authority().issue();
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory{BIO_new(BIO_s_mem()), &BIO_free};
    static const unsigned char k_word[] = "secret";
    ASSERT_EQ(PEM_write_bio_PrivateKey(memory.get(), certificate.key.get(), EVP_aes_128_cbc(),
                                       k_word, 6, nullptr, nullptr),
              1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    EXPECT_THAT(error_of({certificate.pem(), std::string(text, static_cast<std::size_t>(size))}),
                HasSubstr("is protected by a password"));
}

TEST_F(AnHttpsServer, shows_the_certificates_between_its_own_and_the_authority) {
    TlsIdentity chain = identity_of(authority().issue());
    chain.certificates_pem += authority().pem();
    ASSERT_EQ(error_of(chain), "no error");
    auto client = server_.connect_tls(trusting());
    EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.ssl())), 2);
}

TEST_F(AnHttpsServer, takes_over_a_socket_of_the_service_manager) {
    Fd listening{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening.get(), 8), 0);
    socklen_t length = sizeof address;
    ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &length);
    const int fd = listening.release();
    const auto added = server_.on_loop([&] { return server_.server().listen_fd(fd, true); });
    ASSERT_TRUE(added) << added.error().text;
    auto client = HttpClient::tls(ntohs(address.sin_port), trusting());
    EXPECT_EQ(client.ask(get("/tls")).body, "tls");
}

TEST(AnHttpsServerWithoutAnIdentity, ends_the_handshake_with_an_alert) {
    RunningServer server{echo};
    server.listen_tls();
    EXPECT_THAT(handshake_failure(server, {}), HasSubstr("alert internal error"));
    EXPECT_EQ(server.statistics().open, 0u);
}

}  // namespace
}  // namespace backplane::core
