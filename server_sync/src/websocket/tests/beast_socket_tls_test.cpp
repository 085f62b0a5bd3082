// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// wss: the server must prove who it is.
#include <fstream>
#include <future>

#include "support/temporary_folder.hpp"
#include "websocket/tests/socket_client.hpp"

namespace backplane::sync::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ASecureSocket : public ASocket {
protected:
    ASecureSocket() {
        options.ca_file = folder / "ca.pem";
        std::ofstream(options.ca_file) << authority.pem();
    }
    static RawSocketServer::Script hello() {
        return [](RawPeer& peer) {
            peer.upgrade();
            peer.frame(k_text, "[1]");
            peer.wait_for_end();
        };
    }
    static core::Result<Addresses> here(const std::string&) { return Addresses{"127.0.0.1"}; }

    tests::CertificateAuthority authority;
    backplane::tests::TemporaryFolder folder;
};

TEST_F(ASecureSocket, works_as_a_plain_one_and_names_the_server) {
    const auto identity = authority.issue({.names = {"shop.example.com"}});
    std::promise<std::string> name;
    RawSocketServer server(
        [&](RawPeer& peer) {
            name.set_value(peer.server_name);
            peer.upgrade();
            peer.frame(k_text, peer.read_frame().payload);
            peer.wait_for_end();
        },
        &identity);
    connect(server.url("shop.example.com"), here);
    on_open = [this] { socket->send("[7]"); };
    EXPECT_TRUE(until([this] { return !texts.empty() || closed; }));
    EXPECT_THAT(texts, ElementsAre("[7]"));
    EXPECT_EQ(name.get_future().get(), "shop.example.com");
    socket.reset();
    loop.restart();
    loop.run();
}

TEST_F(ASecureSocket, knows_a_server_by_its_address_too) {
    const auto identity = authority.issue({.names = {}, .addresses = {"127.0.0.1"}});
    RawSocketServer server(hello(), &identity);
    connect(server.url());
    EXPECT_TRUE(is_open()) << closed->why.text;
    socket.reset();
    loop.restart();
    loop.run();
}

TEST_F(ASecureSocket, talks_to_nobody_who_cannot_prove_his_name) {
    const auto other_name = authority.issue({.names = {"other.example.com"}, .addresses = {}});
    const auto own_word = tests::self_signed({.names = {"shop.example.com"}});
    const auto expired =
        authority.issue({.names = {"shop.example.com"}, .from = -2h, .until = -1h});
    const std::vector<std::pair<const tests::Certificate*, std::string>> cases{
        {&other_name, "made for another name"},
        {&own_word, "signed by nobody whom this box knows"},
        {&expired, "has expired"}};
    for (const auto& [identity, text] : cases) {
        RawSocketServer server(hello(), identity);
        closed.reset();
        connect(server.url("shop.example.com"), here);
        EXPECT_EQ(end(), "net.tls") << text;
        EXPECT_THAT(closed->why.text, HasSubstr(text));
    }
    EXPECT_EQ(opened, 0);
}

TEST_F(ASecureSocket, says_that_its_file_with_authorities_cannot_be_read) {
    const auto identity = authority.issue({.names = {"shop.example.com"}});
    RawSocketServer server(hello(), &identity);
    options.ca_file = folder / "none.pem";
    connect(server.url("shop.example.com"), here);
    EXPECT_EQ(end(), "net.tls");
    EXPECT_THAT(closed->why.text, HasSubstr("none.pem with authorities cannot be read"));
}

TEST_F(ASecureSocket, says_that_a_port_does_not_speak_tls) {
    RawSocketServer server([](RawPeer& peer) {
        peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.wait_for_end();
    });
    connect("wss://127.0.0.1:" + std::to_string(server.port()) + "/websocket");
    EXPECT_EQ(end(), "net.tls");
    EXPECT_THAT(closed->why.text, HasSubstr("check that this port of the Odoo server speaks TLS"));
}

TEST_F(ASecureSocket, does_not_wait_for_ever_for_the_handshake) {
    RawSocketServer server([](RawPeer& peer) { peer.wait_for_end(); });
    options.open = 100ms;
    connect("wss://127.0.0.1:" + std::to_string(server.port()) + "/websocket");
    EXPECT_EQ(end(), "net.timeout");
    EXPECT_THAT(closed->why.text, HasSubstr("did not take the connection in 100 ms"));
}

}  // namespace
}  // namespace backplane::sync::test
