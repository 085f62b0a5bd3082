// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/program.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backplane/core/fd.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

namespace {

constexpr std::size_t k_input_bytes = 4096;  // what a pipe takes in any case

/// posix_spawn's plan for the child, freed whatever happens.
struct Plan {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    Plan() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
};

/// A pipe with this text in it and nobody who could write more.
core::Result<core::Fd> filled_pipe(const std::string& text) {
    int ends[2] = {-1, -1};
    if (text.size() > k_input_bytes || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return core::failure("program.start", "the program's input could not be made");
    core::Fd read_end(ends[0]);
    const core::Fd write_end(ends[1]);
    if (!text.empty() &&
        ::write(write_end.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return core::failure("program.start", "the program's input could not be made");
    // The child's end blocks, as programs expect.
    ::fcntl(read_end.get(), F_SETFL, 0);
    return read_end;
}

/// One run. Owned by the wait for its end; the subscription holds it weakly.
class Run : public std::enable_shared_from_this<Run> {
public:
    using Done = std::function<void(core::Result<int>)>;

    Run(boost::asio::io_context& loop, Done done)
        : loop_(loop), ended_(loop), deadline_(loop), done_(std::move(done)) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() { end_program(); }

    void begin(ProgramCall call) {
        if (auto started = start(call); !started) {
            boost::asio::post(loop_,
                              [self = shared_from_this(), error = core::Error(started.error())] {
                                  self->tell(core::failure(error.code, error.text));
                              });
            return;
        }
        const std::string program = call.command.front();
        ended_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                              if (!error) self->tell(self->reap());
                          });
        deadline_.expires_after(call.deadline);
        deadline_.async_wait([weak = weak_from_this(), program,
                              limit = call.deadline](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (error || !self) return;
            self->end_program();
            self->tell(core::failure(
                "program.deadline",
                program + " did not end within " +
                    std::to_string(
                        std::chrono::duration_cast<std::chrono::seconds>(limit).count()) +
                    " s and was stopped"));
        });
    }

    /// Nothing is called any more.
    void give_up() {
        done_ = nullptr;
        end_program();
        deadline_.cancel();
        ended_.close();
    }

private:
    core::Result<void> start(const ProgramCall& call) {
        if (call.command.empty()) return core::failure("program.start", "no program is named");
        auto arguments = call.command;
        std::vector<char*> argv;
        for (auto& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        // The box's own variables are none of its business, and the folders are those of the system.
        std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        std::string language = "LANG=C.UTF-8";
        char* environment[] = {path.data(), language.data(), nullptr};

        auto input = filled_pipe(call.input);
        if (!input) return core::failure(input.error().code, input.error().text);
        Plan plan;
        sigset_t none{}, all{};
        ::sigemptyset(&none);
        ::sigfillset(&all);
        // What it writes is thrown away: the token could be in it.
        int error = ::posix_spawn_file_actions_adddup2(&plan.actions, input->get(), 0);
        for (const int out : {1, 2})
            if (error == 0)
                error = ::posix_spawn_file_actions_addopen(&plan.actions, out, "/dev/null",
                                                           O_WRONLY, 0);
        if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, 3);
        if (error == 0) error = ::posix_spawnattr_setsigmask(&plan.attributes, &none);
        if (error == 0) error = ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
        if (error == 0)
            error = ::posix_spawnattr_setflags(
                &plan.attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
        if (error == 0)
            error = ::posix_spawnp(&pid_, argv.front(), &plan.actions, &plan.attributes,
                                   argv.data(), environment);
        if (error != 0) {
            pid_ = -1;
            return core::failure("program.start", call.command.front() + " could not be started: " +
                                                      std::strerror(error));
        }
        const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        if (descriptor < 0) {
            const std::string why = std::strerror(errno);
            end_program();
            return core::failure("program.start",
                                 call.command.front() + " could not be watched: " + why);
        }
        ended_.assign(descriptor);
        return {};
    }

    core::Result<int> reap() {
        siginfo_t info{};
        const pid_t pid = std::exchange(pid_, -1);
        if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0)
            return core::failure("program.start", "the program's end was not told to the box");
        return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }

    /// With everything that it has started and that has not left its session on purpose.
    void end_program() noexcept {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        siginfo_t info{};
        // It has been killed an instant ago; until it is reaped, nobody else gets its number.
        ::waitid(P_PID, static_cast<id_t>(std::exchange(pid_, -1)), &info, WEXITED);
    }

    void tell(core::Result<int> result) {
        const auto self = shared_from_this();
        auto done = std::exchange(done_, nullptr);
        deadline_.cancel();
        ended_.close();
        if (done) guarded("end of a program", std::move(done))(std::move(result));
    }

    boost::asio::io_context& loop_;
    boost::asio::posix::stream_descriptor ended_;  ///< readable when the program has ended
    boost::asio::steady_timer deadline_;
    Done done_;
    pid_t pid_ = -1;
};

}  // namespace

ProgramRunner program_runner(boost::asio::io_context& loop) {
    return [&loop](ProgramCall call, Run::Done done) {
        auto run = std::make_shared<Run>(loop, std::move(done));
        run->begin(std::move(call));
        return core::Subscription([weak = std::weak_ptr(run)] {
            if (const auto self = weak.lock()) self->give_up();
        });
    };
}

}  // namespace backplane::sync
