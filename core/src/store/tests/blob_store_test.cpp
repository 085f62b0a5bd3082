// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/blob_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/temporary_folder.hpp"
#include "util/sha256.hpp"

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

/// The disk, and in which order it was used.
class RecordedFiles final : public DurableFiles {
public:
    std::string log;
    bool fail_sync = false;

    Result<std::unique_ptr<NewFile>> create(const std::string& path) override {
        log += "create ";
        auto file = disk_->create(path);
        if (!file) return file;
        return std::unique_ptr<NewFile>{std::make_unique<File>(*this, std::move(*file))};
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        log += "rename ";
        return disk_->rename(from, to);
    }
    Result<void> unlink(const std::string& path) override { return disk_->unlink(path); }
    Result<void> make_directory(const std::string& path) override {
        return disk_->make_directory(path);
    }
    Result<void> remove_directory(const std::string& path) override {
        return disk_->remove_directory(path);
    }
    Result<void> sync_directory(const std::string& path) override {
        log += "sync-folder ";
        return disk_->sync_directory(path);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return disk_->list(path);
    }
    Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) override {
        return disk_->read(path, most);
    }
    Result<std::uint64_t> free_space(const std::string& path) override {
        return disk_->free_space(path);
    }

private:
    class File final : public NewFile {
    public:
        File(RecordedFiles& files, std::unique_ptr<NewFile> file)
            : files_(files), file_(std::move(file)) {}
        Result<void> write(std::span<const std::byte> content) override {
            files_.log += "write ";
            return file_->write(content);
        }
        Result<void> sync() override {
            files_.log += "sync ";
            if (files_.fail_sync) return failure("store.full", "the disk is full");
            return file_->sync();
        }

    private:
        RecordedFiles& files_;
        std::unique_ptr<NewFile> file_;
    };
    std::unique_ptr<DurableFiles> disk_ = DurableFiles::posix();
};

class ABlobStore : public testing::Test {
protected:
    ABlobStore() { EXPECT_TRUE(store.prepare()); }
    static std::string hash(std::string_view text) { return sha256_hex(bytes(text)); }

    backplane::tests::TemporaryFolder folder;
    RecordedFiles files;
    BlobStore store{files, folder.file("blobs")};
};

TEST_F(ABlobStore, refuses_content_that_is_not_what_its_name_says) {
    const auto put = store.put(hash("other"), bytes("this"));
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, "blob.mismatch");
    EXPECT_THAT(put.error().text, HasSubstr("expected a file with the SHA-256 " + hash("other") +
                                            ", found one with " + hash("this")));
    EXPECT_FALSE(store.contains(hash("other")));
}

TEST_F(ABlobStore, refuses_names_that_are_no_hash) {
    std::string upper = hash("a");
    for (char& c : upper) c = c >= 'a' ? static_cast<char>(c - 32) : c;
    for (const std::string& name : {std::string{}, std::string{"../../etc/passwd"}, hash("a") + "0",
                                    upper, std::string(63, 'a') + "/"}) {
        EXPECT_EQ(store.put(name, bytes("a")).error().code, "blob.mismatch") << name;
        EXPECT_EQ(store.read(name, 10).error().code, "blob.mismatch") << name;
        EXPECT_FALSE(store.contains(name));
    }
}

TEST_F(ABlobStore, gives_a_name_only_to_what_has_been_synced) {
    files.log.clear();
    ASSERT_TRUE(store.put(hash("a"), bytes("a")));
    ASSERT_TRUE(store.put(hash("b"), bytes("b")));
    ASSERT_TRUE(store.sync());
    EXPECT_EQ(files.log, "create write sync rename create write sync rename sync-folder ");
}

TEST_F(ABlobStore, leaves_nothing_behind_when_the_disk_is_full) {
    files.fail_sync = true;
    EXPECT_EQ(store.put(hash("a"), bytes("a")).error().code, "store.full");
    EXPECT_FALSE(store.contains(hash("a")));
    EXPECT_THAT(files.list(folder.file("blobs")).value(), SizeIs(0));
    files.fail_sync = false;
    EXPECT_TRUE(store.put(hash("a"), bytes("a"))) << "and works again when there is room";
}

TEST_F(ABlobStore, never_hands_out_what_has_rotted) {
    ASSERT_TRUE(store.put(hash("sound"), bytes("sound")));
    folder.write("blobs/" + hash("sound"), "s0und");
    const auto read = store.read(hash("sound"), 100);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, "blob.damaged");
    EXPECT_THAT(read.error().text, HasSubstr("its SHA-256 is " + hash("s0und")));
}

TEST_F(ABlobStore, replaces_what_has_rotted_and_keeps_what_has_not) {
    ASSERT_TRUE(store.put(hash("sound"), bytes("sound")));
    files.log.clear();
    ASSERT_TRUE(store.put(hash("sound"), bytes("sound")));
    EXPECT_EQ(files.log, "") << "it is there";
    folder.write("blobs/" + hash("sound"), "much longer than it was");
    ASSERT_TRUE(store.put(hash("sound"), bytes("sound")));
    EXPECT_TRUE(store.read(hash("sound"), 5));
}

TEST_F(ABlobStore, removes_what_an_interrupted_write_has_left) {
    ASSERT_TRUE(store.put(hash("a"), bytes("a")));
    folder.write("blobs/" + hash("b") + "~", "half");
    ASSERT_TRUE(store.put(hash("b"), bytes("b"))) << "it does not stand in the way of the next one";
    folder.write("blobs/" + hash("c") + "~", "half");
    ASSERT_TRUE(store.prepare());
    EXPECT_THAT(files.list(folder.file("blobs")).value(), SizeIs(2));
}

TEST_F(ABlobStore, keeps_only_what_it_is_told) {
    for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(store.put(hash(text), bytes(text)));
    folder.write("blobs/strange", "");
    ASSERT_TRUE(store.keep_only({hash("b"), hash("never there")}));
    EXPECT_THAT(files.list(folder.file("blobs")).value(), testing::ElementsAre(hash("b")));
    EXPECT_EQ(store.read(hash("a"), 9).error().code, "store.missing");
}

}  // namespace
}  // namespace backplane::core
