// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pairing/connection_token.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Good {
    std::string text;
    ServerAccount account;
};

TEST(AConnectionToken, is_understood_in_both_forms_and_with_what_a_clipboard_adds) {
    const ServerAccount shop{"https://shop.example.com", "abc", "1b2c", "M12", ""};
    const std::vector<Good> k_good{
        {"https://shop.example.com?token=abc&db_uuid=1b2c&enterprise_code=M12", shop},
        {"https://shop.example.com|abc|1b2c|M12", shop},
        {" \t\r\nhttps://shop.example.com|abc|1b2c|M12\n", shop},
        {"https://shop.example.com | abc | 1b2c | M12", shop},
        {"\xEF\xBB\xBFhttps://shop.example.com?token=abc&db_uuid=1b2c&enterprise_code=M12\xC2\xA0",
         shop},
        {"HTTPS://Shop.Example.Com/?token=abc&db_uuid=1b2c&enterprise_code=M12", shop},
        {"https://shop.example.com/odoo/iot?token=abc&db_uuid=1b2c&enterprise_code=M12#top", shop},
        {"https://shop.example.com:443?enterprise_code=M12&db_uuid=1b2c&token=abc", shop},
        {"https://shop.example.com?token=abc&amp;db_uuid=1b2c&amp;enterprise_code=M12", shop},
        {"https://shop.example.com?token=abc&token=zzz&db_uuid=1b2c&enterprise_code=M12&db_uuid=",
         shop},
        {"https://shop.example.com?new=1&token=abc&db_uuid=1b2c&enterprise_code=M12&more&&=", shop},
        {"https://shop.example.com?%74oken=a%62c&db_uuid=1%622c&enterprise_code=M12", shop},
        {"http://192.168.1.5:8069?token=abc", {"http://192.168.1.5:8069", "abc", "", "", ""}},
        {"http://[fd00::5]:8069|abc||", {"http://[fd00::5]:8069", "abc", "", "", ""}},
        {"https://shop.example.com|abc|1b2c|", {shop.url, "abc", "1b2c", "", ""}},
        {"https://shop.example.com?token=a|b&db_uuid=&enterprise_code=&db_name=shop+one%C3%A9",
         {shop.url, "a|b", "", "", "shop one\xC3\xA9"}},
        {"https://shop.example.com?token=100%&db_uuid=%zz", {shop.url, "100%", "%zz", "", ""}},
        {"http://127.0.0.1:8071?token=abc", {"http://127.0.0.1:8071", "abc", "", "", ""}},
    };
    for (const auto& [text, account] : k_good) {
        const auto parsed = parse_connection_token(text);
        ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().text;
        EXPECT_EQ(*parsed, account) << text;
    }
}

struct Bad {
    std::string text, code, says;
};

TEST(AConnectionToken, says_which_mistake_it_has_and_where_to_get_a_right_one) {
    const std::vector<Bad> k_bad{
        {"", "token.empty", "is empty"},
        {" \r\n\xC2\xA0", "token.empty", "is empty"},
        {"CANARY", "token.no_url", "does not begin with the address"},
        {"shop.example.com?token=CANARY", "token.no_url", "such as https://shop.example.com"},
        {"CANARY|1b2c|M12|x", "token.no_url", "does not begin with the address"},
        {"https://", "token.no_url", "cannot be read"},
        {"https://?token=CANARY", "token.no_url", "cannot be read"},
        {"https://./?token=CANARY", "token.no_url", "names no host"},
        {"https://sh op.example.com?token=CANARY", "token.no_url", "cannot be read"},
        {"https://me:CANARY@shop.example.com?token=CANARY", "token.no_url", "cannot be read"},
        {"https://shop.example.com:99999?token=CANARY", "token.no_url", "cannot be read"},
        {"ftp://shop.example.com?token=CANARY", "token.scheme", "neither https:// nor http://"},
        {"javascript://shop.example.com?token=CANARY", "token.scheme", "neither"},
        {"http://localhost:8069?token=CANARY", "token.localhost", "for the box is the box itself"},
        {"http://LOCALHOST.|CANARY|1|2", "token.localhost", "that other computers use"},
        {"http://odoo.localhost?token=CANARY", "token.localhost", "localhost"},
        {"https://shop.example.com", "token.no_token", "address bar is not enough"},
        {"https://shop.example.com/odoo?debug=1", "token.no_token", "is missing"},
        {"https://shop.example.com?token=&db_uuid=1b2c", "token.no_token", "is missing"},
        {"https://shop.example.com?token&db_uuid=1b2c", "token.no_token", "is missing"},
        {"https://shop.example.com||1b2c|M12", "token.no_token", "is missing"},
        {"https://shop.example.com|CANARY|1b2c", "token.parts", "4 parts with \"|\""},
        {"https://shop.example.com|CANARY|1b2c|M12|", "token.parts", "and has 5"},
        {"https://shop.example.com?token=CANARY%0d%0aX-Evil:1", "token.parts",
         "\"token\" contains"},
        {"https://shop.example.com?token=a&db_name=%00CANARY", "token.parts", "\"db_name\""},
        {"https://shop.example.com?token=a&db_uuid=%ff%feCANARY", "token.parts", "\"db_uuid\""},
        {"https://shop.example.com?token=CANARY" + std::string(600, 'x'), "token.too_long",
         "longer than 512"},
        {"https://shop.example.com?token=CANARY&x=" + std::string(5000, 'x'), "token.too_long",
         "longer than 4096"},
    };
    for (const auto& [text, code, says] : k_bad) {
        const auto parsed = parse_connection_token(text);
        ASSERT_FALSE(parsed.has_value()) << text;
        EXPECT_EQ(parsed.error().code, code) << text;
        EXPECT_THAT(parsed.error().text, HasSubstr(says)) << text;
        EXPECT_THAT(parsed.error().text, HasSubstr("open the IoT app, choose Connect")) << text;
        EXPECT_THAT(parsed.error().text, Not(HasSubstr("CANARY"))) << text;
    }
}

}  // namespace
}  // namespace backplane::sync::test
