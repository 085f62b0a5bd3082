// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "doubles/bad_ports.hpp"
#include "messages/network_quality.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

struct Rated {
    unsigned sent;
    std::vector<microseconds> answered;
    std::string_view near, far;
};

TEST(TheQualityOfANetwork, is_rated_by_losses_and_the_mean_time) {
    const std::vector<Rated> k_table{
        {0, {}, "unreachable", "unreachable"},
        {3, {}, "unreachable", "unreachable"},
        {3, {1ms}, "unreachable", "unreachable"},
        {2, {1ms}, "unreachable", "unreachable"},
        {3, {1ms, 1ms}, "slow", "slow"},
        {3, {0us, 0us, 0us}, "fast", "fast"},
        {3, {4999us, 4999us, 4999us}, "fast", "fast"},
        {3, {5ms, 5ms, 5ms}, "normal", "fast"},
        {3, {1ms, 1ms, 12ms}, "fast", "fast"},
        {3, {19999us, 19999us, 19999us}, "normal", "fast"},
        {3, {20ms, 20ms, 20ms}, "slow", "fast"},
        {3, {49999us, 49999us, 49999us}, "slow", "fast"},
        {3, {50ms, 50ms, 50ms}, "slow", "normal"},
        {3, {149999us, 149999us, 149999us}, "slow", "normal"},
        {3, {150ms, 150ms, 150ms}, "slow", "slow"},
        {3, {2900ms, 2900ms, 2900ms}, "slow", "slow"},
        {1, {1ms, 1ms}, "fast", "fast"},  // a packet that came twice
        {50, std::vector<microseconds>(49, 1ms), "normal", "normal"},
        {100, std::vector<microseconds>(95, 1ms), "slow", "slow"},
    };
    for (const auto& [sent, answered, near, far] : k_table) {
        const Probes probes{sent, answered};
        const auto what = std::to_string(answered.size()) + " of " + std::to_string(sent);
        EXPECT_EQ(rate(probes, true), near) << what;
        EXPECT_EQ(rate(probes, false), far) << what;
    }
}

TEST(TheQualityOfANetwork, is_that_of_the_better_way) {
    EXPECT_EQ(better("fast", "slow"), "fast");
    EXPECT_EQ(better("unreachable", "slow"), "slow");
    EXPECT_EQ(better("slow", "normal"), "normal");
    EXPECT_EQ(better("unreachable", "unreachable"), "unreachable");
    EXPECT_EQ(better("nonsense", ""), "unreachable");
}

TEST(TheQualityOfANetwork, is_judged_more_strictly_at_home) {
    for (const char* home :
         {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.1.1",
          "::1", "fe80::1", "fe80::1%eth0", "fd00::5", "fc00::1", "::ffff:192.168.1.1"})
        EXPECT_TRUE(is_private(home)) << home;
    for (const char* away : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "11.0.0.1",
                             "2001:db8::1", "::ffff:8.8.8.8", "fec0::1", "shop.example.com", "",
                             "10.0.0", "192.168.1.1.example.com", "%eth0"})
        EXPECT_FALSE(is_private(away)) << away;
    EXPECT_FALSE(is_private(std::string(1000, '1')));
}

// As the kernel of a little-endian machine writes it.
constexpr const char* k_routes =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "wlan0\t00000000\t0201A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
    "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    "tun0\t00000000\t0301A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";

TEST(TheNextHop, is_the_gateway_with_the_smallest_metric) {
    EXPECT_EQ(gateway_in(k_routes), "192.168.1.1");
}

TEST(TheNextHop, is_not_found_where_there_is_none) {
    for (const char* table :
         {"", "\n\n", "Iface\tDestination\tGateway\n",
          "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n",
          // switched off, without a gateway, a host's route, to a network, damaged
          "eth0\t00000000\t0101A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0\n",
          "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
          "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\tFFFFFFFF\t0\t0\t0\n",
          "eth0\t0000000A\t0101A8C0\t0003\t0\t0\t100\t000000FF\t0\t0\t0\n",
          "eth0\t00000000\t0101A8C0FF\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
          "eth0\tzz\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "eth0\t00000000\t0101A8C0"})
        EXPECT_EQ(gateway_in(table), "") << table;
}

TEST(TheNextHop, is_found_in_a_network_with_ipv6_alone) {
    const std::string zeros(32, '0');
    const auto line = [&](const std::string& to, const std::string& bits, const std::string& hop,
                          const std::string& metric, const std::string& flags) {
        return to + ' ' + bits + ' ' + zeros + " 00 " + hop + ' ' + metric + " 00000001 00000000 " +
               flags + "     eth0\n";
    };
    const std::string local = "fe800000000000000000000000000001";
    const std::string global = "20010db8000000000000000000000001";
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "00", local, "00000400", "00000003")), "fe80::1%eth0");
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "00", local, "00000400", "00000003") +
                              line(zeros, "00", global, "00000064", "00000003")),
              "2001:db8::1");
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "00", zeros, "00000400", "00000003")), "");
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "40", local, "00000400", "00000003")), "");
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "00", local, "ffffffff", "00200200")), "");
    EXPECT_EQ(gateway_in_ipv6(line(zeros, "00", "zz" + local.substr(2), "00000400", "00000003")),
              "");
    EXPECT_EQ(gateway_in_ipv6("nonsense"), "");
}

/// A port of the loopback device where connections are made.
class OpenPort {
public:
    explicit OpenPort(int family = AF_INET) {
        socket_.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_addr = in6addr_loopback;
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&four)
                                          : reinterpret_cast<sockaddr*>(&six);
        socklen_t size = family == AF_INET ? sizeof four : sizeof six;
        if (!socket_ || ::bind(socket_.get(), address, size) != 0 ||
            ::listen(socket_.get(), 16) != 0 || ::getsockname(socket_.get(), address, &size) != 0)
            return;
        port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
    }
    std::uint16_t port = 0;  ///< 0: this system cannot

private:
    core::Fd socket_;
};

class AMeasurement : public ::testing::Test {
protected:
    /// Without ICMP, which reaches the loopback device whatever its ports do.
    static NetworkProbe::Options by_connections() {
        NetworkProbe::Options options;
        options.icmp = false;
        return options;
    }
    std::string measure(NetworkProbe& with, const std::string& host, std::uint16_t port) {
        std::optional<std::string> rating;
        with.measure(host, port, [&](std::string got) {
            EXPECT_FALSE(rating) << "called twice";
            rating = std::move(got);
        });
        EXPECT_FALSE(rating) << "called from inside";
        EXPECT_TRUE(run_until(loop, [&] { return rating.has_value(); }));
        return rating.value_or("nothing");
    }
    boost::asio::io_context loop;
    NetworkProbe probe{loop, by_connections()};
};

// A busy machine may be slow; that it answers is certain.
const auto k_reachable = ::testing::AnyOf("fast", "normal", "slow");

TEST_F(AMeasurement, finds_the_own_machine_fast) {
    const OpenPort port;
    // The best of some: other programs may have the processor for a while.
    std::string best = "unreachable";
    for (int i = 0; i < 20 && best != "fast"; ++i)
        best = better(best, measure(probe, "127.0.0.1", port.port));
    EXPECT_EQ(best, "fast");
}

TEST_F(AMeasurement, works_over_ipv6) {
    const OpenPort port(AF_INET6);
    if (port.port == 0) GTEST_SKIP() << "this machine has no IPv6";
    EXPECT_THAT(measure(probe, "::1", port.port), k_reachable);
}

TEST_F(AMeasurement, takes_a_refusal_for_an_answer) {
    const tests::RefusingPort port;
    EXPECT_THAT(measure(probe, "127.0.0.1", port.port()), k_reachable);
}

TEST_F(AMeasurement, finds_a_black_hole_unreachable_within_three_seconds) {
    const tests::BusyPort port;
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(measure(probe, "127.0.0.1", port.port()), "unreachable");
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_GE(took, 2900ms);
    EXPECT_LT(took, 10s);
}

TEST_F(AMeasurement, finds_what_has_no_way_and_no_name_unreachable) {
    auto options = by_connections();
    options.resolve = [](const std::string& host) -> core::Result<std::vector<std::string>> {
        if (host == "nonsense.example.com") return std::vector<std::string>{"nonsense", ""};
        if (host == "empty.example.com") return std::vector<std::string>{};
        return core::failure("net.lookup", "there is no such name");
    };
    NetworkProbe other(loop, options);
    for (const char* host : {"", "no.example.com", "empty.example.com", "nonsense.example.com"})
        EXPECT_EQ(measure(other, host, 80), "unreachable") << host;
}

TEST_F(AMeasurement, looks_names_up_and_tries_both_kinds_of_addresses) {
    const OpenPort port;
    auto options = by_connections();
    options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
        return std::vector<std::string>{"::1", "127.0.0.1"};  // nobody is behind the first one
    };
    NetworkProbe other(loop, options);
    EXPECT_THAT(measure(other, "shop.example.com", port.port), k_reachable);
}

TEST_F(AMeasurement, does_not_wait_for_a_name_server_that_is_silent) {
    struct Gate {
        std::mutex mutex;
        std::condition_variable changed;
        bool open = false;
    };
    const auto gate = std::make_shared<Gate>();
    auto options = by_connections();
    options.total = 50ms;
    options.resolve = [gate](const std::string&) -> core::Result<std::vector<std::string>> {
        std::unique_lock lock(gate->mutex);
        gate->changed.wait_for(lock, 30s, [&] { return gate->open; });
        return std::vector<std::string>{"127.0.0.1"};
    };
    NetworkProbe other(loop, options);
    EXPECT_EQ(measure(other, "shop.example.com", 80), "unreachable");
    const std::lock_guard lock(gate->mutex);
    gate->open = true;
    gate->changed.notify_all();
}

TEST_F(AMeasurement, counts_echoes_where_the_system_allows_them) {
    const core::Fd allowed(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
    const tests::BusyPort port;
    NetworkProbe both(loop);
    // Connections are never made there, so what is reachable is so by its echoes.
    if (allowed)
        EXPECT_THAT(measure(both, "127.0.0.1", port.port()), k_reachable);
    else
        EXPECT_EQ(measure(both, "127.0.0.1", port.port()), "unreachable");
}

TEST_F(AMeasurement, of_gateway_and_server_is_one_answer) {
    const OpenPort port;
    std::optional<std::pair<std::string, std::string>> result;
    const auto done = [&](std::string lan, std::string wan) {
        EXPECT_FALSE(result);
        result.emplace(std::move(lan), std::move(wan));
    };
    measure_network(probe, "", "http://127.0.0.1:" + std::to_string(port.port), done);
    EXPECT_FALSE(result) << "called from inside";
    ASSERT_TRUE(run_until(loop, [&] { return result.has_value(); }));
    EXPECT_EQ(result->first, "unreachable");
    EXPECT_THAT(result->second, k_reachable);

    result.reset();
    measure_network(probe, "", "", done);
    ASSERT_TRUE(run_until(loop, [&] { return result.has_value(); }));
    EXPECT_EQ(*result, (std::pair<std::string, std::string>("unreachable", "unreachable")));
}

TEST_F(AMeasurement, tells_nobody_after_its_end) {
    const tests::BusyPort port;
    bool told = false;
    {
        NetworkProbe::Options options;
        options.resolve = [](const std::string&) -> core::Result<std::vector<std::string>> {
            return std::vector<std::string>{"127.0.0.1"};
        };
        NetworkProbe other(loop, options);
        for (const char* host : {"127.0.0.1", "", "shop.example.com"})
            other.measure(host, port.port(), [&](const std::string&) { told = true; });
    }
    loop.restart();
    loop.run_for(300ms);
    EXPECT_FALSE(told);
}

}  // namespace
}  // namespace backplane::sync::test
