// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Servers that are not there, do not answer, or answer with what is no bundle. After each of them
// the next attempt must work.
#include <future>
#include <stdexcept>

#include "doubles/bad_ports.hpp"
#include "handlers/tests/downloads.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ABadServer : public Downloads {
protected:
    void SetUp() override { ask_at(server.url()); }

    /// The error of an answer from the script, after which the same source still works.
    core::Error error_of_answer(Answer answer, core::BundleRequest request = {}) {
        const std::string zip = zip_of(5'000);
        server.handlers(zip);
        server.script({std::move(answer)});
        const auto error = error_of(std::move(request));
        const auto next = fetch();
        EXPECT_TRUE(next) << next.error().text;
        EXPECT_EQ(next ? text_of(next->bytes) : "", zip);
        EXPECT_EQ(error.text.find('\n'), std::string::npos);
        return error;
    }
    void short_patience() {
        options.limits.slow_for = 400ms;
        options.limits.slow_bytes_per_s = 1024;
        ask_at(server.url());
    }

    OdooServer server;
};

TEST_F(ABadServer, answers_500) {
    const auto error = error_of_answer(Answer::status(500));
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_EQ(error.text, server.url() +
                              " answered the request for driver updates with an internal error "
                              "(500): look into the log of the Odoo server");
}

TEST_F(ABadServer, answers_404_without_the_iot_app) {
    const auto error = error_of_answer(Answer::status(404));
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, HasSubstr("IoT app is installed"));
}

TEST_F(ABadServer, answers_with_a_web_page) {
    const auto error = error_of_answer(Answer::html());
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text,
                AllOf(HasSubstr(server.url()), HasSubstr("web page instead of a bundle"),
                      HasSubstr("this address leads to Odoo itself")));
}

TEST_F(ABadServer, breaks_off_in_the_middle_of_the_body) {
    const auto error = error_of_answer(Answer::truncated(zip_of(100'000)));
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("broke off after 50000 of 100000 bytes"));
}

TEST_F(ABadServer, breaks_off_in_the_middle_of_the_chunks) {
    const auto error = error_of_answer(Answer::truncated(zip_of(100'000)).in_chunks());
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("broke off after 50000 bytes"));
}

TEST_F(ABadServer, announces_more_than_the_limit) {
    options.limits.bytes = 10'000;
    ask_at(server.url());
    const auto error = error_of_answer(Answer::zip(zip_of(10'001)));
    EXPECT_EQ(error.code, "E_SIZE");
    EXPECT_THAT(error.text, HasSubstr("sends more than the 10000 bytes"));
}

TEST_F(ABadServer, sends_one_byte_more_than_the_limit_without_announcing_it) {
    options.limits.bytes = 10'000;
    ask_at(server.url());
    EXPECT_EQ(error_of_answer(Answer::zip(zip_of(10'001)).in_chunks()).code, "E_SIZE");
}

TEST_F(ABadServer, sends_without_end) {
    const auto error = error_of_answer(Answer::endless());
    EXPECT_EQ(error.code, "E_SIZE");
    EXPECT_THAT(error.text, HasSubstr("more than the 32 MiB"));
    for (const auto& [received, expected] : progress) EXPECT_LE(received, 32u * 1024 * 1024);
}

TEST_F(ABadServer, sends_one_byte_per_second) {
    short_patience();
    const auto error = error_of_answer(Answer::drip(zip_of(1'000), 1));
    EXPECT_EQ(error.code, "E_SLOW");
    EXPECT_THAT(error.text, AllOf(HasSubstr("less than 1 KiB per second for 400 ms"),
                                  HasSubstr("given up after 1 bytes")));
}

TEST_F(ABadServer, sends_fast_enough_but_not_in_time) {
    options.limits.total = 600ms;
    ask_at(server.url());
    const auto error = error_of_answer(Answer::drip(zip_of(1'000'000), 20'000));
    EXPECT_EQ(error.code, "E_SLOW");
    EXPECT_THAT(error.text, HasSubstr("were not complete within 600 ms"));
}

TEST_F(ABadServer, takes_the_request_and_never_answers) {
    short_patience();
    const auto error = error_of_answer(Answer::silence());
    EXPECT_EQ(error.code, "E_SLOW");
    EXPECT_THAT(error.text, HasSubstr("has sent nothing for 400 ms"));
}

TEST_F(ABadServer, says_unchanged_although_everything_was_wanted) {
    const auto error = error_of_answer(Answer::status(304), {"", true});
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, HasSubstr("(304)"));
}

TEST_F(ABadServer, compresses_unasked) {
    const auto error = error_of_answer(Answer::zip(zip_of(100)).with("Content-Encoding", "gzip"));
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, HasSubstr("encoded as \"gzip\""));
}

// ---- redirects ----------------------------------------------------------------------------------

TEST_F(ABadServer, redirects_to_another_host_which_is_not_asked) {
    OdooServer other;
    other.handlers(zip_of(10));
    const auto error =
        error_of_answer(Answer::redirect(other.url("localhost") + "/iot/get_handlers"));
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, AllOf(HasSubstr("does not follow"),
                                  HasSubstr("give the box the address " + other.url("localhost"))));
    EXPECT_THAT(other.requests(), IsEmpty());
}

TEST_F(ABadServer, redirects_to_another_port_which_is_not_asked) {
    OdooServer other;
    EXPECT_EQ(error_of_answer(Answer::redirect(other.url() + "/iot/get_handlers")).code,
              "E_SERVER");
    EXPECT_THAT(other.requests(), IsEmpty());
}

TEST_F(ABadServer, redirects_in_a_circle) {
    std::vector<Answer> circle(4, Answer::redirect("/iot/get_handlers", 307));
    server.script(std::move(circle));
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_SERVER");
    EXPECT_THAT(error.text, HasSubstr("more than 3 times"));
    EXPECT_THAT(server.requests(), SizeIs(4));
}

TEST_F(ABadServer, redirects_to_nowhere) {
    for (const char* location : {"mailto:a@b", "https://", "http://127.0.0.1:99999/"}) {
        const auto error = error_of_answer(Answer::redirect(location));
        EXPECT_EQ(error.code, "E_SERVER") << location;
        EXPECT_THAT(error.text, HasSubstr("which is not an address"));
    }
    EXPECT_EQ(error_of_answer(Answer::status(302)).code, "E_SERVER");
}

TEST_F(ABadServer, may_redirect_to_itself) {
    server.handlers(zip_of(10));
    for (const int status : {301, 302, 303, 307, 308}) {
        server.script({Answer::redirect("/iot/get_handlers?again=1", status)});
        const auto came = fetch({"", true});
        ASSERT_TRUE(came) << came.error().text;
        EXPECT_EQ(came->kind, Kind::archive);
        const auto second = server.requests().back();
        EXPECT_EQ(second.method, "POST") << "with the form, whatever the status";
        EXPECT_EQ(second.field("again"), "1");
        EXPECT_EQ(second.field("auto"), "False");
    }
}

// ---- who is no HTTP server ----------------------------------------------------------------------

TEST_F(ABadServer, closes_the_connection_without_an_answer) {
    tests::RawServer raw([](const auto&) {});
    ask_at("http://127.0.0.1:" + std::to_string(raw.port()));
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("closed the connection without an answer"));
}

TEST_F(ABadServer, talks_something_else) {
    tests::RawServer raw([](const auto& talk) { talk("SSH-2.0-OpenSSH_9.2\r\n\r\n"); });
    ask_at("http://127.0.0.1:" + std::to_string(raw.port()));
    EXPECT_EQ(error_of().code, "E_NET");
}

TEST_F(ABadServer, keeps_the_connection_open_behind_an_unchanged) {
    tests::RawServer raw([](const auto& talk) {
        talk("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000000\r\n\r\n");
        while (talk("")) {
        }
    });
    ask_at("http://127.0.0.1:" + std::to_string(raw.port()));
    const auto came = fetch({"abc", false});
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(came->kind, Kind::unchanged);
    source.reset();
}

TEST_F(ABadServer, sends_headers_without_end) {
    tests::RawServer raw([](const auto& talk) {
        talk("HTTP/1.1 200 OK\r\n");
        while (talk("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
        }
    });
    options.limits.bytes = 100'000;
    options.limits.look_every = 5ms;
    ask_at("http://127.0.0.1:" + std::to_string(raw.port()));
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_SIZE");
    EXPECT_THAT(error.text, HasSubstr("sends more than the 100000 bytes"));
}

// ---- who is not there ---------------------------------------------------------------------------

TEST_F(ABadServer, refuses_connections) {
    const tests::RefusingPort nobody;
    const std::string url = "http://127.0.0.1:" + std::to_string(nobody.port());
    ask_at(url);
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_EQ(error.text, "the Odoo server " + url +
                              " takes no connections: check that it runs, that its address has the "
                              "right port, and that no firewall is between it and the box");
}

TEST_F(ABadServer, does_not_take_the_connection) {
    const tests::BusyPort busy;
    options.limits.connect = 300ms;
    ask_at("http://127.0.0.1:" + std::to_string(busy.port()));
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("did not answer within 300 ms"));
}

TEST_F(ABadServer, is_found_at_its_second_address) {
    server.handlers(zip_of(10));
    options.resolve = [](const std::string& host) -> core::Result<std::vector<std::string>> {
        EXPECT_EQ(host, "shop.example.com");
        return std::vector<std::string>{"::1", "127.0.0.1"};
    };
    ask_at(server.url("shop.example.com"));
    const auto came = fetch();
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(came->kind, Kind::archive);
    EXPECT_EQ(server.requests().at(0).header("Host"),
              "shop.example.com:" + std::to_string(server.port()));
}

TEST_F(ABadServer, has_a_name_that_nobody_knows) {
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        return core::failure("E_NET", "Name or service not known");
    };
    ask_at("https://shop.example.com");
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_EQ(error.text,
              "the Odoo server shop.example.com was not found (Name or service not known): check "
              "its address, and the network and name server of the box");
}

TEST_F(ABadServer, has_a_name_without_an_address_or_a_lookup_that_throws) {
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        return std::vector<std::string>{};
    };
    ask_at("https://shop.example.com");
    EXPECT_THAT(error_of().text, HasSubstr("(it has no address)"));
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        throw std::runtime_error("no memory");
    };
    ask_at("https://shop.example.com");
    EXPECT_THAT(error_of().text, HasSubstr("(no memory)"));
}

TEST_F(ABadServer, has_a_name_that_no_name_server_can_be_asked_for) {
    // Refused by the system itself: a label is longer than 63 characters.
    ask_at("https://" + std::string(64, 'x') + ".example.com");
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("was not found ("));
}

TEST_F(ABadServer, has_a_name_server_that_does_not_answer) {
    options.limits.connect = 200ms;
    const auto gate = std::make_shared<std::promise<void>>();
    const auto ended = std::make_shared<std::promise<void>>();
    options.resolve = [ended, wait = gate->get_future().share()](
                          const std::string&) -> core::Result<std::vector<std::string>> {
        wait.wait();
        ended->set_value();
        return std::vector<std::string>{"127.0.0.1"};
    };
    ask_at(server.url("shop.example.com"));
    EXPECT_THAT(error_of().text, HasSubstr("(the name server did not answer in time)"));
    gate->set_value();
    ended->get_future().wait();
    EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(ABadServer, is_not_configured) {
    ask_at("");
    EXPECT_EQ(source->name(), "");
    const auto error = error_of();
    EXPECT_EQ(error.code, "E_NET");
    EXPECT_THAT(error.text, HasSubstr("set odoo.server"));
    ask_at("shop.example.com");
    EXPECT_THAT(error_of().text, HasSubstr("\"shop.example.com\" is not the address"));
}

}  // namespace
}  // namespace backplane::sync::test
