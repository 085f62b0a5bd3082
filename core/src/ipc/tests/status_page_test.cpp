// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/status_page.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "util/memory_file.hpp"

namespace backplane::core::ipc {
namespace {

using std::chrono::nanoseconds;

class AStatusPage : public ::testing::Test {
protected:
    AStatusPage() : file_(std::move(*make_status_file())) {}
    Fd file_;
};

TEST_F(AStatusPage, cannot_be_shrunk_under_its_reader) {
    EXPECT_NE(::ftruncate(file_.get(), 0), 0);
    EXPECT_NE(::ftruncate(file_.get(), 8192), 0);
}

TEST_F(AStatusPage, of_a_file_that_could_be_shrunk_is_refused) {
    const Fd file{::memfd_create("test", MFD_CLOEXEC)};
    ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
    const auto reader = StatusReader::map(file);
    ASSERT_FALSE(reader.has_value());
    EXPECT_THAT(reader.error().text,
                ::testing::HasSubstr("not a sealed memory file of 4096 bytes"));
}

TEST_F(AStatusPage, names_the_call_while_it_runs_and_only_then) {
    auto writer = StatusWriter::map(file_);
    auto reader = StatusReader::map(file_);
    ASSERT_TRUE(writer.has_value() && reader.has_value());
    EXPECT_EQ(reader->place(), "");
    writer->enter(PluginCall::action_begin, 7, nanoseconds{1'000});
    EXPECT_EQ(reader->place(), "in action begin() of instance 7");
    EXPECT_EQ(reader->running_for(nanoseconds{5'000}), nanoseconds{4'000});
    writer->leave();
    EXPECT_EQ(reader->place(), "");
    writer->enter(PluginCall::load, 0, nanoseconds{1'000});
    EXPECT_EQ(reader->place(), "while loading");
}

TEST_F(AStatusPage, full_of_nonsense_is_read_without_harm) {
    auto reader = StatusReader::map(file_);
    ASSERT_TRUE(reader.has_value());
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::memset(memory, 0xff, 4096);
    EXPECT_EQ(reader->place(), "in an unknown call of instance 18446744073709551615");
    EXPECT_EQ(reader->running_for(nanoseconds{5}), nanoseconds{0});
    ::munmap(memory, 4096);
}

}  // namespace
}  // namespace backplane::core::ipc
