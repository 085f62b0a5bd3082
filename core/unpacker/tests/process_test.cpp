// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A program that unpacks archives and was taken over by one, or fails for its own reasons; and the honest one.
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle/tests/zip_maker.hpp"
#include "bundle/unpacked.hpp"
#include "bundle/verify.hpp"
#include "publisher.hpp"
#include "support/temporary_folder.hpp"
#include "update/unpack_process.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using bundle::tests::make_zip;
using bundle::tests::ZipFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* k_arch = "x86_64-linux-gnu";
constexpr const char* k_document = "drivers/backplane.acme.release.json";
constexpr const char* k_build = "drivers/scale.x86_64-linux-gnu.so.1.0.0";

class AnUnpackProcess : public ::testing::Test {
protected:
    /// A program of its own that does this instead.
    void becomes(const std::string& script) {
        process.program = folder.file("backplane-unpack");
        std::ofstream{process.program} << "#!/bin/sh\n" << script << "\n";
        if (::chmod(process.program.c_str(), 0700) != 0) throw std::runtime_error{"chmod"};
    }
    Result<std::unique_ptr<bundle::FileSource>> unpack(const std::string& zip) const {
        return process.unpack(bundle::tests::bytes_of(zip));
    }
    Error refusal() const {
        const auto files = unpack(honest);
        return files ? Error{"", "accepted"} : files.error();
    }
    static std::string text_of(const Result<std::vector<std::byte>>& bytes) {
        if (!bytes) return bytes.error().code + ": " + bytes.error().text;
        return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
    }

    backplane::tests::TemporaryFolder folder;
    UnpackProcess process{BP_UNPACK_PROGRAM, k_arch, 10s};
    std::string honest = make_zip({{.name = k_document, .content = "{}", .deflated = true}});
};

TEST_F(AnUnpackProcess, that_crashes_speaks_against_the_archive) {
    becomes("kill -SEGV $$");
    const Error error = refusal();
    EXPECT_EQ(error.code, "E_ZIP");
    EXPECT_THAT(error.text,
                AllOf(HasSubstr("expected an archive that can be unpacked"),
                      HasSubstr("was killed by SIGSEGV"), HasSubstr("tell its publisher")));
}

TEST_F(AnUnpackProcess, that_is_killed_by_the_filter_speaks_against_the_archive) {
    becomes("kill -SYS $$");
    EXPECT_EQ(refusal().code, "E_ZIP");
    EXPECT_THAT(refusal().text, HasSubstr("killed by SIGSYS"));
}

TEST_F(AnUnpackProcess, that_hangs_is_killed_at_the_deadline_and_does_not_stay) {
    const std::string pid_file = folder.file("pid");
    becomes("echo $$ > " + pid_file + "\nexec sleep 600");
    process.deadline = 1s;
    const auto start = std::chrono::steady_clock::now();
    const Error error = refusal();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 9s);
    EXPECT_EQ(error.code, "E_ZIP");
    EXPECT_THAT(error.text, HasSubstr("did not come to an end within 1 s"));
    pid_t pid = 0;
    std::ifstream{pid_file} >> pid;
    ASSERT_GT(pid, 0);
    EXPECT_EQ(::kill(pid, 0), -1) << "it is still there, or nobody has reaped it";
}

TEST_F(AnUnpackProcess, that_ends_with_an_error_speaks_against_the_archive) {
    becomes("exit 77");
    EXPECT_EQ(refusal().code, "E_ZIP");
    EXPECT_THAT(refusal().text, HasSubstr("ended with exit status 77"));
}

TEST_F(AnUnpackProcess, that_writes_garbage_is_not_believed) {
    becomes("head -c 5000 /dev/urandom >&4");
    EXPECT_EQ(refusal().code, "E_ZIP");
    EXPECT_THAT(refusal().text, HasSubstr("found nothing that it has finished"));
}

TEST_F(AnUnpackProcess, that_writes_nothing_is_not_believed) {
    becomes("exit 0");
    EXPECT_EQ(refusal().code, "E_ZIP");
    EXPECT_THAT(refusal().text, HasSubstr("found nothing that it has finished"));
}

TEST_F(AnUnpackProcess, that_claims_more_than_it_wrote_is_not_believed) {
    // A header with 4096 files and a length of 4 GiB.
    becomes(R"(printf 'BPUNPK1\n\0\0\0\0\0\20\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0' >&4)");
    EXPECT_EQ(refusal().code, "E_ZIP");
    EXPECT_THAT(refusal().text, HasSubstr("a header that contradicts itself"));
}

TEST_F(AnUnpackProcess, cannot_fill_the_memory_of_the_box) {
    becomes("head -c 80000000 /dev/zero >&4 2>/dev/null && exit 0\nexit 77");
    EXPECT_THAT(refusal().text, HasSubstr("ended with exit status 77"))
        << "writing behind the end has succeeded";
}

TEST_F(AnUnpackProcess, cannot_change_the_archive_that_it_was_given) {
    becomes("printf x >&3 2>/dev/null && exit 0\nexit 77");
    EXPECT_THAT(refusal().text, HasSubstr("ended with exit status 77"));
}

TEST_F(AnUnpackProcess, gets_no_descriptor_and_no_environment_but_its_own) {
    ASSERT_EQ(::setenv("BP_TEST_SECRET", "secret", 1), 0);
    const std::string seen = folder.file("seen");
    becomes("ls /proc/$$/fd | tr '\\n' ' ' > " + seen + "\ntr '\\0' ' ' < /proc/$$/environ >> " +
            seen + "\nexit 1");
    const int leak = ::dup(STDERR_FILENO);
    EXPECT_EQ(refusal().code, "E_ZIP");
    ::close(leak);
    std::ostringstream text;
    text << std::ifstream{seen}.rdbuf();
    // 10 is where the shell reads its script.
    EXPECT_THAT(text.str(), ::testing::MatchesRegex("0 1 (10 )?2 3 4 .*"));
    EXPECT_THAT(text.str(), ::testing::Not(HasSubstr("secret")));
}

TEST_F(AnUnpackProcess, that_is_stopped_with_the_box_says_nothing_of_the_archive) {
    for (const char* signal : {"TERM", "INT", "HUP"}) {
        becomes(std::string{"kill -"} + signal + " $$\nexec sleep 600");
        EXPECT_EQ(refusal().code, "update.unpack") << signal;
        EXPECT_THAT(refusal().text, HasSubstr("from outside"));
    }
}

TEST_F(AnUnpackProcess, that_cannot_lock_itself_in_says_nothing_of_the_archive) {
    becomes("exit 3");
    EXPECT_EQ(refusal().code, "update.unpack");
    EXPECT_THAT(refusal().text, HasSubstr("use a kernel with seccomp filters"));
}

TEST_F(AnUnpackProcess, that_is_not_there_says_nothing_of_the_archive) {
    process.program = "/nowhere/backplane-unpack";
    EXPECT_EQ(refusal().code, "update.unpack");
    EXPECT_THAT(refusal().text, AllOf(HasSubstr("cannot start /nowhere/backplane-unpack"),
                                      HasSubstr("is backplane installed completely?")));
}

TEST_F(AnUnpackProcess, started_by_hand_says_what_it_is_for) {
    const std::string said = folder.file("said");
    const int status =
        std::system((std::string{BP_UNPACK_PROGRAM} + " x 3>&- 4>&- 2>" + said).c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), bundle::k_unpack_usage);
    std::ostringstream text;
    text << std::ifstream{said}.rdbuf();
    EXPECT_THAT(text.str(), HasSubstr("is started by backplaned"));
}

// --- the real one ---

TEST_F(AnUnpackProcess, refuses_what_is_no_archive_as_the_box_itself_would) {
    for (const std::string& zip : {std::string{}, std::string{"<html>"}, honest.substr(3)}) {
        const auto here = bundle::Archive::open(bundle::tests::bytes_of(zip));
        const auto there = unpack(zip);
        ASSERT_FALSE(here);
        ASSERT_FALSE(there);
        EXPECT_EQ(there.error().code, here.error().code);
        EXPECT_EQ(there.error().text, here.error().text);
    }
    const std::vector<std::byte> large(bundle::k_archive_bytes + 1);
    EXPECT_EQ(process.unpack(large).error().code, "E_SIZE");
}

TEST_F(AnUnpackProcess, gives_documents_and_builds_and_counts_the_rest) {
    const auto files = unpack(make_zip({{.name = k_build, .content = std::string(5'000'000, 'b')},
                                        {.name = k_document, .content = "{}", .deflated = true},
                                        {.name = "drivers/empty.json"},
                                        {.name = "lib/x.py", .content = "import os"},
                                        {.name = "drivers/twice.json", .content = "1"},
                                        {.name = "drivers/twice.json", .content = "2"}}));
    ASSERT_TRUE(files) << files.error().text;
    EXPECT_THAT((*files)->names(),
                ElementsAre(k_document, "drivers/empty.json", k_build, "drivers/twice.json"));
    EXPECT_EQ((*files)->foreign_files(), 1u);
    EXPECT_EQ(text_of((*files)->read(k_document, 2)), "{}");
    EXPECT_EQ(text_of((*files)->read("drivers/empty.json", 0)), "");
    EXPECT_EQ(text_of((*files)->read(k_build, 5'000'000)), std::string(5'000'000, 'b'));
    EXPECT_THAT(text_of((*files)->read(k_document, 1)), HasSubstr("E_LEN: expected at most 1"));
    EXPECT_TRUE((*files)->is_ambiguous("drivers/twice.json"));
    EXPECT_FALSE((*files)->is_ambiguous(k_document));
    EXPECT_THAT(text_of((*files)->read("drivers/twice.json", 1)), HasSubstr("E_DUP"));
    EXPECT_THAT(text_of((*files)->read("drivers/none.json", 1)), HasSubstr("E_NAME"));
}

TEST_F(AnUnpackProcess, takes_documents_before_builds_and_stops_at_64_mib) {
    std::vector<ZipFile> list;
    const bundle::tests::Bomb large = bundle::tests::bomb_of_mebibytes(4);
    const bundle::tests::HeaderLies truth{.crc = large.crc,
                                          .packed = static_cast<std::uint32_t>(large.data.size()),
                                          .size = large.size};
    const auto add = [&](const std::string& name) {
        list.push_back(
            {.name = name, .deflated = true, .data = large.data, .local = truth, .central = truth});
    };
    for (const char* name : {"drivers/a", "drivers/b", "drivers/c", "drivers/d"}) {
        for (const char* arch : {"aarch64-linux-gnu", k_arch})
            add(std::string{name} + "." + arch + ".so.1.0.0");
    }
    add("drivers/e.bin");
    list.push_back({.name = "interfaces/last.json", .content = "{}", .deflated = true});
    const auto files = unpack(make_zip(list));
    ASSERT_TRUE(files) << files.error().text;
    const auto read = [&](const std::string& name) {
        const auto got = (*files)->read(name, large.size);
        return got ? std::to_string(got->size()) : got.error().code + ": " + got.error().text;
    };
    EXPECT_THAT((*files)->names(), SizeIs(10));
    EXPECT_EQ(read("interfaces/last.json"), "2");
    EXPECT_EQ(read("drivers/a.x86_64-linux-gnu.so.1.0.0"), std::to_string(large.size));
    EXPECT_EQ(read("drivers/b.x86_64-linux-gnu.so.1.0.0"), std::to_string(large.size));
    EXPECT_EQ(read("drivers/c.x86_64-linux-gnu.so.1.0.0"), std::to_string(large.size));
    EXPECT_THAT(
        read("drivers/d.x86_64-linux-gnu.so.1.0.0"),
        AllOf(HasSubstr("E_LEN"), HasSubstr("at most 64 MiB"), HasSubstr("no longer fits")));
    EXPECT_THAT(read("drivers/a.aarch64-linux-gnu.so.1.0.0"),
                AllOf(HasSubstr("E_NAME"), HasSubstr("a build for this machine")));
    EXPECT_THAT(read("drivers/e.bin"), HasSubstr("E_NAME"));
}

TEST_F(AnUnpackProcess, reads_a_bundle_of_30_builds_with_the_same_result_and_says_how_fast) {
    bundle::testing::Publisher publisher;
    publisher.release.manifest.plugins.clear();
    for (int i = 0; i < 30; ++i)
        publisher.add_plugin({.name = "scale" + std::to_string(i), .bytes = std::size_t{1} << 20});
    const auto zip = bundle::zip_files(publisher.files());
    ASSERT_TRUE(zip);
    process.arch = publisher.policy.host.arch;
    std::chrono::nanoseconds here{1h}, there{1h}, unpacking{1h};
    for (int i = 0; i < 3; ++i) {
        auto start = std::chrono::steady_clock::now();
        const auto direct = bundle::verify_archive(*zip, publisher.trust, publisher.policy);
        here = std::min(here, std::chrono::nanoseconds{std::chrono::steady_clock::now() - start});
        ASSERT_TRUE(direct);
        start = std::chrono::steady_clock::now();
        const auto files = process.unpack(*zip);
        unpacking =
            std::min(unpacking, std::chrono::nanoseconds{std::chrono::steady_clock::now() - start});
        ASSERT_TRUE(files) << files.error().text;
        const auto through = bundle::verify_files(**files, publisher.trust, publisher.policy);
        there = std::min(there, std::chrono::nanoseconds{std::chrono::steady_clock::now() - start});
        EXPECT_EQ(bundle::testing::outcome(through), bundle::testing::outcome(*direct));
        ASSERT_THAT(through.bundles, SizeIs(1));
        EXPECT_THAT(through.bundles[0].plugins, SizeIs(31));
    }
    const auto ms = [](std::chrono::nanoseconds time) {
        return static_cast<double>(time.count()) / 1e6;
    };
    std::printf(
        "30 builds of 1 MiB in a zip of %zu KiB: %.1f ms in one process, %.1f ms in two "
        "(%.1f ms of it until the files are there)\n",
        zip->size() >> 10, ms(here), ms(there), ms(unpacking));
    EXPECT_LT(there, 10 * here + 500ms);
}

}  // namespace
}  // namespace backplane::core
