// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "supervisor/output_reader.hpp"

#include <gmock/gmock.h>
#include <boost/asio/io_context.hpp>

#include <array>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace backplane::core {
namespace {

class AnOutputReader : public ::testing::Test {
protected:
    AnOutputReader() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        write_.reset(ends[1]);
        reader_ = std::make_shared<OutputReader>(
            loop_, Fd{ends[0]}, [this](const std::string& line, std::uint64_t dropped) {
                lines_.push_back(line);
                dropped_ += dropped;
            });
    }
    void print(const std::string& text) {
        ASSERT_EQ(::write(write_.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }

    boost::asio::io_context loop_{1};
    Fd write_;
    std::shared_ptr<OutputReader> reader_;
    std::vector<std::string> lines_;
    std::uint64_t dropped_ = 0;
};

TEST_F(AnOutputReader, cuts_a_line_that_never_ends) {
    print(std::string(10'000, 'x'));
    print("\nnext\n");
    reader_->finish();
    ASSERT_EQ(lines_.size(), 2u);
    EXPECT_EQ(lines_[0], std::string(4096, 'x') + " […]");
    EXPECT_EQ(lines_[1], "next");
}

TEST_F(AnOutputReader, says_an_unfinished_line_when_it_ends) {
    print("one\ntw");
    reader_->finish();
    EXPECT_THAT(lines_, ::testing::ElementsAre("one", "tw"));
}

TEST_F(AnOutputReader, makes_wait_who_prints_more_than_a_megabyte_a_second_and_then_goes_on) {
    reader_->start();
    ASSERT_EQ(::fcntl(write_.get(), F_SETFL, O_NONBLOCK), 0);
    const std::string block(4096, 'x');
    std::size_t taken = 0;
    const auto print_all = [&] {
        for (std::size_t before = ~std::size_t{0};
             taken != before && taken < std::size_t{16} << 20;) {
            before = taken;
            while (::write(write_.get(), block.data(), block.size()) > 0) taken += block.size();
            loop_.poll();
        }
    };
    print_all();
    EXPECT_GE(taken, std::size_t{1} << 20);
    EXPECT_LT(taken, std::size_t{3} << 20);
    const std::size_t first = taken;
    loop_.run_for(std::chrono::milliseconds{1100});  // its pause ends within a second
    print_all();
    EXPECT_GT(taken, first);
}

TEST_F(AnOutputReader, lets_no_more_than_200_lines_a_second_through) {
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "x\n";
    print(many);
    reader_->finish();
    // One second may turn to the next while it reads.
    EXPECT_GE(lines_.size(), 200u);
    EXPECT_LE(lines_.size(), 400u);
}

TEST_F(AnOutputReader, ends_when_nobody_can_write_any_more) {
    reader_->start();
    print("last\n");
    write_.reset();
    loop_.run_for(std::chrono::seconds{20});
    EXPECT_TRUE(loop_.stopped());
    EXPECT_THAT(lines_, ::testing::ElementsAre("last"));
}

}  // namespace
}  // namespace backplane::core
