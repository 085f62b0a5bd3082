// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/device_opener.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace backplane::core {

namespace asio = boost::asio;

namespace {

std::string hint(int error) {
    switch (error) {
        case EACCES:
        case EPERM:
            return ": the service's user may not open it: add the user to the group that owns the "
                   "device";
        case EBUSY:
            return ": another program has opened it for itself: close that program";
        case ENOENT:
        case ENXIO:
        case ENODEV:
            return ": it is not there (any more): check the cable";
        default:
            return "";
    }
}

Result<Fd> open_node(const std::string& path) {
    const auto failed = [&] {
        const int error = errno;
        return failure("device.open",
                       "cannot open " + path + ": " + std::strerror(error) + hint(error));
    };
    // Opening alone can do something (a FIFO lets its other end go on, a tape rewinds), so the kind
    // is looked at first, on the very file that is opened then.
    const Fd place{::open(path.c_str(), O_PATH | O_CLOEXEC)};
    if (!place) return failed();
    struct stat info {};
    if (::fstat(place.get(), &info) != 0 || !S_ISCHR(info.st_mode))
        return failure("device.open", path + " is not a character device: it is not opened");
    const std::string same = "/proc/self/fd/" + std::to_string(place.get());
    Fd fd{::open(same.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
    if (!fd) return failed();
    return fd;
}

}  // namespace

struct DeviceOpener::Connecting {
    explicit Connecting(asio::io_context& loop) : resolver(loop), socket(loop), timer(loop) {}
    asio::ip::tcp::resolver resolver;
    asio::ip::tcp::socket socket;
    asio::steady_timer timer;
    std::string target;
    Done done;

    void finish(Result<Fd> result) {
        if (!done) return;
        timer.cancel();
        resolver.cancel();
        std::exchange(done, nullptr)(std::move(result));
    }
};

DeviceOpener::DeviceOpener(asio::io_context& loop) : loop_(loop) {}

DeviceOpener::~DeviceOpener() {
    *alive_ = false;
    if (connecting_) {
        connecting_->done = nullptr;
        connecting_->resolver.cancel();
        boost::system::error_code ignored;
        connecting_->socket.close(ignored);
        connecting_->timer.cancel();
    }
}

void DeviceOpener::open(const OpenSpec& spec, const Fd& handed_over,
                        std::chrono::milliseconds limit, Done done) {
    auto later = [this, done](Result<Fd> result) mutable {
        auto shared = std::make_shared<Result<Fd>>(std::move(result));
        asio::post(loop_, [alive = alive_, shared, done = std::move(done)] {
            if (*alive) done(std::move(*shared));
        });
    };
    switch (spec.kind) {
        case OpenSpec::Kind::none:
            return later(Fd{});
        case OpenSpec::Kind::device_node:
            return later(open_node(spec.path));
        case OpenSpec::Kind::fd: {
            Fd copy = handed_over.duplicate();
            if (!copy)
                return later(
                    failure("device.open", "the interface has handed over no open descriptor"));
            return later(std::move(copy));
        }
        case OpenSpec::Kind::tcp:
            break;
    }
    auto state = std::make_shared<Connecting>(loop_);
    connecting_ = state;
    state->target = spec.host + ":" + std::to_string(spec.port);
    state->done = std::move(done);
    state->timer.expires_after(limit);
    state->timer.async_wait([state](const boost::system::error_code& ec) {
        if (ec) return;
        boost::system::error_code ignored;
        state->socket.close(ignored);
        state->finish(
            failure("device.open", state->target +
                                       " did not accept a connection in time: is it switched on "
                                       "and in this network?"));
    });
    state->resolver.async_resolve(
        spec.host, std::to_string(spec.port),
        [state](const boost::system::error_code& ec,
                const asio::ip::tcp::resolver::results_type& found) {
            if (!state->done) return;
            if (ec)
                return state->finish(
                    failure("device.open",
                            "cannot find the address of " + state->target + ": " + ec.message()));
            asio::async_connect(
                state->socket, found,
                [state](const boost::system::error_code& failed, const asio::ip::tcp::endpoint&) {
                    if (!state->done) return;
                    if (failed)
                        return state->finish(failure(
                            "device.open",
                            "cannot connect to " + state->target + ": " + failed.message()));
                    boost::system::error_code error;
                    Fd fd{state->socket.release(error)};
                    const int flags = fd ? ::fcntl(fd.get(), F_GETFL) : -1;
                    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
                        ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0)
                        return state->finish(failure(
                            "device.open", "cannot hand over the connection to " + state->target));
                    state->finish(std::move(fd));
                });
        });
}

}  // namespace backplane::core
