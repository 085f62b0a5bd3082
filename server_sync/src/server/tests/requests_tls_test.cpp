// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which servers a lane believes, and where it lets itself be sent.
#include "doubles/certificates.hpp"
#include "doubles/odoo_server.hpp"
#include "handlers/tests/downloads.hpp"
#include "server/tests/lanes.hpp"
#include "server/tests/wire_server.hpp"

namespace backplane::sync::test {
namespace {

using backplane::tests::Certificate;
using backplane::tests::CertificateAuthority;
using backplane::tests::CertificateWish;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ALaneToAnEncryptedServer : public Lanes {
protected:
    ALaneToAnEncryptedServer() {
        options.ca_file = ca_file.path();
        options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
            return std::vector<std::string>{"127.0.0.1"};
        };
    }
    /// The text of the refusal of a server with this certificate, which has not been told a thing.
    std::string refusal_of(const Certificate& certificate) {
        OdooServer server(certificate);
        lane_.reset();
        const auto error =
            error_of(post(server.url("shop.example.com") + "/iot/setup", "{\"token\": 1}"));
        EXPECT_EQ(error.code, "net.tls");
        EXPECT_THAT(error.text,
                    HasSubstr("the certificate that " + server.url("shop.example.com") + " shows"));
        EXPECT_THAT(server.requests(), IsEmpty());
        lane_.reset();
        return error.text;
    }
    static CertificateWish named(std::string name) {
        CertificateWish wish;
        wish.names = {std::move(name)};
        return wish;
    }

    CertificateAuthority authority;
    TemporaryFile ca_file{authority.pem()};
};

TEST_F(ALaneToAnEncryptedServer, does_not_believe_a_wrong_certificate) {
    EXPECT_THAT(refusal_of(authority.issue(named("other.example.com"))),
                HasSubstr("is made for another name"));
    EXPECT_THAT(refusal_of(tests::self_signed(named("shop.example.com"))),
                HasSubstr("signed by nobody whom this box knows"));
    EXPECT_THAT(refusal_of(CertificateAuthority().issue(named("shop.example.com"))),
                HasSubstr("signed by nobody whom this box knows"));
    CertificateWish old = named("shop.example.com");
    old.from = -48h;
    old.until = -24h;
    EXPECT_THAT(refusal_of(authority.issue(old)),
                AllOf(HasSubstr("has expired"), HasSubstr("the clock of the box")));
    CertificateWish early = named("shop.example.com");
    early.from = 24h;
    early.until = 48h;
    EXPECT_THAT(refusal_of(authority.issue(early)), HasSubstr("is not valid yet"));
}

TEST_F(ALaneToAnEncryptedServer, does_without_a_server_when_the_authorities_cannot_be_read) {
    options.ca_file = "/nonexistent/ca.pem";
    OdooServer server(authority.issue());
    const auto error = error_of(get(server.url()));
    EXPECT_EQ(error.code, "net.tls");
    EXPECT_THAT(error.text, HasSubstr("the certificates in /nonexistent/ca.pem cannot be read"));
    EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(ALaneToAnEncryptedServer, does_not_talk_to_one_that_knows_no_tls) {
    WireServer server([](const auto&) { return std::nullopt; }, "HTTP/1.1 400 Bad Request\r\n\r\n");
    const auto error = error_of(get("https://127.0.0.1:" + std::to_string(server.port())));
    EXPECT_EQ(error.code, "net.tls");
    EXPECT_THAT(error.text, HasSubstr("no encrypted connection (TLS 1.2 or newer)"));
}

TEST_F(ALaneToAnEncryptedServer, believes_one_with_a_certificate_of_the_own_authority) {
    OdooServer server(authority.issue(named("shop.example.com")));
    server.script({tests::Answer::zip("one"), tests::Answer::zip("two")});
    const std::string url = server.url("shop.example.com") + "/iot/get_handlers";
    EXPECT_EQ(body_of(post(url, "identifier=x", "application/x-www-form-urlencoded")), "one");
    EXPECT_EQ(body_of(post(url, "identifier=x", "application/x-www-form-urlencoded")), "two");
    lane_.reset();
}

TEST_F(ALaneToAnEncryptedServer, is_not_sent_back_to_plain_http) {
    OdooServer plain;
    OdooServer server(authority.issue());
    server.script({tests::Answer::redirect(plain.url() + "/iot/get_handlers")});
    auto request = post(server.url() + "/iot/get_handlers", "");
    request.redirects = 3;
    const auto error = error_of(request);
    EXPECT_EQ(error.code, "net.redirect");
    EXPECT_THAT(error.text, HasSubstr("which is not encrypted, and the box does not follow"));
    EXPECT_THAT(plain.requests(), IsEmpty());
    lane_.reset();
}

TEST_F(ALaneToAnEncryptedServer, is_where_plain_http_may_send_it) {
    OdooServer server(authority.issue());
    server.handlers("the archive");
    OdooServer plain;
    plain.script({tests::Answer::redirect(server.url() + "/iot/get_handlers")});
    auto request =
        post(plain.url() + "/iot/get_handlers", "auto=False", "application/x-www-form-urlencoded");
    request.redirects = 1;
    EXPECT_EQ(body_of(request), "the archive");
    EXPECT_EQ(server.requests().at(0).method, "POST");
    EXPECT_EQ(server.requests().at(0).body, "auto=False");
    lane_.reset();
}

class ARedirectedLane : public Lanes {
protected:
    ServerRequest request(unsigned redirects) {
        auto out = post(server.url() + "/iot/get_handlers", "");
        out.redirects = redirects;
        return out;
    }
    OdooServer server;
};

TEST_F(ARedirectedLane, does_not_go_to_another_server) {
    OdooServer other;
    server.script({tests::Answer::redirect(other.url("localhost") + "/iot/get_handlers")});
    const auto error = error_of(request(3));
    EXPECT_EQ(error.code, "net.redirect");
    EXPECT_THAT(error.text, AllOf(HasSubstr("another server, to which the box does not follow"),
                                  HasSubstr(other.url("localhost"))));
    EXPECT_THAT(other.requests(), IsEmpty());
    lane_.reset();
}

TEST_F(ARedirectedLane, does_not_go_in_circles) {
    server.script(std::vector(3, tests::Answer::redirect("/iot/get_handlers", 307)));
    const auto error = error_of(request(2));
    EXPECT_EQ(error.code, "net.redirect");
    EXPECT_THAT(error.text, HasSubstr("redirects the request more than 2 times"));
    EXPECT_THAT(server.requests(), SizeIs(3));
    lane_.reset();
}

TEST_F(ARedirectedLane, does_not_go_nowhere) {
    server.script({tests::Answer::redirect("mailto:a@b")});
    const auto error = error_of(request(1));
    EXPECT_EQ(error.code, "net.redirect");
    EXPECT_THAT(error.text, HasSubstr("which is not an address"));
    lane_.reset();
}

TEST_F(ARedirectedLane, takes_it_for_an_answer_when_it_is_not_to_follow) {
    server.script({tests::Answer::redirect("/elsewhere", 302)});
    const auto answer = ask(request(0));
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(answer->status, 302);
    EXPECT_EQ(answer->header("location"), "/elsewhere");
    lane_.reset();
}

}  // namespace
}  // namespace backplane::sync::test
