// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/durable_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <span>
#include <string_view>

#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

class TheDisk : public testing::Test {
protected:
    void write(const std::string& name, std::string_view content) {
        auto file = files->create(folder.file(name));
        ASSERT_TRUE(file) << file.error().text;
        ASSERT_TRUE((*file)->write(bytes(content)));
        ASSERT_TRUE((*file)->sync());
    }
    static mode_t mode_of(const std::string& path) {
        struct stat info {};
        return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777u : 0;
    }

    backplane::tests::TemporaryFolder folder;
    std::unique_ptr<DurableFiles> files = DurableFiles::posix();
};

TEST_F(TheDisk, never_writes_over_a_file_that_is_there) {
    write("a", "old");
    const auto again = files->create(folder.file("a"));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, "store.exists");
    EXPECT_THAT(again.error().text, AllOf(HasSubstr("cannot create " + folder.file("a")),
                                          HasSubstr("something of this name is there")));
    EXPECT_EQ(folder.read("a"), "old");
}

TEST_F(TheDisk, follows_no_link_that_somebody_has_laid) {
    write("target", "secret");
    ASSERT_EQ(::symlink(folder.file("target").c_str(), folder.file("link").c_str()), 0);
    EXPECT_FALSE(files->read(folder.file("link"), 100));
    EXPECT_FALSE(files->create(folder.file("link")));
    EXPECT_EQ(folder.read("target"), "secret");
}

TEST_F(TheDisk, does_not_wait_for_what_is_no_file) {
    ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
    const auto read = files->read(folder.file("pipe"), 100);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().text, HasSubstr("not a regular file"));
}

TEST_F(TheDisk, reads_no_more_than_was_asked_for) {
    write("four", "1234");
    const auto exactly = files->read(folder.file("four"), 4);
    ASSERT_TRUE(exactly);
    EXPECT_EQ(exactly->size(), 4u);
    const auto less = files->read(folder.file("four"), 3);
    ASSERT_FALSE(less);
    EXPECT_EQ(less.error().code, "store.io");
    EXPECT_THAT(less.error().text, HasSubstr("larger than 3 bytes"));
    write("empty", "");
    const auto nothing = files->read(folder.file("empty"), 0);
    ASSERT_TRUE(nothing);
    EXPECT_TRUE(nothing->empty());
}

TEST_F(TheDisk, tells_a_missing_file_from_a_broken_disk) {
    EXPECT_EQ(files->read(folder.file("no"), 9).error().code, "store.missing");
    EXPECT_EQ(files->list(folder.file("no")).error().code, "store.missing");
    EXPECT_EQ(files->rename(folder.file("no"), folder.file("yes")).error().code, "store.missing");
    EXPECT_EQ(files->create(folder.file("no/file")).error().code, "store.missing");
    EXPECT_EQ(files->sync_directory(folder.file("no")).error().code, "store.missing");
    EXPECT_TRUE(files->unlink(folder.file("no"))) << "what is gone is gone";
    EXPECT_TRUE(files->remove_directory(folder.file("no")));
}

/// The largest file that this process may write, as long as this object lives.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        old_ = std::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, old_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
    rlimit before_{};
    void (*old_)(int) = nullptr;
};

TEST_F(TheDisk, reports_a_write_that_stops_in_the_middle) {
    auto file = files->create(folder.file("a"));
    ASSERT_TRUE(file);
    const FileSizeLimit limit{3};
    const auto written = (*file)->write(bytes("12345"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, "store.io");
    EXPECT_THAT(written.error().text, HasSubstr("cannot write " + folder.file("a")));
    EXPECT_EQ(folder.read("a"), "123");
}

TEST_F(TheDisk, makes_folders_with_all_above_them_and_for_itself_alone) {
    ASSERT_TRUE(files->make_directory(folder.file("a/b/c")));
    ASSERT_TRUE(files->make_directory(folder.file("a/b/c"))) << "a second time changes nothing";
    EXPECT_EQ(mode_of(folder.file("a")), 0700u);
    EXPECT_EQ(mode_of(folder.file("a/b/c")), 0700u);
    EXPECT_TRUE(files->sync_directory(folder.file("a/b")));
    EXPECT_EQ(files->remove_directory(folder.file("a/b")).error().code, "store.exists");
    EXPECT_TRUE(files->remove_directory(folder.file("a/b/c")));
    write("file", "x");
    EXPECT_EQ(files->make_directory(folder.file("file")).error().code, "store.exists");
    EXPECT_EQ(mode_of(folder.file("file")), 0600u);
}

TEST_F(TheDisk, replaces_a_file_in_one_step_and_lists_names_in_order) {
    write("b", "old");
    write("a", "new");
    ASSERT_TRUE(files->make_directory(folder.file("c")));
    EXPECT_THAT(files->list(folder.path()).value(), ElementsAre("a", "b", "c"));
    ASSERT_TRUE(files->rename(folder.file("a"), folder.file("b")));
    EXPECT_EQ(folder.read("b"), "new");
    EXPECT_THAT(files->list(folder.path()).value(), ElementsAre("b", "c"));
}

TEST_F(TheDisk, knows_how_much_room_there_is) {
    const auto room = files->free_space(folder.path());
    ASSERT_TRUE(room);
    EXPECT_GT(*room, 0u);
    EXPECT_EQ(files->free_space(folder.file("no")).error().code, "store.missing");
}

}  // namespace
}  // namespace backplane::core
