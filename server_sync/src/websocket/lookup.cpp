// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/lookup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "backplane/core/fd.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

namespace {

/// Two owners: the thread that looks, and who waits. The loop may be gone before the thread is, so
/// the thread knows nothing but its own end of a pipe, which it closes when it is done.
///
/// Not an eventfd of which each side has a duplicate: the loop's would stay in its epoll set after
/// it was closed, for as long as the thread keeps the other, and wake somebody else.
struct Lookup {
    std::mutex mutex;
    std::optional<core::Result<Addresses>> found;  ///< guarded by mutex
};

/// The main loop's side.
struct Wait {
    Wait(boost::asio::io_context& loop, int fd) : ready(loop, fd) {}
    boost::asio::posix::stream_descriptor ready;
    std::array<char, 1> nothing{};  ///< is ever read
    std::function<void(core::Result<Addresses>)> done;
};

core::Result<Addresses> find(const LookUp& lookup, const std::string& host) noexcept {
    try {
        return lookup(host);
    } catch (const std::exception& error) {
        return core::failure("net.lookup", error.what());
    }
}

}  // namespace

core::Subscription look_up(boost::asio::io_context& loop, LookUp lookup, std::string host,
                           std::function<void(core::Result<Addresses>)> done) {
    auto shared = std::make_shared<Lookup>();
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe2");
    core::Fd own(ends[0]), theirs(ends[1]);
    auto wait = std::make_shared<Wait>(loop, own.get());
    (void)own.release();  // the stream's from here on
    wait->done = std::move(done);
    // Reading, not waiting: a wait may end for no reason, the end of the pipe comes once.
    wait->ready.async_read_some(
        boost::asio::buffer(wait->nothing),
        [shared, wait](const boost::system::error_code& error, std::size_t) {
            auto tell = std::exchange(wait->done, nullptr);
            if (error != boost::asio::error::eof || !tell) return;
            std::optional<core::Result<Addresses>> found;
            {
                const std::lock_guard lock(shared->mutex);
                found = std::move(shared->found);
            }
            if (found) guarded("lookup", std::move(tell))(*std::move(found));
        });
    std::thread([shared, lookup = std::move(lookup), host = std::move(host),
                 ready = std::move(theirs)]() mutable {
        auto found = find(lookup, host);
        {
            const std::lock_guard lock(shared->mutex);
            shared->found = std::move(found);
        }
        ready.reset();
    }).detach();
    return core::Subscription([wait] {
        wait->done = nullptr;
        wait->ready.close();
    });
}

}  // namespace backplane::sync
