// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/linger_set.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace backplane::core {

struct LingerSet::Entry {
    explicit Entry(Socket connection) : socket(std::move(connection)) {}
    Socket socket;
    Clock::time_point deadline;
    LingerSet* set = nullptr;  ///< null once removed
    Entries::iterator place;
};

void LingerSet::add(Socket socket) {
    if (most_ == 0) return;
    if (entries_.size() >= most_) remove(entries_.begin());
    boost::system::error_code error;
    socket.shutdown(Socket::shutdown_send, error);
    if (error) return;  // the client has gone already
    auto entry = std::make_shared<Entry>(std::move(socket));
    entry->deadline = Clock::now() + time_;
    entry->place = entries_.insert(entries_.end(), entry);
    entry->set = this;
    wait(entry);
}

void LingerSet::expire(Clock::time_point now) {
    while (!entries_.empty() && entries_.front()->deadline <= now) remove(entries_.begin());
}

void LingerSet::clear() noexcept {
    while (!entries_.empty()) remove(entries_.begin());
}

void LingerSet::remove(Entries::iterator place) noexcept {
    const auto entry = *place;
    entries_.erase(place);
    entry->set = nullptr;
    boost::system::error_code ignored;
    discard(*entry);  // unread bytes would turn the close into a reset
    entry->socket.close(ignored);
}

void LingerSet::wait(const std::shared_ptr<Entry>& entry) {
    entry->socket.async_wait(Socket::wait_read, [entry](const boost::system::error_code& error) {
        if (entry->set == nullptr) return;
        if (error || !discard(*entry)) {
            entry->set->remove(entry->place);
        } else {
            wait(entry);
        }
    });
}

/// False when the client has closed its side too.
bool LingerSet::discard(Entry& entry) {
    std::array<char, 16384> waste;
    for (int i = 0; i < 64; ++i) {
        const auto n =
            ::recv(entry.socket.native_handle(), waste.data(), waste.size(), MSG_DONTWAIT);
        if (n == 0) return false;
        if (n < 0) return errno == EAGAIN || errno == EINTR;
    }
    return true;
}

}  // namespace backplane::core
