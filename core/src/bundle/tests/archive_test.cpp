// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What an archive is to those who read it. What it survives: hostile_archives_test.cpp.
#include "bundle/archive.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

#include "bundle/tests/zip_maker.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core::bundle::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* k_json = "drivers/backplane.acme.release.json";

struct ABundleArchive : ::testing::Test {
    static std::string text(const std::vector<std::byte>& bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    static Archive open(const std::string& zip) {
        auto archive = Archive::open(bytes_of(zip));
        if (!archive) throw std::runtime_error(archive.error().text);
        return std::move(*archive);
    }
    static Error refusal(const std::string& zip) {
        const auto archive = Archive::open(bytes_of(zip));
        return archive ? Error{"accepted", ""} : archive.error();
    }
    static Error refusal(const Archive& archive, std::string_view name,
                         std::size_t most = k_metadata_bytes) {
        const auto content = archive.read(name, most);
        return content ? Error{"accepted", ""} : content.error();
    }
};

TEST_F(ABundleArchive, is_read_by_name_whether_stored_or_deflated) {
    const std::string so{
        "\x7f"
        "ELF\0\xff",
        6};
    const Archive archive =
        open(make_zip({{.name = "interfaces/b.so.1", .content = so},
                       {.name = k_json, .content = std::string(5000, 'j'), .deflated = true},
                       {.name = "drivers/empty.json", .content = ""}}));
    EXPECT_THAT(archive.names(), ElementsAre(k_json, "drivers/empty.json", "interfaces/b.so.1"));
    EXPECT_EQ(text(archive.read("interfaces/b.so.1", 6).value()), so);
    EXPECT_EQ(text(archive.read(k_json, 5000).value()), std::string(5000, 'j'));
    EXPECT_EQ(text(archive.read("drivers/empty.json", 0).value()), "");
}

TEST_F(ABundleArchive, keeps_its_own_copy_of_the_bytes) {
    auto zip = std::make_unique<std::string>(make_zip({{.name = k_json, .content = "{}"}}));
    Archive archive = open(*zip);
    std::fill(zip->begin(), zip->end(), 'x');
    zip.reset();
    const Archive moved = std::move(archive);
    EXPECT_EQ(text(moved.read(k_json, 2).value()), "{}");
    EXPECT_EQ(text(moved.read(k_json, 2).value()), "{}") << "a second time";
}

TEST_F(ABundleArchive, without_files_is_an_archive_too) {
    const Archive archive = open(make_zip({}));
    EXPECT_TRUE(archive.names().empty());
    EXPECT_EQ(archive.foreign_files(), 0u);
}

TEST_F(ABundleArchive, counts_what_belongs_to_others_and_does_not_name_it) {
    const Archive archive = open(make_zip({{.name = "drivers/", .external = 040755u << 16},
                                           {.name = "drivers/SerialDriver.py", .content = "a"},
                                           {.name = "drivers/scale_driver.py", .content = "a"},
                                           {.name = "drivers/native.so", .content = "a"},
                                           {.name = "lib/x.json", .content = "a"},
                                           {.name = "lib/l\xC3\xB6we.txt", .content = "a"},
                                           {.name = k_json, .content = "{}"}}));
    EXPECT_THAT(archive.names(), ElementsAre(k_json));
    EXPECT_EQ(archive.foreign_files(), 5u) << "folders are no files";
    EXPECT_EQ(refusal(archive, "drivers/scale_driver.py").code, "E_NAME");
}

TEST_F(ABundleArchive, does_not_have_a_file_that_it_does_not_have) {
    const Archive archive = open(make_zip({{.name = k_json, .content = "{}"}}));
    const Error error = refusal(archive, "drivers/other.json");
    EXPECT_EQ(error.code, "E_NAME");
    EXPECT_EQ(error.text,
              "expected the file \"drivers/other.json\" in the archive, found none: ask its "
              "publisher for "
              "a complete one");
}

TEST_F(ABundleArchive, does_not_choose_between_two_files_of_one_name) {
    const Archive archive = open(make_zip({{.name = k_json, .content = "{}"},
                                           {.name = "drivers/x.json", .content = "{}"},
                                           {.name = k_json, .content = "{}"}}));
    EXPECT_THAT(archive.names(), ElementsAre(k_json, "drivers/x.json"));
    EXPECT_TRUE(archive.is_ambiguous(k_json));
    EXPECT_FALSE(archive.is_ambiguous("drivers/x.json"));
    EXPECT_FALSE(archive.is_ambiguous("drivers/none.json"));
    const Error error = refusal(archive, k_json);
    EXPECT_EQ(error.code, "E_DUP");
    EXPECT_THAT(error.text, HasSubstr("found 2: remove the module"));
}

TEST_F(ABundleArchive, gives_as_much_as_allowed_and_not_one_byte_more) {
    for (const bool deflated : {false, true}) {
        const Archive archive = open(make_zip(
            {{.name = k_json, .content = std::string(200'000, 'j'), .deflated = deflated}}));
        EXPECT_EQ(archive.read(k_json, 200'000).value().size(), 200'000u);
        const Error error = refusal(archive, k_json, 199'999);
        EXPECT_EQ(error.code, "E_LEN");
        EXPECT_THAT(error.text, HasSubstr("expected at most 199999 bytes in \"drivers/backplane"));
        EXPECT_THAT(error.text, HasSubstr("found 200000"));
    }
}

TEST_F(ABundleArchive, gives_a_large_file_whole) {
    std::string content;
    for (std::uint32_t i = 0; content.size() < (3u << 20) + 7; ++i)
        content += le32(i * 2654435761u);
    for (const bool deflated : {false, true}) {
        const Archive archive =
            open(make_zip({{.name = k_json, .content = content, .deflated = deflated}}));
        EXPECT_EQ(text(archive.read(k_json, k_extracted_bytes).value()), content);
    }
}

/// The server's own writer, on a seekable file and on a stream (which puts the sizes behind the
/// content).
TEST_F(ABundleArchive, is_what_the_zip_writer_of_python_makes) {
    backplane::tests::TemporaryFolder folder;
    const std::string script = R"(
import os, sys, zipfile
class Stream:
    def __init__(self, file): self.file = file
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
def fill(target):
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr('drivers/', '')
        z.writestr('drivers/SerialDriver.py', 'import os')
        z.writestr('drivers/backplane.acme.release.json', '{"a": 1}' * 1000)
        z.writestr('lib/l\u00f6we.txt', 'x')
        z.write(sys.argv[0], 'interfaces/a.x86_64-linux-gnu.so.1.0.0')
fill('file.zip')
with open('stream.zip', 'wb') as file: fill(Stream(file))
)";
    folder.write("make.py", script);
    const std::string command =
        "cd '" + folder.path().string() + "' && '" BP_PYTHON "' make.py 2>errors";
    ASSERT_EQ(std::system(command.c_str()), 0) << folder.read("errors");
    std::string expected;
    for (int i = 0; i < 1000; ++i) expected += R"({"a": 1})";
    for (const char* name : {"file.zip", "stream.zip"}) {
        const Archive archive = open(folder.read(name));
        EXPECT_EQ(archive.foreign_files(), 2u) << name;
        EXPECT_EQ(text(archive.read(k_json, k_metadata_bytes).value()), expected) << name;
        EXPECT_EQ(text(archive.read("interfaces/a.x86_64-linux-gnu.so.1.0.0", 100'000).value()),
                  script)
            << name;
    }
}

TEST_F(ABundleArchive, refuses_a_name_that_climbs_out) {
    const Error error = refusal(make_zip({{.name = "drivers/../../x", .content = "a"}}));
    EXPECT_EQ(error.code, "E_NAME");
    EXPECT_EQ(error.text,
              "expected an archive whose file names stay inside it, found \"drivers/../../x\" that "
              "climbs out with \"..\": remove that file where the archive is made");
}

TEST_F(ABundleArchive, shows_a_name_that_plays_with_the_terminal_in_a_harmless_form) {
    const Error error = refusal(make_zip({{.name = "a\x1b[2J" + std::string(900, 'b')}}));
    EXPECT_EQ(error.code, "E_NAME");
    EXPECT_THAT(error.text, HasSubstr("\"a\\x1b[2Jbbb"));
    EXPECT_LT(error.text.size(), 300u);
}

TEST_F(ABundleArchive, refuses_a_page_of_text_in_words_for_people) {
    const Error error = refusal("<!doctype html><html><body>502 Bad Gateway</body></html>");
    EXPECT_EQ(error.code, "E_ZIP");
    EXPECT_THAT(error.text, HasSubstr("expected a zip archive that is complete, found no end of a "
                                      "directory where the bytes end"));
    EXPECT_THAT(error.text, HasSubstr(": fetch it again"));
}

TEST_F(ABundleArchive, refuses_more_bytes_than_it_ever_reads) {
    const Error error = refusal(std::string(k_archive_bytes + 1, 'x'));
    EXPECT_EQ(error.code, "E_SIZE");
    EXPECT_EQ(error.text,
              "expected an archive of at most 33554432 bytes, found 33554433: ask its "
              "publisher for a smaller one");
}

TEST_F(ABundleArchive, reports_damage_of_the_content_when_it_is_read) {
    const std::string zip =
        make_zip({{.name = k_json, .content = "{}", .local = {.crc = 1}, .central = {.crc = 1}}});
    const Error error = refusal(open(zip), k_json);
    EXPECT_EQ(error.code, "E_ZIP");
    EXPECT_THAT(error.text, HasSubstr("found damage (CRC error)"));
}

TEST(ABundleName, is_two_plain_components) {
    for (const char* name :
         {"drivers/a", "interfaces/a.b-c_9", "drivers/0", "drivers/_x", "drivers/a..b",
          "drivers/backplane.acme.root.1.json", "drivers/x.aarch64-linux-gnu.so.1.0.0",
          "drivers/backplane.acme.root.1.json.0123456789abcdef.minisig"}) {
        EXPECT_TRUE(is_bundle_name(name)) << name;
    }
    EXPECT_TRUE(is_bundle_name("drivers/" + std::string(88, 'a')));
    EXPECT_FALSE(is_bundle_name("drivers/" + std::string(89, 'a')));
    for (const char* name : {"",
                             "/",
                             "drivers",
                             "drivers/",
                             "/drivers/a",
                             "drivers//a",
                             "drivers/a/",
                             "drivers/a/b",
                             "driver/a",
                             "Drivers/a",
                             "drivers/A",
                             "drivers/a b",
                             "drivers/a\n",
                             "drivers/\xC3\xB6",
                             "drivers/.",
                             "drivers/..",
                             "drivers/.hidden",
                             "drivers/-rf",
                             "lib/a",
                             "drivers\\a",
                             " drivers/a",
                             "interfaces/a:b",
                             "drivers/a+b"}) {
        EXPECT_FALSE(is_bundle_name(name)) << name;
    }
    EXPECT_FALSE(is_bundle_name(std::string_view{"drivers/a\0b", 11}));
}

TEST(ABundleName, is_none_that_a_python_interpreter_imports) {
    for (const char* name : {"drivers/a.py", "drivers/a.pyc", "drivers/a.so",
                             "drivers/a.cpython-311-x86_64-linux-gnu.so", "interfaces/a.abi3.so"}) {
        EXPECT_FALSE(is_bundle_name(name)) << name;
    }
}

}  // namespace
}  // namespace backplane::core::bundle::tests
