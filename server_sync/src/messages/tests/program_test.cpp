// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>

#include "messages/program.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class AProgramOfTheOwner : public ::testing::Test {
protected:
    static ProgramCall shell(std::string script, std::string input = {},
                             std::chrono::milliseconds deadline = 20s) {
        return {{"sh", "-c", std::move(script)}, std::move(input), deadline};
    }
    core::Result<int> run(ProgramCall call) {
        std::optional<core::Result<int>> result;
        const auto running = runner(std::move(call), [&](core::Result<int> exit) {
            EXPECT_FALSE(result) << "called twice";
            result = std::move(exit);
        });
        EXPECT_FALSE(result) << "called from inside";
        EXPECT_TRUE(run_until(loop, [&] { return result.has_value(); }));
        return *result;
    }
    std::string written(const std::string& name) const {
        std::ifstream file(folder.file(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }
    /// The number that a program has written there, once it has.
    pid_t pid_in(const std::string& name) {
        EXPECT_TRUE(run_until(loop, [&] { return written(name).ends_with('\n'); }));
        return static_cast<pid_t>(std::stol("0" + written(name)));
    }
    /// Dead, or about to be buried by init.
    static bool is_gone(pid_t pid) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
        std::string text(std::istreambuf_iterator<char>(file), {});
        const auto end = text.rfind(')');
        return end == std::string::npos || text.substr(end + 2, 1) == "Z";
    }

    backplane::tests::TemporaryFolder folder;
    boost::asio::io_context loop;
    ProgramRunner runner = program_runner(loop);
};

TEST_F(AProgramOfTheOwner, tells_how_it_ended) {
    EXPECT_EQ(run(shell("exit 0")).value(), 0);
    EXPECT_EQ(run(shell("exit 7")).value(), 7);
    EXPECT_EQ(run(shell("kill -TERM $$")).value(), 128 + SIGTERM);
}

TEST_F(AProgramOfTheOwner, gets_its_secret_on_its_input_and_nothing_of_the_box) {
    ::setenv("BACKPLANE_CANARY", "secret", 1);
    EXPECT_EQ(run(shell("cat > " + folder.file("input") + "; env > " + folder.file("env") +
                            "; ls /proc/self/fd | wc -l > " + folder.file("files"),
                        "the token"))
                  .value(),
              0);
    ::unsetenv("BACKPLANE_CANARY");
    EXPECT_EQ(written("input"), "the token");
    EXPECT_THAT(written("env"), HasSubstr("PATH="));
    EXPECT_THAT(written("env"), ::testing::Not(HasSubstr("CANARY")));
    // 0, 1, 2, and the folder that is listed.
    EXPECT_THAT(written("files"), ::testing::StartsWith("4"));
}

TEST_F(AProgramOfTheOwner, does_not_get_its_arguments_through_a_shell) {
    EXPECT_EQ(
        run({{"sh", "-c", "test \"$0\" = '$(touch x); `id`'", "$(touch x); `id`"}, {}}).value(), 0);
}

TEST_F(AProgramOfTheOwner, may_write_as_much_as_it_likes) {
    EXPECT_EQ(run(shell("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2")).value(), 0);
}

TEST_F(AProgramOfTheOwner, need_not_read_its_input) {
    EXPECT_EQ(run(shell("exit 0", std::string(4096, 'x'))).value(), 0);
    const auto refused = run(shell("exit 0", std::string(4097, 'x')));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "program.start");
}

TEST_F(AProgramOfTheOwner, that_does_not_exist_is_named) {
    for (const char* name : {"/nonexistent/tunnel", "backplane-no-such-program", "/tmp"}) {
        const auto refused = run({{name, "up"}, {}});
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code, "program.start");
        EXPECT_THAT(refused.error().text, HasSubstr(std::string(name) + " could not be started: "));
    }
    EXPECT_FALSE(run({}));
}

TEST_F(AProgramOfTheOwner, is_ended_at_its_deadline_with_all_that_it_started) {
    const auto began = std::chrono::steady_clock::now();
    const auto result = run(
        shell("trap '' TERM; sleep 100 & echo $! > " + folder.file("child") + "; wait; sleep 100",
              {}, 1s));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "program.deadline");
    EXPECT_THAT(result.error().text, HasSubstr("sh did not end within 1 s and was stopped"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
    const pid_t child = pid_in("child");
    EXPECT_TRUE(run_until(loop, [&] { return is_gone(child); }));
}

TEST_F(AProgramOfTheOwner, is_ended_when_nobody_wants_it_any_more) {
    bool called = false;
    auto running = runner(shell("echo $$ > " + folder.file("self") + "; sleep 100"),
                          [&](const core::Result<int>&) { called = true; });
    const pid_t self = pid_in("self");
    ASSERT_GT(self, 0);
    running.reset();
    EXPECT_TRUE(is_gone(self));
    loop.restart();
    loop.poll();
    EXPECT_FALSE(called);
}

TEST_F(AProgramOfTheOwner, does_not_outlive_its_loop) {
    auto own = std::make_unique<boost::asio::io_context>();
    bool called = false;
    auto running = program_runner(*own)(shell("echo $$ > " + folder.file("self") + "; sleep 100"),
                                        [&](const core::Result<int>&) { called = true; });
    const pid_t self = pid_in("self");
    own.reset();
    EXPECT_TRUE(is_gone(self));
    running.reset();
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace backplane::sync::test
