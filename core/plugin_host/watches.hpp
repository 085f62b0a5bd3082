// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// backplane.fd/1: an epoll of its own below the loop's, because the contract wants level-triggered
// calls, and because Asio would set O_NONBLOCK on descriptors that belong to the plug-in. Thread:
// the driver thread.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "context.hpp"

namespace backplane::core::host {

/// The inner epoll of the process.
class WatchHub {
public:
    using Ready = std::function<void(std::uint32_t events)>;

    explicit WatchHub(boost::asio::io_context& loop);

    /// 0, or errno. An empty `events` keeps the id but watches nothing.
    int add(std::uint64_t id, int fd, std::uint32_t events, Ready ready);
    int modify(std::uint64_t id, std::uint32_t events);
    int remove(std::uint64_t id);

private:
    struct Entry {
        int fd;
        bool in_epoll;
        Ready ready;
    };
    int control(int operation, std::uint64_t id, int fd, std::uint32_t events);
    void wait();
    void dispatch();

    boost::asio::posix::stream_descriptor epoll_;
    bool waiting_ = false;
    std::unordered_map<std::uint64_t, std::shared_ptr<Entry>> entries_;
};

/// The watches of one instance.
class Watches {
public:
    Watches(Context& context, WatchHub& hub, std::uint64_t instance)
        : context_(context), hub_(hub), instance_(instance) {}
    Watches(const Watches&) = delete;
    Watches& operator=(const Watches&) = delete;
    ~Watches() { clear(); }

    bp_status watch(std::int32_t fd, std::uint32_t events, bp_fd_fn fn, void* user,
                    std::uint64_t* out_id);
    bp_status modify(std::uint64_t id, std::uint32_t events);
    bp_status unwatch(std::uint64_t id);
    /// How many were left.
    std::size_t clear();

private:
    Context& context_;
    WatchHub& hub_;
    const std::uint64_t instance_;
    std::map<std::uint64_t, std::int32_t> fds_;
};

}  // namespace backplane::core::host
