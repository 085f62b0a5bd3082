// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How a page sees an update go on: events of the box.
#include <gmock/gmock.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"

namespace backplane::core::test {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AnUpdateEvent : public testing::Test {
protected:
    ServedApi box{{.plugins = {{"acme_scale", "1.0.0"}}}};
};

TEST_F(AnUpdateEvent, holds_the_report_as_the_route_gives_it) {
    EXPECT_THAT(box.published("update"), IsEmpty()) << "nothing has happened";
    box.change([](FakeUpdates& updates) {
        updates.now.phase = UpdateReport::Phase::verifying;
        updates.now.text = "The signatures are being checked.";
    });
    ASSERT_THAT(box.published("update"), SizeIs(1));
    json::object report = ApiClient{box.port()}.get("/api/v1/update").json;
    report.erase("seq");
    EXPECT_EQ(json::value(report), json::parse(json::serialize(box.published("update").front())));
}

TEST_F(AnUpdateEvent, comes_at_most_ten_times_a_second_and_always_for_the_last_change) {
    // 60 changes, one each 5 ms: a download that goes well.
    std::promise<void> over;
    boost::asio::steady_timer timer{box.loop()};
    const auto begun = std::chrono::steady_clock::now();
    std::function<void(int)> step = [&](int number) {
        box.updates().now.received = static_cast<std::uint64_t>(number);
        box.updates().tell();
        if (number == 60) return over.set_value();
        timer.expires_after(std::chrono::milliseconds{5});
        timer.async_wait([&, number](const boost::system::error_code&) { step(number + 1); });
    };
    box.on_loop([&] { step(1); });
    over.get_future().get();
    const auto last_is = [&](std::uint64_t received) {
        const auto all = box.published("update");
        return !all.empty() && all.back().at("received") == received;
    };
    EXPECT_TRUE(eventually([&] { return last_is(60); }));
    const auto tenths = static_cast<std::size_t>((std::chrono::steady_clock::now() - begun) /
                                                 std::chrono::milliseconds{100});
    EXPECT_LE(box.published("update").size(), tenths + 2);
    EXPECT_GE(box.published("update").size(), 3u);
}

TEST_F(AnUpdateEvent, is_not_repeated_when_nothing_changed) {
    box.change([](FakeUpdates& updates) { updates.now.received = 1; });
    for (int i = 0; i < 5; ++i) box.change([](FakeUpdates&) {});
    // Its turn comes only after the rest that the changes above have begun.
    box.change([](FakeUpdates& updates) { updates.now.received = 2; });
    EXPECT_TRUE(eventually([&] { return box.published("update").back().at("received") == 2u; }));
    EXPECT_THAT(box.published("update"), SizeIs(2));
    EXPECT_THAT(box.published("plugins"), IsEmpty());
}

TEST_F(AnUpdateEvent, names_the_plug_ins_that_are_not_as_they_were) {
    box.change([](FakeUpdates& updates) {
        updates.list = {delivered_plugin("acme_scale", "1.1.0", "trial"),
                        delivered_plugin("acme_printer", "2.0.0", "good")};
    });
    box.change([](FakeUpdates& updates) {
        updates.list = {delivered_plugin("acme_scale", "1.1.0", "good")};
    });
    EXPECT_TRUE(eventually([&] { return box.published("plugins").size() == 2; }));
    EXPECT_EQ(box.published("plugins")[0].at("changed"),
              json::parse(R"(["acme_scale","acme_printer"])"));
    EXPECT_EQ(box.published("plugins")[1].at("changed"),
              json::parse(R"(["acme_scale","acme_printer"])"))
        << "one is good now, the other has gone";
    EXPECT_THAT(box.published("update"), SizeIs(1));
}

TEST_F(AnUpdateEvent, reaches_whoever_follows_from_the_number_in_the_report) {
    box.change([](FakeUpdates& updates) { updates.now.text = "before"; });
    const auto seq =
        ApiClient{box.port()}.get("/api/v1/update").json.at("seq").to_number<std::uint64_t>();
    box.change([](FakeUpdates& updates) { updates.now.text = "after"; });
    std::string stream;
    httplib::Client client{"127.0.0.1", box.port()};
    client.set_read_timeout(20);
    client.Get("/api/v1/events?after=" + std::to_string(seq),
               [&](const char* data, std::size_t size) {
                   stream.append(data, size);
                   return stream.find("after\"") == std::string::npos;
               });
    EXPECT_THAT(stream, HasSubstr("event: box\ndata: {"));
    EXPECT_THAT(stream, HasSubstr("\"name\":\"update\""));
    EXPECT_THAT(stream, testing::Not(HasSubstr("\"before\"")));
}

}  // namespace
}  // namespace backplane::core::test
