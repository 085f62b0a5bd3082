// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane-plugin-host: the process in which one plug-in runs. Started by backplaned only; see
// docs/reference/host-protocol.md for its arguments, its descriptors and its exit status.
#include <boost/asio/io_context.hpp>

#include <charconv>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "confinement.hpp"
#include "exit_codes.hpp"
#include "host.hpp"

namespace backplane::core::host {
namespace {

constexpr std::uint64_t k_most_memory_mib = 1u << 20;

bool read_fd(std::string_view text, int& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && ::fcntl(out, F_GETFD) >= 0;
}

std::optional<HostOptions> read_options(int argc, char** argv) {
    HostOptions options;
    std::string kind;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view option = argv[i];
        const std::string_view value = argv[i + 1];
        if (option == "--socket") {
            if (!read_fd(value, options.socket)) return std::nullopt;
        } else if (option == "--library") {
            if (!read_fd(value, options.library)) return std::nullopt;
        } else if (option == "--status") {
            if (!read_fd(value, options.status)) return std::nullopt;
        } else if (option == "--name") {
            options.name = value;
        } else if (option == "--id") {
            options.id = value;
        } else if (option == "--memory-mib") {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), options.memory_mib);
            if (error != std::errc{} || end != value.data() + value.size() ||
                options.memory_mib == 0 || options.memory_mib > k_most_memory_mib)
                return std::nullopt;
        } else if (option == "--kind") {
            kind = value;
        } else {
            return std::nullopt;
        }
    }
    options.is_interface = kind == "interface";
    const bool complete = argc % 2 == 1 && options.socket >= 0 && options.library >= 0 &&
                          options.status >= 0 && !options.name.empty() && !options.id.empty() &&
                          (options.is_interface || kind == "driver");
    if (!complete) return std::nullopt;
    return options;
}

int run(int argc, char** argv) {
    const auto options = read_options(argc, argv);
    if (!options) {
        // The only line that this program ever prints: here somebody has started it by hand.
        constexpr std::string_view text =
            "backplane-plugin-host is started by backplaned, with descriptors that it makes\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size());
        return k_exit_usage;
    }
    // A process that the plug-in starts gets none of our descriptors.
    for (const int fd : {options->socket, options->library, options->status})
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const Fd status_file{options->status};
    auto status = ipc::StatusWriter::map(status_file);
    std::string reason;
    if (!status || !confine(options->memory_mib, reason)) return k_exit_system;
    boost::asio::io_context loop{1};
    // Never destroyed: its parts may still be in use by threads of the plug-in when the process
    // ends.
    auto& host = *new Host{loop, *options, std::move(*status)};
    const int code = host.run();
    ::_exit(code);
}

}  // namespace
}  // namespace backplane::core::host

int main(int argc, char** argv) {
    // _exit(): no destructor of the plug-in runs, and its threads need not be waited for.
    try {
        ::_exit(backplane::core::host::run(argc, argv));
    } catch (const std::exception&) {
        ::_exit(backplane::core::host::k_exit_system);
    }
}
