// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which servers are believed to be the right one.
#include "doubles/bad_ports.hpp"
#include "handlers/tests/downloads.hpp"
#include "server/tests/wire_server.hpp"

namespace backplane::sync::test {
namespace {

using backplane::tests::Certificate;
using backplane::tests::CertificateAuthority;
using backplane::tests::CertificateWish;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AnEncryptedServer : public Downloads {
protected:
    AnEncryptedServer() {
        options.ca_file = ca_file.path();
        options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
            return std::vector<std::string>{"127.0.0.1"};
        };
    }

    /// The error of a server with this certificate, which has not been told a thing.
    core::Error error_with(const Certificate& certificate, const std::string& host) {
        OdooServer server(certificate);
        server.handlers(zip_of(10));
        ask_at(server.url(host));
        const auto error = error_of();
        EXPECT_EQ(error.code, "E_NET");
        EXPECT_THAT(error.text, HasSubstr("the certificate that " + server.url(host) + " shows"));
        EXPECT_THAT(server.requests(), IsEmpty());
        source.reset();
        return error;
    }
    void expect_archive(const Certificate& certificate, const std::string& host) {
        OdooServer server(certificate);
        server.handlers(zip_of(300'000));
        ask_at(server.url(host));
        const auto came = fetch();
        ASSERT_TRUE(came) << came.error().text;
        EXPECT_EQ(text_of(came->bytes), zip_of(300'000));
        EXPECT_EQ(source->warning(), "");
        source.reset();
    }
    static CertificateWish named(std::vector<std::string> names) {
        CertificateWish wish;
        wish.names = std::move(names);
        return wish;
    }

    CertificateAuthority authority;
    TemporaryFile ca_file{authority.pem()};
};

TEST_F(AnEncryptedServer, is_not_believed_with_a_certificate_for_another_name) {
    for (const char* name : {"other.example.com", "example.com", "shop.example.com.evil.example",
                             "*.com", "*.example.org", "s*.example.com", "a.shop.example.com"})
        EXPECT_THAT(error_with(authority.issue(named({name})), "shop.example.com").text,
                    AllOf(HasSubstr("is made for another name"),
                          HasSubstr("use the name in the certificate")))
            << name;
}

TEST_F(AnEncryptedServer, is_not_believed_at_an_address_that_its_certificate_does_not_have) {
    CertificateWish wish;
    wish.names = {"127.0.0.1"};  // as a name, which it is not
    wish.addresses = {"127.0.0.2"};
    EXPECT_THAT(error_with(authority.issue(wish), "127.0.0.1").text,
                HasSubstr("is made for another name"));
}

TEST_F(AnEncryptedServer, is_not_believed_with_a_certificate_that_it_has_signed_itself) {
    EXPECT_THAT(
        error_with(tests::self_signed(named({"shop.example.com"})), "shop.example.com").text,
        AllOf(HasSubstr("signed by nobody whom this box knows"),
              HasSubstr("the certificate of your own authority")));
}

TEST_F(AnEncryptedServer, is_not_believed_with_a_certificate_of_a_stranger) {
    const CertificateAuthority stranger;
    EXPECT_THAT(error_with(stranger.issue(named({"shop.example.com"})), "shop.example.com").text,
                HasSubstr("signed by nobody whom this box knows"));
    options.ca_file.clear();
    EXPECT_THAT(error_with(authority.issue(named({"shop.example.com"})), "shop.example.com").text,
                HasSubstr("signed by nobody whom this box knows"));
}

TEST_F(AnEncryptedServer, is_not_believed_with_an_expired_certificate) {
    CertificateWish wish = named({"shop.example.com"});
    wish.from = -48h;
    wish.until = -24h;
    EXPECT_THAT(error_with(authority.issue(wish), "shop.example.com").text,
                AllOf(HasSubstr("has expired"), HasSubstr("the clock of the box")));
}

TEST_F(AnEncryptedServer, is_not_believed_with_a_certificate_of_tomorrow) {
    CertificateWish wish = named({"shop.example.com"});
    wish.from = 24h;
    wish.until = 48h;
    EXPECT_THAT(error_with(authority.issue(wish), "shop.example.com").text,
                HasSubstr("is not valid yet"));
}

TEST_F(AnEncryptedServer, is_not_asked_when_the_authorities_cannot_be_read) {
    options.ca_file = "/nonexistent/ca.pem";
    OdooServer server(authority.issue());
    ask_at(server.url());
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("the certificates in /nonexistent/ca.pem cannot be read"));
    EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(AnEncryptedServer, is_not_one_that_talks_plain_http) {
    const WireServer server([](const auto&) { return std::nullopt; },
                            "HTTP/1.1 400 Bad Request\r\n\r\n");
    ask_at("https://127.0.0.1:" + std::to_string(server.port()));
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("no encrypted connection"));
}

TEST_F(AnEncryptedServer, is_given_up_when_it_is_silent_in_the_middle_of_the_handshake) {
    const tests::RawServer raw([](const auto& talk) {
        while (talk("")) {
        }
    });
    options.limits.slow_for = 300ms;
    ask_at("https://127.0.0.1:" + std::to_string(raw.port()));
    EXPECT_EQ(error_of().code, "E_SLOW");
}

TEST_F(AnEncryptedServer, is_given_up_when_it_is_silent_after_the_handshake) {
    OdooServer server(authority.issue());
    server.script({Answer::silence(), Answer::drip(zip_of(1000), 1)});
    options.limits.slow_for = 400ms;
    ask_at(server.url());
    EXPECT_THAT(error_of().text, HasSubstr("has sent nothing for 400 ms"));
    EXPECT_THAT(error_of().text, HasSubstr("less than 1 KiB per second"));
}

TEST_F(AnEncryptedServer, breaks_off_in_the_middle_of_the_body) {
    OdooServer server(authority.issue());
    server.script({Answer::truncated(zip_of(100'000))});
    ask_at(server.url());
    EXPECT_THAT(error_of().text, HasSubstr("broke off after 50000 of 100000 bytes"));
}

TEST_F(AnEncryptedServer, is_left_at_once_when_the_source_is_destroyed) {
    OdooServer server(authority.issue());
    server.script({Answer::silence()});
    ask_at(server.url());
    source->fetch({}, {}, [](const Result&) { ADD_FAILURE() << "called after its end"; });
    ASSERT_TRUE(server.wait_for_requests(1));
    const auto begin = std::chrono::steady_clock::now();
    source.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    loop.run_for(50ms);
}

TEST_F(AnEncryptedServer, may_not_send_the_box_back_to_plain_http) {
    OdooServer plain;
    OdooServer server(authority.issue());
    server.script({Answer::redirect(plain.url() + "/iot/get_handlers")});
    ask_at(server.url());
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, HasSubstr("which is not encrypted, and the box does not follow"));
    EXPECT_THAT(plain.requests(), IsEmpty());
}

TEST_F(AnEncryptedServer, is_where_plain_http_may_send_the_box) {
    OdooServer server(authority.issue());
    server.handlers(zip_of(10));
    OdooServer plain;
    plain.script({Answer::redirect(server.url() + "/iot/get_handlers")});
    ask_at(plain.url());
    const auto came = fetch();
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(came->kind, Kind::archive);
    EXPECT_EQ(server.requests().at(0).method, "POST");
}

TEST_F(AnEncryptedServer, is_believed_with_a_certificate_for_its_name) {
    expect_archive(authority.issue(named({"shop.example.com"})), "shop.example.com");
    expect_archive(authority.issue(named({"other.example", "shop.example.com"})),
                   "shop.example.com");
    expect_archive(authority.issue(named({"*.example.com"})), "shop.example.com");
}

TEST_F(AnEncryptedServer, is_believed_with_a_certificate_for_its_address) {
    expect_archive(authority.issue(), "127.0.0.1");
}

}  // namespace
}  // namespace backplane::sync::test
