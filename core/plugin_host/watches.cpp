// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "watches.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <sys/epoll.h>

namespace backplane::core::host {
namespace {

constexpr std::size_t k_most = 64;
constexpr std::uint32_t k_known_events = BP_FD_READ | BP_FD_WRITE | BP_FD_HANGUP;

int make_epoll() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) throw std::system_error{errno, std::system_category(), "cannot create an epoll"};
    return fd;
}

std::uint32_t to_epoll(std::uint32_t events) {
    return ((events & BP_FD_READ) != 0 ? std::uint32_t{EPOLLIN} : 0u) |
           ((events & BP_FD_WRITE) != 0 ? std::uint32_t{EPOLLOUT} : 0u);
}

std::uint32_t from_epoll(std::uint32_t events) {
    return ((events & EPOLLIN) != 0 ? BP_FD_READ : 0u) |
           ((events & EPOLLOUT) != 0 ? BP_FD_WRITE : 0u) |
           ((events & (EPOLLHUP | EPOLLERR)) != 0 ? BP_FD_HANGUP : 0u);
}

}  // namespace

WatchHub::WatchHub(boost::asio::io_context& loop) : epoll_(loop, make_epoll()) {}

int WatchHub::control(int operation, std::uint64_t id, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = to_epoll(events);
    event.data.u64 = id;
    return ::epoll_ctl(epoll_.native_handle(), operation, fd, &event) == 0 ? 0 : errno;
}

int WatchHub::add(std::uint64_t id, int fd, std::uint32_t events, Ready ready) {
    // Always added once, so that a descriptor that cannot be watched is refused here and not later.
    if (const int error = control(EPOLL_CTL_ADD, id, fd, events); error != 0) return error;
    entries_.emplace(id, std::make_shared<Entry>(Entry{fd, true, std::move(ready)}));
    if ((events & (BP_FD_READ | BP_FD_WRITE | BP_FD_HANGUP)) == 0) return modify(id, 0);
    wait();
    return 0;
}

int WatchHub::modify(std::uint64_t id, std::uint32_t events) {
    Entry& entry = *entries_.at(id);
    if (events == 0) {
        // Taken out, because epoll reports a hang-up also to those who have asked for nothing.
        const int error = entry.in_epoll ? control(EPOLL_CTL_DEL, id, entry.fd, 0) : 0;
        entry.in_epoll = false;
        return error;
    }
    const int error = control(entry.in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, id, entry.fd, events);
    if (error == 0) entry.in_epoll = true;
    wait();
    return error;
}

int WatchHub::remove(std::uint64_t id) {
    const auto found = entries_.find(id);
    const int error =
        found->second->in_epoll ? control(EPOLL_CTL_DEL, id, found->second->fd, 0) : 0;
    entries_.erase(found);
    return error;
}

void WatchHub::wait() {
    if (waiting_ || entries_.empty()) return;
    waiting_ = true;
    epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const boost::system::error_code& error) {
                          waiting_ = false;
                          if (error) return;
                          dispatch();
                          wait();
                      });
}

void WatchHub::dispatch() {
    std::array<epoll_event, 32> events{};
    const int count =
        ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        const auto found = entries_.find(event.data.u64);
        // One call may have ended the watch of the next.
        if (found == entries_.end() || !found->second->in_epoll) continue;
        const auto entry =
            found->second;  // owned by the map and this call, which may erase it from the map
        entry->ready(from_epoll(event.events));
    }
}

bp_status Watches::watch(std::int32_t fd, std::uint32_t events, bp_fd_fn fn, void* user,
                         std::uint64_t* out_id) {
    if (fd < 0 || fn == nullptr || out_id == nullptr || (events & ~k_known_events) != 0)
        return BP_E_INVALID;
    if (fds_.size() >= k_most) return BP_E_NO_SPACE;
    const bool doubled = std::any_of(fds_.begin(), fds_.end(),
                                     [fd](const auto& entry) { return entry.second == fd; });
    if (doubled) return BP_E_INVALID;
    const std::uint64_t id = context_.next_id();
    const int error = hub_.add(id, fd, events, [this, id, fd, fn, user](std::uint32_t ready) {
        call_plugin(context_, ipc::PluginCall::fd_watch, instance_,
                    [&] { fn(user, id, fd, ready); });
    });
    if (error == ENOMEM || error == ENOSPC) return BP_E_NO_SPACE;
    if (error != 0) return BP_E_INVALID;
    fds_.emplace(id, fd);
    *out_id = id;
    return BP_OK;
}

bp_status Watches::modify(std::uint64_t id, std::uint32_t events) {
    if (fds_.count(id) == 0 || (events & ~k_known_events) != 0) return BP_E_INVALID;
    return hub_.modify(id, events) == 0 ? BP_OK : BP_E_INVALID;
}

bp_status Watches::unwatch(std::uint64_t id) {
    const auto found = fds_.find(id);
    if (found == fds_.end()) return BP_E_INVALID;
    if (hub_.remove(id) != 0) {
        context_.link.fault(instance_, "closed descriptor " + std::to_string(found->second) +
                                           " before it ended its watch");
    }
    fds_.erase(found);
    return BP_OK;
}

std::size_t Watches::clear() {
    const std::size_t left = fds_.size();
    for (const auto& [id, fd] : fds_) hub_.remove(id);
    fds_.clear();
    return left;
}

}  // namespace backplane::core::host
