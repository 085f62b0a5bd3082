// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "server/net_errors.hpp"

namespace backplane::sync {

namespace {

using Addresses = core::Result<std::vector<std::string>>;

constexpr std::size_t k_addresses = 4;

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

/// Two owners: who waits, and the thread that looks.
struct Lookup {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::optional<Addresses> found;  ///< guarded by mutex
};

}  // namespace

Addresses system_lookup(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
        return core::failure("net.lookup", ::gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* at = list; at && addresses.size() < k_addresses; at = at->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0,
                          NI_NUMERICHOST) == 0)
            addresses.emplace_back(text.data());
    }
    return addresses;
}

Addresses resolve(const LookUp& look_up, const std::string& host, std::chrono::milliseconds limit,
                  std::stop_token stop) {
    if (is_address(host)) return std::vector{host};
    auto lookup = std::make_shared<Lookup>();
    std::thread([lookup, host, look = look_up] {
        Addresses found = core::failure("net.lookup", "the lookup failed");
        try {
            found = look ? look(host) : system_lookup(host);
        } catch (const std::exception& error) {
            found = core::failure("net.lookup", error.what());
        }
        {
            const std::lock_guard lock(lookup->mutex);
            lookup->found = std::move(found);
        }
        lookup->changed.notify_all();
    }).detach();

    std::unique_lock lock(lookup->mutex);
    lookup->changed.wait_for(lock, stop, limit, [&] { return lookup->found.has_value(); });
    if (!lookup->found) return refuse_lookup(host, "the name server did not answer in time");
    if (!*lookup->found) return refuse_lookup(host, lookup->found->error().text);
    std::vector<std::string> addresses = **std::move(lookup->found);
    if (addresses.empty()) return refuse_lookup(host, "it has no address");
    addresses.resize(std::min(addresses.size(), k_addresses));
    return addresses;
}

}  // namespace backplane::sync
