// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "witness.hpp"

#include <gtest/gtest.h>
#include <httplib.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <sstream>

namespace backplane::tests {

namespace {

constexpr std::size_t k_most_growth_kib = std::size_t{64} << 10;

}  // namespace

std::chrono::milliseconds cpu_time_of(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string line;
    std::getline(file, line);
    // The name of the program may hold anything, so the count begins behind it: utime is 12th there, stime 13th.
    std::istringstream fields{line.substr(std::min(line.size(), line.rfind(')') + 1))};
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    long user = 0, system = 0;
    fields >> user >> system;
    return std::chrono::milliseconds{(user + system) * 1000 / ::sysconf(_SC_CLK_TCK)};
}

std::size_t memory_of(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
    std::size_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

Witness::Witness(const BoxProcess& box, SerialScale& scale, std::string identifier)
    : box_(box),
      scale_(scale),
      identifier_(std::move(identifier)),
      box_pid_(box.pid()),
      driver_before_(box.plugin("toledo8217")),
      memory_before_(memory_of(box.pid())) {
    thread_ = std::thread([this] { watch(); });
    weighs(5);
}

Witness::~Witness() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
}

void Witness::watch() {
    httplib::Client client{"127.0.0.1", box_.port()};
    client.set_read_timeout(5 * k_patience);
    bool first = true;
    client.Get(
        ("/api/v1/events?device=" + httplib::detail::encode_query_param(identifier_)).c_str(),
        [&](const char* data, std::size_t size) {
            if (std::exchange(first, false)) put_next_weight();
            rest_.append(data, size);
            for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
                take(std::string_view(rest_).substr(0, end));
                rest_.erase(0, end + 1);
            }
            return !stop_;
        });
    if (!stop_ && wrong_.empty()) wrong_ = "the event stream ended, or no weight came for 5 s";
}

void Witness::put_next_weight() {
    grams_before_ = grams_;
    grams_ = 500 + (grams_ + 5) % 5000;
    put_at_ = std::chrono::steady_clock::now();
    scale_.set_weight(grams_ / 1000.0);
}

void Witness::take(std::string_view line) {
    constexpr std::string_view k_mark = "data: ";
    if (line.substr(0, k_mark.size()) != k_mark) return;
    const json::value event = boost::json::parse(line.substr(k_mark.size()));
    if (event.at("kind") != "device_event" || event.at("name") != "weight") {
        if (event.at("kind") == "device_state" && wrong_.empty()) wrong_ = std::string(line);
        return;
    }
    const auto weight = number_in(event.at("data").as_object(), "weight");
    const long seen = weight ? std::lround(*weight * 1000) : -1;
    const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - put_at_);
    largest_gap_ = std::max(largest_gap_, gap);
    if (seen == grams_) {
        ++rounds_;
        put_next_weight();
    } else if (seen != grams_before_ && rounds_ > 0 && wrong_.empty()) {
        wrong_ = std::string(line);
    }
}

void Witness::weighs(unsigned times) {
    const unsigned enough = rounds_ + times;
    EXPECT_TRUE(eventually([&] { return rounds_ >= enough; }, std::chrono::seconds{10}))
        << "only " << rounds_ << " of " << enough << " weights came through\n"
        << box_.log();
}

void Witness::never_noticed() {
    weighs();
    stop_ = true;
    thread_.join();
    EXPECT_EQ(wrong_, "") << "something else came from the scale";
    EXPECT_LT(largest_gap_.count(), (k_largest_gap * k_patience).count()) << "ms without a weight";
    EXPECT_TRUE(box_.alive());
    EXPECT_EQ(box_.pid(), box_pid_);
    EXPECT_EQ(box_.get("/hw_proxy/hello").body, "ping");
    const json::object driver = box_.plugin("toledo8217");
    for (const char* same : {"pid", "starts", "crashes", "state", "instances"})
        EXPECT_EQ(driver.at(same), driver_before_.at(same))
            << same << ": " << json::serialize(driver);
    EXPECT_LT(memory_of(box_pid_), memory_before_ + k_most_growth_kib * k_patience) << "KiB";
}

}  // namespace backplane::tests
