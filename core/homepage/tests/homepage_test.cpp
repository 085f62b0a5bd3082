// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is promised of the homepage and can be seen without a browser: complete, small, and nothing
// from elsewhere.
#include "homepage/homepage.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const StaticFile* find(std::string_view path) {
    for (const StaticFile& file : homepage_files())
        if (file.path == path) return &file;
    return nullptr;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// Every match of the first group of `pattern` in the content of `file`.
std::set<std::string> matches(const StaticFile& file, const std::string& pattern) {
    const std::string text{file.content};
    const std::regex expression(pattern);
    std::set<std::string> out;
    for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it)
        out.insert((*it)[1]);
    return out;
}

TEST(TheHomepage, embeds_every_file_of_its_folder_byte_by_byte) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(BP_HOMEPAGE_SOURCE)) {
        const std::string name = entry.path().filename();
        const StaticFile* file = find(name == "index.html" ? "/" : "/homepage/" + name);
        ASSERT_NE(file, nullptr) << name
                                 << " is not embedded: add it in core/homepage/CMakeLists.txt";
        EXPECT_EQ(file->content, read(entry.path())) << name;
        ++files;
    }
    EXPECT_EQ(homepage_files().size(), files);
}

TEST(TheHomepage, is_smaller_than_150_kilobytes_in_all) {
    std::size_t bytes = 0;
    for (const StaticFile& file : homepage_files()) bytes += file.content.size();
    EXPECT_LT(bytes, 150'000u);
}

TEST(TheHomepage, refers_to_nothing_that_is_not_embedded) {
    for (const StaticFile& file : homepage_files()) {
        for (const auto& target : matches(file, R"re((?:href|src)="([^"#]+)")re")) {
            // What the box says is no file of the page; its log is one to download.
            if (target.starts_with("/api/") || target == "/iot_drivers/download_logs") continue;
            EXPECT_NE(find(target), nullptr) << file.path << " refers to " << target;
        }
        for (const auto& module : matches(file, R"re(from "\./([^"]+)")re"))
            EXPECT_NE(find("/homepage/" + module), nullptr) << file.path << " imports " << module;
        // The one address in it is the name space of SVG, which nobody fetches.
        for (const auto& address : matches(file, R"re((https?://[^"' )]+))re"))
            EXPECT_EQ(address, "http://www.w3.org/2000/svg") << file.path;
    }
}

TEST(TheHomepage, keeps_to_its_own_content_security_policy) {
    const StaticFile* page = find("/");
    ASSERT_NE(page, nullptr);
    EXPECT_THAT(matches(*page, R"re((<style|style="|\son[a-z]+=|javascript:))re"), IsEmpty());
    EXPECT_THAT(matches(*page, R"re((<script(?![^>]*\ssrc=)))re"), IsEmpty())
        << "a script inside the page";
    EXPECT_THAT(std::string(k_homepage_csp), Not(HasSubstr("unsafe")));
}

TEST(TheHomepage, never_makes_markup_from_what_the_box_says) {
    for (const StaticFile& file : homepage_files())
        EXPECT_THAT(
            matches(
                file,
                R"re((innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function))re"),
            IsEmpty())
            << file.path;
}

TEST(TheHomepage, mirrors_itself_for_right_to_left_languages) {
    const StaticFile* style = find("/homepage/style.css");
    ASSERT_NE(style, nullptr);
    EXPECT_THAT(
        matches(
            *style,
            R"re(((?:margin|padding|border)-(?:left|right)|[ {](?:left|right):|text-align: (?:left|right)))re"),
        IsEmpty());
}

TEST(TheHomepage, has_for_each_file_a_type_that_browsers_accept_with_nosniff) {
    for (const StaticFile& file : homepage_files()) {
        if (file.path.ends_with(".js"))
            EXPECT_EQ(file.content_type, "text/javascript; charset=utf-8");
        else if (file.path.ends_with(".css"))
            EXPECT_EQ(file.content_type, "text/css; charset=utf-8");
        else if (file.path.ends_with(".svg"))
            EXPECT_EQ(file.content_type, "image/svg+xml");
        else
            EXPECT_EQ(file.content_type, "text/html; charset=utf-8") << file.path;
    }
}

TEST(TheHomepage, gives_each_file_a_strong_tag_of_its_own) {
    std::set<std::string_view> tags;
    for (const StaticFile& file : homepage_files()) {
        EXPECT_THAT(std::string(file.etag), testing::MatchesRegex("\"[0-9a-f]+\"")) << file.path;
        EXPECT_TRUE(tags.insert(file.etag).second) << file.path;
    }
}

TEST(TheHomepage, is_sorted_by_path) {
    const auto files = homepage_files();
    EXPECT_TRUE(
        std::is_sorted(files.begin(), files.end(),
                       [](const StaticFile& a, const StaticFile& b) { return a.path < b.path; }));
}

}  // namespace
}  // namespace backplane::core
