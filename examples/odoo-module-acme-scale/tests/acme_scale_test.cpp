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

class AnAcmeScale : public testing::Test {
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
    FakeHost host{bp_plugin_entry, "com.example.acme_scale"};
};

TEST_F(AnAcmeScale, never_makes_a_weight_of_what_it_does_not_understand) {
    for (const std::string line : {"ST,+01.234kg", "ST,+001.234lb", "ST,001.234kg", "XX,+001.234kg",
                                   "ST,+001,234kg", "ST,+001.234kg ", ""})
        hears(line + "\r\n");
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("weight", AllOf(HasMember("condition", "fault"),
                                                                   HasNoMember("weight")))));
}

TEST_F(AnAcmeScale, gives_no_number_while_the_load_moves_or_is_below_zero) {
    hears("US,+001.230kg\r\n");
    hears("ST,-000.010kg\r\n");
    EXPECT_THAT(host.events(),
                ElementsAre(IsEvent("weight", HasMember("condition", "in_motion")),
                            IsEvent("weight", AllOf(HasMember("condition", "under_zero"),
                                                    HasNoMember("weight")))));
}

TEST_F(AnAcmeScale, tells_the_weight_when_the_load_is_at_rest) {
    hears("ST,+001.");  // a line may come in pieces
    hears("234kg\r\n");
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("weight", HasMember("weight", 1.234))));
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
}

TEST_F(AnAcmeScale, says_so_when_it_falls_silent_and_recovers_by_itself) {
    hears("ST,+001.234kg\r\n");
    host.advance(2s);
    EXPECT_EQ(host.device_state(), BP_DEVICE_UNREACHABLE);
    hears("ST,+001.234kg\r\n");
    EXPECT_EQ(host.device_state(), BP_DEVICE_READY);
}

TEST_F(AnAcmeScale, answers_read_once_with_the_next_weight_at_rest) {
    const ActionId id = host.action("read_once");
    hears("US,+001.300kg\r\n");
    EXPECT_FALSE(host.result(id));
    hears("ST,+001.250kg\r\n");
    EXPECT_THAT(host.result(id), SucceededWith(HasMember("weight", 1.25)));
}

TEST_F(AnAcmeScale, refuses_read_once_with_the_reason_when_the_load_is_too_heavy) {
    const ActionId id = host.action("read_once");
    hears("OV\r\n");
    EXPECT_THAT(host.result(id), FailedWith(BP_E_IO, HasSubstr("Too heavy")));
}

}  // namespace
