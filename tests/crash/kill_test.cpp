// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The real file system: a process in the middle of an update is killed at each of its calls, and the next one goes on.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "backplane/core/fd.hpp"
#include "crash/update_run.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::crash {
namespace {

namespace fs = std::filesystem;
using core::Result;

/// The real disk; the process dies in front of one call, in a write in the middle of it.
class DeadlyFiles final : public core::DurableFiles {
public:
    explicit DeadlyFiles(std::size_t kill_at) : left_(kill_at) {}

    Result<std::unique_ptr<NewFile>> create(const std::string& path) override {
        step();
        auto file = disk_->create(path);
        if (!file) return file;
        return std::unique_ptr<NewFile>{std::make_unique<File>(*this, std::move(*file))};
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        return step(), disk_->rename(from, to);
    }
    Result<void> unlink(const std::string& path) override { return step(), disk_->unlink(path); }
    Result<void> make_directory(const std::string& path) override {
        return step(), disk_->make_directory(path);
    }
    Result<void> remove_directory(const std::string& path) override {
        return step(), disk_->remove_directory(path);
    }
    Result<void> sync_directory(const std::string& path) override {
        return step(), disk_->sync_directory(path);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return step(), disk_->list(path);
    }
    Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) override {
        return step(), disk_->read(path, most);
    }
    Result<std::uint64_t> free_space(const std::string&) override {
        return step(), std::uint64_t{1} << 40;
    }

private:
    class File final : public NewFile {
    public:
        File(DeadlyFiles& files, std::unique_ptr<NewFile> file)
            : files_(files), file_(std::move(file)) {}
        Result<void> write(std::span<const std::byte> bytes) override {
            if (files_.left_ == 1) (void)file_->write(bytes.first(bytes.size() / 2)).has_value();
            return files_.step(), file_->write(bytes);
        }
        Result<void> sync() override { return files_.step(), file_->sync(); }

    private:
        DeadlyFiles& files_;
        std::unique_ptr<NewFile> file_;
    };

    void step() {
        if (left_ != 0 && --left_ == 0) ::raise(SIGKILL);
    }

    std::size_t left_;
    std::unique_ptr<core::DurableFiles> disk_ = core::DurableFiles::posix();
};

std::size_t step_named(const std::string& name) {
    const auto& steps = update_steps();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].name == name) return i;
    }
    throw std::runtime_error{"no step " + name};
}

enum class End { killed, finished };

/// A process that makes the steps from `first` to before `last`, and is killed at its n-th call. `done`: as it told.
End run_and_kill(const Publisher& publisher, const std::string& folder, std::size_t first,
                 std::size_t last, std::size_t kill_at, std::size_t& done) {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) throw std::runtime_error{"no pipe"};
    const core::Fd from{ends[0]};
    core::Fd to{ends[1]};
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error{"no process"};
    if (child == 0) {
        DeadlyFiles files{kill_at};
        Box box{publisher, files, {}, folder};
        bool well = box.open().has_value();
        for (std::size_t i = first; well && i < last; ++i) {
            well = update_steps()[i].act(box).has_value();
            if (well) well = ::write(to.get(), ".", 1) == 1;
        }
        ::_exit(well ? 0 : 1);
    }
    to = core::Fd{};
    done = first;
    char told = 0;
    while (::read(from.get(), &told, 1) == 1) ++done;
    int status = 0;
    if (::waitpid(child, &status, 0) != child) throw std::runtime_error{"the process is lost"};
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return End::killed;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "a step has failed: " << status;
    return End::finished;
}

TEST(AnUpdateOnARealDisk, goes_on_after_a_kill_at_any_of_its_calls) {
    const Publisher publisher;
    const backplane::tests::TemporaryFolder temporary;
    const auto disk = core::DurableFiles::posix();
    const std::size_t first = step_named("release 2"),
                      last = step_named("its check of the display");
    const std::string before = temporary.file("before");
    {
        Box box{publisher, *disk, {}, before};
        for (std::size_t i = 0; i < first; ++i) {
            const auto done = update_steps()[i].act(box);
            ASSERT_TRUE(done) << done.error().text;
        }
    }
    std::size_t kills = 0;
    for (std::size_t at = 1;; ++at) {
        SCOPED_TRACE("killed at call " + std::to_string(at));
        const std::string folder = temporary.file("run-" + std::to_string(at));
        fs::copy(before, folder, fs::copy_options::recursive);
        std::size_t done = 0;
        const End end = run_and_kill(publisher, folder, first, last, at, done);
        if (end == End::finished) {
            EXPECT_EQ(done, last);
            break;
        }
        ++kills;
        Box box{publisher, *disk, {}, folder};
        const auto opened = box.open();
        ASSERT_TRUE(opened) << opened.error().text;
        const std::string found = box.summary();
        std::size_t from = done;
        if (found != summary_after(from)) ++from;
        ASSERT_EQ(found, summary_after(from)) << "reported as done was " << summary_after(done);
        ASSERT_EQ(box.problems(), std::vector<std::string>{});
        const auto finished = go_on(box, from);
        ASSERT_TRUE(finished) << finished.error().text;
        ASSERT_EQ(box.summary(), summary_after(update_steps().size()));
        box.close();
        fs::remove_all(folder);
    }
    std::cout << kills << " kills\n";
    EXPECT_GE(kills, 60u);
}

}  // namespace
}  // namespace backplane::crash
