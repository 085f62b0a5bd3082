// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplaned: starts the box, ends it on SIGTERM or SIGINT, runs itself anew when a restart was asked for.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>

#include "backplane/core/log.hpp"
#include "box.hpp"
#include "options.hpp"

namespace {

constexpr int k_failed = 1;
constexpr int k_usage = 2;

// Enough for every connection that the HTTP limits allow, the devices and the plug-in hosts.
constexpr rlim_t k_open_files = 4096;

/// The usual soft limit of 1024 would end connections before the box's own limits answer them.
void raise_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= k_open_files) return;
    limit.rlim_cur = std::min(k_open_files, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// A block of this size gets pages of its own, which go back to the system when it is freed. By default the allocator
/// raises the limit up to 32 MiB once it has seen a large block freed: after one body of 9 MB a box kept 25 MB for ever.
constexpr int k_own_pages_from = 128 << 10;

/// Returns true when the program is to be run anew.
bool run(const backplane::daemon::Options& options, int& exit_code) {
    boost::asio::io_context loop{1};
    auto box = backplane::daemon::Box::start(loop, options);
    if (!box) {
        // The user reads this on a terminal or in the journal: the sentence itself, without decoration.
        std::fprintf(stderr, "backplaned: %s\n", box.error().text.c_str());
        exit_code = box.error().code.starts_with("config.") ? k_usage : k_failed;
        return false;
    }
    boost::asio::signal_set signals{loop, SIGTERM, SIGINT};
    int received = 0;
    std::function<void(const boost::system::error_code&, int)> on_signal =
        [&](const boost::system::error_code& ec, int) {
            if (ec) return;
            // Asked twice: whoever asks does not want to wait.
            if (++received > 1) std::_Exit(k_failed);
            (*box)->stop();
            signals.async_wait(on_signal);
        };
    signals.async_wait(on_signal);
    loop.run();
    backplane::core::log_flush_repeats();
    return (*box)->restart_wanted();
}

}  // namespace

int main(int argc, char** argv) {
    const auto parsed = backplane::daemon::parse_options(argc, argv);
    if (parsed.exit_code) return *parsed.exit_code;
    std::signal(SIGPIPE, SIG_IGN);
    raise_open_files();
    ::mallopt(M_MMAP_THRESHOLD, k_own_pages_from);
    backplane::core::log_to_stderr(true);
    int exit_code = 0;
    try {
        if (run(parsed.options, exit_code)) {
            ::execv("/proc/self/exe", argv);
            std::perror("backplaned: cannot run itself anew");
            return k_failed;
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "backplaned: %s\n", error.what());
        return k_failed;
    }
    return exit_code;
}
