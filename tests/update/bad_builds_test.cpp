// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Eight kinds of bad build and two more, each signed and delivered like a good one: the build that worked serves again by
// itself, and the bad one is not tried again after a restart.
#include <gmock/gmock.h>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

struct BadBuild {
    const char* folder;
    bool needs_action;
    bool caught_before_devices;  ///< in the preflight: the device does not even notice
};

std::string name_of(const testing::TestParamInfo<BadBuild>& info) {
    return info.param.folder;
}

class ABadBuild : public AnUpdate, public testing::WithParamInterface<BadBuild> {
protected:
    ABadBuild() {
        own("box", "swap_bus");
        own("box", "swap_scale");
        start_box("plugins: {memory_mb: 128, hang_limit_s: 2, update: {jitter_s: 0}}\n");
        maker_.add(build("good", "swap_scale"), quickly_good());
        deliver();
        force();
        box_->wait_for_plugin(
            "swap_scale",
            [](const json::object& p) {
                return p.at("version").as_string() == "1.1.0" &&
                       p.at("update_state").as_string() == "good";
            },
            20s * k_patience);
        box_->wait_for_state("swap1", "ready", 10s * k_patience);
    }
    static bool is_back(const json::object& plugin) {
        return plugin.at("version").as_string() == "1.1.0" &&
               plugin.at("quarantined").as_string() == "1.3.0" &&
               plugin.at("state").as_string() == "running";
    }
};

TEST_P(ABadBuild, makes_way_for_the_last_good_one_and_is_not_tried_again) {
    EventRecorder recorder(*box_);
    maker_.add(build(GetParam().folder, "swap_scale"));
    deliver();
    const double before = number_in(report(), "started").value_or(0);
    ASSERT_EQ(box_->post("/api/v1/update", R"({"force": true})").status, 202);
    if (GetParam().needs_action) {
        wait_for_version("swap_scale", "1.3.0");
        box_->action("swap1", {{"action", "read_once"}});
    }
    const json::object back = box_->wait_for_plugin("swap_scale", is_back, 20s * k_patience);
    EXPECT_THAT(std::string(back.at("quarantined_reason").as_string()), testing::Not(""));
    box_->wait_for_state("swap1", "ready", 10s * k_patience);
    const auto action = box_->action("swap1", {{"action", "read_once"}});
    EXPECT_TRUE(has_succeeded(action)) << json::serialize(action);
    const json::object told = wait_for_end_of_update(before);
    EXPECT_THAT(std::string(told.at("result").as_string()), AnyOf("failed", "partly", "updated"));

    if (GetParam().caught_before_devices) {
        const auto numbers = numbers_of(recorder.events());
        EXPECT_THAT(gaps_in(numbers), "") << "the device did not need to notice";
    }
    // The quarantine survives a restart, and the same release from the server changes nothing.
    restart_box();
    wait_for_end_of_update();
    const json::object after = box_->wait_for_plugin("swap_scale", is_back, 20s * k_patience);
    EXPECT_EQ(after.at("update_state").as_string(), "quarantined");
    box_->wait_for_state("swap1", "ready", 10s * k_patience);
}

constexpr BadBuild k_kinds[] = {
    {"does_not_load", false, true},   {"wrong_abi", false, true},
    {"crash_on_load", false, true},   {"crash_at_open", false, false},
    {"hang_at_open", false, false},   {"crash_at_action", true, false},
    {"crash_later", false, false},    {"never_ready", false, false},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    {"leak", false, false},  // the shadow memory of a sanitizer is terabytes: no limit can be set
#endif
};

INSTANTIATE_TEST_SUITE_P(Kinds, ABadBuild, testing::ValuesIn(k_kinds), name_of);

}  // namespace
}  // namespace backplane::tests
