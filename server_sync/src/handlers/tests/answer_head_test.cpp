// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/answer_head.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;
using Next = Verdict::Next;

class AnAnswersHead : public ::testing::Test {
protected:
    Verdict judged(bool asked_with_etag = false) const {
        return judge(url, head, limits, asked_with_etag);
    }
    core::Error refused() const {
        const auto verdict = judged();
        EXPECT_EQ(verdict.next, Next::refuse);
        EXPECT_THAT(verdict.error.text, HasSubstr("https://shop.example.com"));
        return verdict.error;
    }

    ServerUrl url{true, "shop.example.com", 443, "/iot/get_handlers"};
    HandlerLimits limits;
    AnswerHead head{200, "", "", "", ""};
};

TEST_F(AnAnswersHead, is_refused_for_a_length_that_is_none) {
    for (const char* length : {"-1", "12x", "x", "1 2", "0x10", "+5", "1.5"}) {
        head.content_length = length;
        EXPECT_EQ(refused().code, "E_SERVER") << length;
        EXPECT_THAT(refused().text, HasSubstr("which is not a number"));
    }
}

TEST_F(AnAnswersHead, is_refused_for_a_length_above_the_limit_however_large) {
    for (const char* length : {"33554433", "18446744073709551615", "99999999999999999999999"}) {
        head.content_length = length;
        EXPECT_EQ(refused().code, "E_SIZE") << length;
        EXPECT_THAT(refused().text, HasSubstr("more than the 32 MiB"));
    }
    head.content_length = "33554432";
    EXPECT_EQ(judged().next, Next::read_body);
    EXPECT_EQ(judged().expected, 33554432u);
}

TEST_F(AnAnswersHead, is_refused_for_a_compression_that_nobody_has_asked_for) {
    head.content_encoding = "gzip";
    EXPECT_EQ(refused().code, "E_SERVER");
    EXPECT_THAT(refused().text, HasSubstr("encoded as \"gzip\""));
    head.content_encoding = "identity";
    EXPECT_EQ(judged().next, Next::read_body);
}

TEST_F(AnAnswersHead, says_what_to_do_for_each_status) {
    const std::vector<std::pair<int, const char*>> cases{{404, "the IoT app is installed"},
                                                         {403, "what the proxy"},
                                                         {401, "what the proxy"},
                                                         {429, "not overloaded"},
                                                         {502, "not overloaded"},
                                                         {503, "not overloaded"},
                                                         {500, "log of the Odoo server"},
                                                         {501, "log of the Odoo server"},
                                                         {206, "an unexpected status (206)"},
                                                         {400, "an unexpected status (400)"},
                                                         {0, "an unexpected status (0)"},
                                                         {999, "an internal error (999)"}};
    for (const auto& [status, advice] : cases) {
        head.status = status;
        EXPECT_EQ(refused().code, "E_SERVER");
        EXPECT_THAT(refused().text, HasSubstr(advice));
        EXPECT_THAT(refused().text, HasSubstr(std::to_string(status)));
    }
}

TEST_F(AnAnswersHead, cannot_say_unchanged_to_somebody_who_has_nothing) {
    head.status = 304;
    EXPECT_THAT(refused().text, HasSubstr("(304) although the box asked for everything"));
    EXPECT_EQ(judged(true).next, Next::unchanged);
}

TEST_F(AnAnswersHead, leads_elsewhere) {
    head.location = "/other";
    for (const int status : {301, 302, 303, 307, 308}) {
        head.status = status;
        EXPECT_EQ(judged().next, Next::follow) << status;
        EXPECT_EQ(judged().location, "/other");
    }
}

TEST(AnEtag, loses_its_quotes_and_its_weakness) {
    EXPECT_EQ(bare_etag("\"abc\""), "abc");
    EXPECT_EQ(bare_etag("W/\"abc\""), "abc");
    EXPECT_EQ(bare_etag("abc"), "abc");
    EXPECT_EQ(bare_etag("\"\""), "");
    EXPECT_EQ(bare_etag(""), "");
    EXPECT_EQ(bare_etag("W/"), "");
}

TEST(AnEtag, is_none_when_it_could_not_be_sent_back) {
    EXPECT_EQ(bare_etag("\"a\r\nX-Evil: 1\""), "");
    EXPECT_EQ(bare_etag("\"a b\""), "");
    EXPECT_EQ(bare_etag("\"abc"), "");
    EXPECT_EQ(bare_etag("\"a\"b\""), "");
    EXPECT_EQ(bare_etag("\"\x80\""), "");
    EXPECT_EQ(bare_etag(std::string(257, 'x')), "");
    EXPECT_EQ(bare_etag(std::string(256, 'x')), std::string(256, 'x'));
}

TEST(ABody, begins_a_page_after_any_blanks) {
    EXPECT_EQ(begins_a_page("<!DOCTYPE html>"), true);
    EXPECT_EQ(begins_a_page("\xEF\xBB\xBF \r\n\t<html>"), true);
    EXPECT_EQ(begins_a_page("PK\x03\x04"), false);
    EXPECT_EQ(begins_a_page("{\"error\": 1}"), false);
    EXPECT_EQ(begins_a_page(""), std::nullopt);
    EXPECT_EQ(begins_a_page("\r\n  "), std::nullopt);
}

}  // namespace
}  // namespace backplane::sync::test
