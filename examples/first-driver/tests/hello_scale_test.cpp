// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>

#include <string>

#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/fake_port.hpp"
#include "backplane/testkit/matchers.hpp"

namespace {

using namespace backplane::testkit;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AHelloScale : public testing::Test {
protected:
    void SetUp() override {
        host.set_device(port.device());
        ASSERT_EQ(host.create(), BP_OK) << host.error();
        ASSERT_EQ(host.start(), BP_OK) << host.error();
    }
    void TearDown() override {
        host.stop();
        host.destroy();
        EXPECT_THAT(host.faults(), IsEmpty());  // the contract was kept, whatever happened
    }
    void hears(const std::string& bytes) {
        port.answer(bytes);
        host.pump();
    }

    FakePort port;
    FakeHost host{bp_plugin_entry, "com.example.hello_scale"};
};

TEST_F(AHelloScale, never_makes_a_weight_of_what_it_does_not_understand) {
    for (const std::string line :
         {"S  -1.234 kg", "S     inf kg", "S 1.2.345 kg", "S         kg", "X   1.234 kg",
          "S   1.234 lb", "S   1.34 kg", "S   1,234 kg", "S 1.2 3.4 kg", ""})
        hears(line + "\r\n");
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("weight", AllOf(HasMember("condition", "fault"),
                                                                   HasNoMember("weight")))));
}

TEST_F(AHelloScale, gives_no_number_while_the_load_moves) {
    hears("S   1.234 kg\r\n");
    hears("D   1.300 kg\r\n");
    ASSERT_THAT(host.events(), SizeIs(2));
    EXPECT_THAT(host.events()[1], IsEvent("weight", AllOf(HasMember("condition", "in_motion"),
                                                          HasNoMember("weight"))));
}

TEST_F(AHelloScale, tells_the_weight_when_the_load_is_at_rest) {
    hears("S   1.");  // a line may come in pieces
    hears("234 kg\r\n");
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("weight", HasMember("weight", 1.234))));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
}

TEST_F(AHelloScale, says_that_the_load_moves_even_in_its_first_line) {
    hears("D   1.300 kg\r\n");
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("weight", HasMember("condition", "in_motion"))));
}

TEST_F(AHelloScale, tells_a_weight_once_until_it_changes) {
    for (int i = 0; i < 10; ++i) hears("S   1.234 kg\r\n");
    EXPECT_THAT(host.events(), SizeIs(1));
}

TEST_F(AHelloScale, says_so_when_it_falls_silent_and_recovers_by_itself) {
    hears("S   1.234 kg\r\n");
    host.advance(1s);
    EXPECT_EQ(host.device_state(), BP_DEVICE_UNREACHABLE);
    EXPECT_THAT(host.events().back(), IsEvent("weight", HasNoMember("weight")));
    hears("S   1.234 kg\r\n");
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
    EXPECT_THAT(host.events().back(), IsEvent("weight", HasMember("weight", 1.234)));
}

TEST_F(AHelloScale, reports_the_device_lost_when_the_cable_is_pulled) {
    port.hang_up();
    host.advance(10ms);
    EXPECT_THAT(host.reports(),
                ElementsAre(IsReport(BP_DEVICE_LOST, HasSubstr("the serial port is gone"))));
}

TEST_F(AHelloScale, answers_read_once_with_the_next_weight_at_rest) {
    const ActionId id = host.action("read_once");
    hears("D   1.300 kg\r\n");
    EXPECT_FALSE(host.result(id));
    hears("S   1.250 kg\r\n");
    EXPECT_THAT(host.result(id), SucceededWith(HasMember("weight", 1.25)));
}

TEST_F(AHelloScale, refuses_read_once_with_the_reason_when_the_load_is_too_heavy) {
    const ActionId id = host.action("read_once");
    hears("OL\r\n");
    EXPECT_THAT(host.result(id),
                FailedWith(BP_E_IO, "Too heavy for this scale: take something off."));
}

TEST_F(AHelloScale, gives_up_read_once_at_its_deadline_when_the_load_never_rests) {
    const ActionId id = host.action("read_once", {}, {}, 300ms);
    for (int i = 0; i < 5; ++i) {
        hears("D   1.300 kg\r\n");
        host.advance(100ms);
    }
    EXPECT_THAT(host.result(id), FailedWith(BP_E_BUSY, HasSubstr("did not come to rest in time")));
}

TEST_F(AHelloScale, ends_a_read_once_that_waits_for_rest_when_it_is_stopped) {
    const ActionId id = host.action("read_once");
    hears("D   1.300 kg\r\n");
    host.stop();
    EXPECT_THAT(host.result(id), FailedWith(BP_E_CANCELLED, HasSubstr("before it came to rest")));
    EXPECT_EQ(host.start(), BP_OK) << host.error();
}

}  // namespace
