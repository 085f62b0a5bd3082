// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A container from a program that may have been taken over by what it has read.
#include <gmock/gmock.h>

#include <cstdint>
#include <functional>
#include <string>

#include "bundle/tests/zip_maker.hpp"
#include "bundle/unpacked.hpp"

namespace backplane::core::bundle::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Header {
    std::string magic{k_unpacked_magic};
    std::uint32_t kind = k_unpacked_files, count = 0;
    std::int64_t length_lie = 0;
    std::uint32_t foreign = 0, zero = 0;
};

std::string container(const Header& header, const std::string& body) {
    const auto length =
        static_cast<std::int64_t>(k_unpacked_header_bytes + body.size()) + header.length_lie;
    return header.magic + le32(header.kind) + le32(header.count) +
           le64(static_cast<std::uint64_t>(length)) + le32(header.foreign) + le32(header.zero) +
           body;
}

std::string problem(const std::string& code, const std::string& text) {
    return std::string(1, static_cast<char>(code.size())) + code + le16(text.size()) + text;
}

std::string entry(const std::string& name, std::uint64_t size, char state,
                  const std::string& rest) {
    return le16(name.size()) + name + le64(size) + state + rest;
}

std::string content(const std::string& name, const std::string& bytes) {
    return entry(name, bytes.size(), 0, bytes);
}

class AContainer : public ::testing::Test {
protected:
    /// The text of the refusal, which has to be one; "" when it is taken.
    static std::string refusal(const std::string& bytes) {
        const auto files = Unpacked::parse(bytes_of(bytes));
        if (files) return "";
        EXPECT_EQ(files.error().code, "E_ZIP");
        return files.error().text;
    }
    static std::string read(const Unpacked& files, const std::string& name, std::size_t most) {
        const auto bytes = files.read(name, most);
        if (!bytes) return bytes.error().code + ": " + bytes.error().text;
        return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
    }
};

TEST_F(AContainer, that_was_not_finished_is_refused) {
    for (const std::string& bytes : {std::string{}, std::string(7, 'B'), std::string(4096, '\0'),
                                     std::string{k_unpacked_magic}}) {
        EXPECT_NE(refusal(bytes), "") << bytes.size();
    }
    EXPECT_THAT(refusal(std::string(4096, '\0')),
                AllOf(HasSubstr("nothing that it has finished"), HasSubstr("do not use it")));
}

TEST_F(AContainer, cut_off_at_any_byte_is_refused) {
    const std::string good =
        container({.count = 2}, content("drivers/a.json", "content") +
                                    entry("drivers/b.json", 5, 1, problem("E_ZIP", "damaged")));
    ASSERT_EQ(refusal(good), "");
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_NE(refusal(good.substr(0, length)), "") << length;
}

TEST_F(AContainer, whose_header_lies_is_refused) {
    const std::string one = content("drivers/a.json", "x");
    const auto contradicts = HasSubstr("a header that contradicts itself");
    EXPECT_NE(refusal(container({.count = 2}, one)), "");
    EXPECT_THAT(refusal(container({.count = 0}, one)), HasSubstr("more than it has announced"));
    EXPECT_THAT(refusal(container({.count = 0xffffffff}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 4097}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .foreign = 4096}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .foreign = 0xffffffff}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .length_lie = 1}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .length_lie = -100}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .length_lie = INT64_MAX / 2}, one)), contradicts);
    EXPECT_THAT(refusal(container({.count = 1, .zero = 1}, one)), contradicts);
    EXPECT_NE(refusal(container({.count = 1, .length_lie = -1}, one)), "");
    EXPECT_THAT(refusal(container({.kind = 2, .count = 1}, one)), HasSubstr("an unknown kind"));
}

TEST_F(AContainer, whose_names_an_archive_of_ours_cannot_have_is_refused) {
    for (const std::string& name :
         {std::string{}, std::string{"/etc/passwd"}, std::string{"drivers/../x"},
          std::string{"drivers/a.py"}, std::string{"drivers/A"}, std::string{"drivers/a\0b", 11},
          "drivers/" + std::string(100, 'a')}) {
        EXPECT_THAT(refusal(container({.count = 1}, content(name, "x"))),
                    HasSubstr("a file that is not well described"))
            << name;
    }
}

TEST_F(AContainer, whose_names_are_twice_or_in_disorder_is_refused) {
    const std::string a = content("drivers/a.json", "1"), b = content("drivers/b.json", "2");
    EXPECT_NE(refusal(container({.count = 2}, a + a)), "");
    EXPECT_NE(refusal(container({.count = 2}, b + a)), "");
    EXPECT_EQ(refusal(container({.count = 2}, a + b)), "");
}

TEST_F(AContainer, whose_content_is_too_much_or_not_there_is_refused) {
    for (const std::uint64_t size :
         {std::uint64_t{2}, std::uint64_t{k_build_bytes} + 1, std::uint64_t{1} << 32, UINT64_MAX}) {
        EXPECT_NE(refusal(container({.count = 1}, entry("drivers/a.json", size, 0, "x"))), "")
            << size;
    }
    EXPECT_NE(refusal(container({.count = 1}, entry("drivers/a.json", 1, 2, "x"))), "");
    const std::string large(k_build_bytes, 'x');
    const std::string most = content("drivers/a.json", large) + content("drivers/b.json", large);
    EXPECT_EQ(refusal(container({.count = 2}, most)), "");
    EXPECT_THAT(refusal(container({.count = 3}, most + content("drivers/c.json", "x"))),
                HasSubstr("more than it may unpack"));
}

TEST_F(AContainer, whose_problems_are_not_those_of_an_archive_is_refused) {
    for (const std::string& bad :
         {problem("", "text"), problem("E_SIG", "text"), problem("update.unpack", "text"),
          problem("E_ZIP", ""), problem("E_ZIP", std::string(501, 'x')), std::string{"\xff"},
          std::string{"\5E_ZIP\xff\xff"}}) {
        EXPECT_THAT(refusal(container({.count = 1}, entry("drivers/a.json", 1, 1, bad))),
                    HasSubstr("a file that is not well described"))
            << bad;
        EXPECT_THAT(refusal(container({.kind = k_unpacked_refusal}, bad)),
                    HasSubstr("a refusal without a reason"))
            << bad;
    }
    const std::string good = problem("E_NAME", "a reason");
    EXPECT_THAT(refusal(container({.kind = k_unpacked_refusal}, good + "x")),
                HasSubstr("a refusal without a reason"));
    EXPECT_THAT(refusal(container({.kind = k_unpacked_refusal, .count = 1}, good)),
                HasSubstr("a refusal without a reason"));
}

TEST_F(AContainer, cannot_put_anything_but_text_into_a_log) {
    const auto refused = Unpacked::parse(bytes_of(container(
        {.kind = k_unpacked_refusal}, problem("E_NAME", "\x1b[2Jcleared\nwarning: \xff"))));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "E_NAME");
    EXPECT_EQ(refused.error().text.find('\x1b'), std::string::npos);
    EXPECT_EQ(refused.error().text.find('\n'), std::string::npos);
    EXPECT_THAT(refused.error().text, HasSubstr("\\x1b[2Jcleared\\n"));
}

TEST_F(AContainer, gives_what_it_has_in_the_order_of_questions_of_an_archive) {
    const std::string bytes =
        container({.count = 4, .foreign = 7},
                  content("drivers/a.json", "content") + content("drivers/b.json", "") +
                      entry("drivers/c.json", 5, 1, problem("E_ZIP", "it is damaged")) +
                      entry("drivers/d.json", 9, 1, problem("E_DUP", "it is there twice"))) +
        "what is behind the end";
    const auto files = Unpacked::parse(bytes_of(bytes));
    ASSERT_TRUE(files) << files.error().text;
    EXPECT_THAT(files->names(), ElementsAre("drivers/a.json", "drivers/b.json", "drivers/c.json",
                                            "drivers/d.json"));
    EXPECT_EQ(files->foreign_files(), 7u);
    EXPECT_EQ(read(*files, "drivers/a.json", 7), "content");
    EXPECT_EQ(read(*files, "drivers/b.json", 0), "");
    EXPECT_THAT(read(*files, "drivers/a.json", 6), HasSubstr("E_LEN: expected at most 6 bytes"));
    EXPECT_EQ(read(*files, "drivers/c.json", 5), "E_ZIP: it is damaged");
    EXPECT_THAT(read(*files, "drivers/c.json", 4), HasSubstr("E_LEN"));
    EXPECT_EQ(read(*files, "drivers/d.json", 0), "E_DUP: it is there twice");
    EXPECT_THAT(read(*files, "drivers/e.json", 9), HasSubstr("E_NAME: expected the file"));
    EXPECT_TRUE(files->is_ambiguous("drivers/d.json"));
    EXPECT_FALSE(files->is_ambiguous("drivers/c.json"));
    EXPECT_FALSE(files->is_ambiguous("drivers/e.json"));
}

}  // namespace
}  // namespace backplane::core::bundle::tests
