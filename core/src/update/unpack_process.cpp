// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/unpack_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle/file_errors.hpp"
#include "bundle/unpacked.hpp"
#include "supervisor/host_process.hpp"
#include "supervisor/spawn.hpp"
#include "util/memory_file.hpp"
#include "util/memory_map.hpp"

namespace backplane::core {
namespace {

using Clock = std::chrono::steady_clock;

Unexpected<Error> not_possible(const std::string& why) {
    return failure("update.unpack", "the archive could not be unpacked: " + why);
}

Unexpected<Error> broken(const std::string& how) {
    return failure("E_ZIP",
                   "expected an archive that can be unpacked, found one at which the "
                   "program that unpacks archives " +
                       how +
                       ": the archive may be made to break it, so fetch it again, and if that "
                       "does not help tell its publisher");
}

/// Full length from the beginning and no way to grow: whatever the other side has become, it cannot fill the memory of the
/// box. What is not written takes no memory.
Result<Fd> make_output() {
    Fd file{::memfd_create("unpacked", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bundle::k_unpacked_bytes)) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
        return not_possible(std::string{"cannot make a memory file: "} + std::strerror(errno));
    }
    return file;
}

/// A child of this thread. Does not outlive it.
class Child {
public:
    explicit Child(Spawned spawned) : spawned_(std::move(spawned)) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (spawned_.pid <= 0) return;
        ::kill(spawned_.pid, SIGKILL);
        (void)reap();
    }

    /// Nothing: it still runs at the deadline.
    std::optional<HostExit> wait(Clock::time_point deadline) {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
            pollfd poll{spawned_.pidfd.get(), POLLIN, 0};
            const auto patience = std::max<std::int64_t>(left.count(), 0);
            const int ready = ::poll(&poll, 1, static_cast<int>(patience));
            if (ready > 0) return reap();
            if (ready == 0) return std::nullopt;
            if (errno != EINTR) return std::nullopt;
        }
    }

private:
    /// It has ended, or will in an instant.
    HostExit reap() noexcept {
        siginfo_t info{};
        while (::waitid(P_PIDFD, static_cast<id_t>(spawned_.pidfd.get()), &info, WEXITED) != 0 &&
               errno == EINTR) {
        }
        spawned_.pid = -1;
        return {info.si_code != CLD_EXITED, info.si_status};
    }

    Spawned spawned_;
};

Result<void> check_exit(const HostExit& exit) {
    if (!exit.by_signal && exit.value == 0) return {};
    if (exit.by_signal && (exit.value == SIGTERM || exit.value == SIGINT || exit.value == SIGHUP)) {
        return not_possible("the program for it was " + exit.text() +
                            ", from outside: try again when the box is not being stopped");
    }
    if (!exit.by_signal && exit.value == bundle::k_unpack_not_confined) {
        return not_possible(
            "the program for it could not lock itself in, and does not look at "
            "archives otherwise: use a kernel with seccomp filters");
    }
    if (!exit.by_signal && exit.value == bundle::k_unpack_usage) {
        return not_possible(
            "the program for it is of another version: is backplane installed completely?");
    }
    return broken(exit.by_signal ? "was " + exit.text() : exit.text());
}

/// Sealed before it is looked at, so that it stays what was checked.
Result<std::unique_ptr<bundle::FileSource>> open_output(const Fd& output) {
    if (::fcntl(output.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        return broken(std::string{"has left a result that is not finished ("} +
                      std::strerror(errno) + ")");
    }
    auto map = MemoryMap::of(output);
    if (!map) return not_possible(map.error().text);
    auto files = bundle::Unpacked::open(*std::move(map));
    if (!files) return Unexpected<Error>{files.error()};
    return std::unique_ptr<bundle::FileSource>{
        std::make_unique<bundle::Unpacked>(*std::move(files))};
}

}  // namespace

Result<std::unique_ptr<bundle::FileSource>> UnpackProcess::unpack(
    std::span<const std::byte> archive) const {
    if (archive.size() > bundle::k_archive_bytes)
        return bundle::file_errors::archive_too_large(archive.size());
    const auto input = sealed_memory_file("archive", archive);
    if (!input) return not_possible(input.error().text);
    const auto output = make_output();
    if (!output) return Unexpected<Error>{output.error()};
    SpawnRequest request;
    request.program = program;
    request.arguments = {arch};
    request.environment = sanitizer_environment();
    request.descriptors = {SpawnRequest::k_null, SpawnRequest::k_null, SpawnRequest::k_null,
                           input->get(), output->get()};
    static_assert(bundle::k_unpack_archive_fd == 3 && bundle::k_unpack_output_fd == 4);
    auto spawned = spawn(request);
    if (!spawned) return not_possible(spawned.error().text);
    Child child{*std::move(spawned)};
    const auto exit = child.wait(Clock::now() + deadline);
    if (!exit) {
        return broken(
            "did not come to an end within " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(deadline).count()) +
            " s");
    }
    if (auto good = check_exit(*exit); !good) return Unexpected<Error>{good.error()};
    return open_output(*output);
}

}  // namespace backplane::core
