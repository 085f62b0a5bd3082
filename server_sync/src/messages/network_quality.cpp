// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "messages/network_quality.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "server/server_url.hpp"

namespace backplane::sync {

using std::chrono::microseconds;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t k_table_bytes =
    1u << 20;  // of a router with very many routes; the rest is not looked at

// Of the kernel's routes, <linux/route.h>: usable, and by way of a gateway.
constexpr std::uint32_t k_up = 1, k_gateway = 2;

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at < line.size();) {
        const std::size_t begin = line.find_first_not_of(" \t\r", at);
        if (begin == std::string_view::npos) break;
        at = std::min(line.find_first_of(" \t\r", begin), line.size());
        out.push_back(line.substr(begin, at - begin));
    }
    return out;
}

std::optional<std::uint32_t> number(std::string_view text, int base) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

template <typename F>
void for_each_line(std::string_view table, F&& f) {
    while (!table.empty()) {
        const std::size_t end = std::min(table.find('\n'), table.size());
        f(words(table.substr(0, end)));
        table.remove_prefix(std::min(end + 1, table.size()));
    }
}

std::string read_table(const char* path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "re"),
                                                               &std::fclose);
    std::string text;
    if (!file) return text;
    std::array<char, 4096> block{};
    while (text.size() < k_table_bytes) {
        const std::size_t got = std::fread(block.data(), 1, block.size(), file.get());
        if (got == 0) break;
        text.append(block.data(), got);
    }
    return text;
}

int rank(std::string_view rating) noexcept {
    if (rating == "fast") return 3;
    if (rating == "normal") return 2;
    if (rating == "slow") return 1;
    return 0;
}

bool is_private_v4(std::uint32_t address) noexcept {
    const auto in = [address](std::uint32_t network, unsigned bits) {
        return (address >> (32 - bits)) == (network >> (32 - bits));
    };
    return in(0x0A000000, 8) || in(0xAC100000, 12) || in(0xC0A80000, 16) || in(0x7F000000, 8) ||
           in(0xA9FE0000, 16);
}

}  // namespace

std::string_view rate(const Probes& probes, bool private_network) noexcept {
    if (probes.sent == 0 || probes.answered.empty()) return "unreachable";
    const double sent = probes.sent;
    const double lost = sent - static_cast<double>(probes.answered.size());
    const double loss = lost > 0 ? lost / sent * 100 : 0;
    if (loss >= 50) return "unreachable";
    const auto sum =
        std::accumulate(probes.answered.begin(), probes.answered.end(), microseconds{});
    const double mean_ms = std::chrono::duration<double, std::milli>(sum).count() /
                           static_cast<double>(probes.answered.size());
    if (mean_ms < (private_network ? 5 : 50) && loss < 1) return "fast";
    if (mean_ms < (private_network ? 20 : 150) && loss < 5) return "normal";
    return "slow";
}

std::string_view better(std::string_view one, std::string_view other) noexcept {
    constexpr std::array<std::string_view, 4> k_ratings{"unreachable", "slow", "normal", "fast"};
    return k_ratings[static_cast<std::size_t>(std::max(rank(one), rank(other)))];
}

bool is_private(std::string_view address) noexcept {
    address = address.substr(0, address.find('%'));
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.size() >= text.size()) return false;
    std::memcpy(text.data(), address.data(), address.size());
    in_addr four{};
    if (::inet_pton(AF_INET, text.data(), &four) == 1) return is_private_v4(ntohl(four.s_addr));
    in6_addr six{};
    if (::inet_pton(AF_INET6, text.data(), &six) != 1) return false;
    const auto* bytes = six.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return is_private_v4(std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 |
                             std::uint32_t{bytes[14]} << 8 | std::uint32_t{bytes[15]});
    return IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_LINKLOCAL(&six) || (bytes[0] & 0xfe) == 0xfc;
}

// Iface Destination Gateway Flags RefCnt Use Metric Mask …, addresses as the number in the kernel's memory.
std::string gateway_in(std::string_view route_table) {
    std::string gateway;
    std::uint32_t best = std::numeric_limits<std::uint32_t>::max();
    for_each_line(route_table, [&](const std::vector<std::string_view>& line) {
        if (line.size() < 8) return;
        const auto destination = number(line[1], 16), by = number(line[2], 16),
                   flags = number(line[3], 16), metric = number(line[6], 10),
                   mask = number(line[7], 16);
        if (!destination || !by || !flags || !metric || !mask) return;
        if (*destination != 0 || *mask != 0 || *by == 0) return;
        if ((*flags & (k_up | k_gateway)) != (k_up | k_gateway)) return;
        if (!gateway.empty() && *metric >= best) return;
        in_addr address{};
        static_assert(sizeof address == sizeof *by);
        std::memcpy(&address, &*by, sizeof address);
        std::array<char, INET_ADDRSTRLEN> text{};
        if (::inet_ntop(AF_INET, &address, text.data(), text.size()) == nullptr) return;
        gateway = text.data();
        best = *metric;
    });
    return gateway;
}

// destination prefix source prefix next_hop metric refcount use flags interface, all numbers hexadecimal.
std::string gateway_in_ipv6(std::string_view route_table) {
    std::string gateway;
    std::uint32_t best = std::numeric_limits<std::uint32_t>::max();
    for_each_line(route_table, [&](const std::vector<std::string_view>& line) {
        if (line.size() < 10 || line[4].size() != 32) return;
        const auto prefix = number(line[1], 16), metric = number(line[5], 16),
                   flags = number(line[8], 16);
        if (!prefix || !metric || !flags || *prefix != 0) return;
        if ((*flags & (k_up | k_gateway)) != (k_up | k_gateway)) return;
        if (!gateway.empty() && *metric >= best) return;
        in6_addr address{};
        for (std::size_t i = 0; i < 16; ++i) {
            const auto byte = number(line[4].substr(2 * i, 2), 16);
            if (!byte) return;
            address.s6_addr[i] = static_cast<std::uint8_t>(*byte);
        }
        if (IN6_IS_ADDR_UNSPECIFIED(&address)) return;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (::inet_ntop(AF_INET6, &address, text.data(), text.size()) == nullptr) return;
        gateway = text.data();
        if (IN6_IS_ADDR_LINKLOCAL(&address)) gateway += '%' + std::string(line[9]);
        best = *metric;
    });
    return gateway;
}

std::string default_gateway() {
    auto gateway = gateway_in(read_table("/proc/net/route"));
    if (gateway.empty()) gateway = gateway_in_ipv6(read_table("/proc/net/ipv6_route"));
    return gateway;
}

void measure_network(NetworkProbe& probe, const std::string& gateway, std::string_view server_url,
                     std::function<void(std::string lan, std::string wan)> done) {
    // Two owners: the two measurements. Whichever ends last tells.
    struct Both {
        std::function<void(std::string, std::string)> done;
        std::string lan = "unreachable", wan = "unreachable";
        unsigned running = 2;
        void ended() {
            if (--running == 0) done(std::move(lan), std::move(wan));
        }
    };
    auto both = std::make_shared<Both>();
    both->done = std::move(done);
    const auto server = parse_server_url(server_url);
    // An empty host is "unreachable", too, but later: done must not come from inside of this call.
    probe.measure(gateway, 80, [both](std::string rating) {
        both->lan = std::move(rating);
        both->ended();
    });
    probe.measure(server ? server->host : std::string(), server ? server->port : std::uint16_t{80},
                  [both](std::string rating) {
                      both->wan = std::move(rating);
                      both->ended();
                  });
}

}  // namespace backplane::sync
