// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Updates from a file, without a server, in development mode; and twelve at once.
#include <gmock/gmock.h>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

using testing::HasSubstr;

class ABundleFile : public AnUpdate {
protected:
    ABundleFile() {
        own("box", "swap_bus");
        own("box", "swap_scale");
    }
    HttpAnswer install(const Bytes& zip) {
        return box_->post("/api/v1/update/bundle?label=stick",
                          {reinterpret_cast<const char*>(zip.data()), zip.size()},
                          "application/zip");
    }
};

TEST_F(ABundleFile, is_installed_like_a_download) {
    server_.script({Answer::status(500)});
    start_box();
    wait_for_end_of_update();
    maker_.add(build("good", "swap_scale"));
    const double before = number_in(report(), "started").value_or(0);
    EXPECT_EQ(install(maker_.zip(1)).status, 202);
    const json::object told = wait_for_end_of_update(before);
    EXPECT_EQ(told.at("result").as_string(), "updated") << json::serialize(told);
    EXPECT_EQ(told.at("trigger").as_string(), "file");
    wait_for_version("swap_scale", "1.1.0");
}

TEST_F(ABundleFile, of_a_stranger_is_taken_in_development_mode_only_and_that_is_shown) {
    BundleMaker stranger("stranger");
    stranger.add(build("good", "swap_scale"));
    start_box("plugins: {development: true, update: {jitter_s: 0}}\n");
    wait_for_end_of_update();
    const double before = number_in(report(), "started").value_or(0);
    install(stranger.zip(1));
    wait_for_end_of_update(before);
    wait_for_version("swap_scale", "1.1.0");
    EXPECT_THAT(box_->get("/api/v1/status").body, HasSubstr("development"));
}

class TwelvePlugins : public AnUpdate {};

TEST_F(TwelvePlugins, are_all_swapped_by_one_press_of_the_button) {
    own("twelve", "swap_bus");
    for (int i = 1; i <= 12; ++i) own("twelve", "swap_scale_" + std::to_string(i));
    server_.script({Answer::empty()});
    start_box();
    for (int i = 1; i <= 12; ++i)
        box_->wait_for_state("swap" + std::to_string(i), "ready", 20s * k_patience);
    wait_for_end_of_update();
    for (int i = 1; i <= 12; ++i)
        maker_.add(build("twelve_next", "swap_scale_" + std::to_string(i)));
    deliver();
    const json::object told = force();
    EXPECT_EQ(told.at("result").as_string(), "updated") << json::serialize(told);
    EXPECT_EQ(told.at("steps").as_array().size(), 12u);
    for (int i = 1; i <= 12; ++i) {
        const auto device = box_->device("swap" + std::to_string(i));
        EXPECT_EQ(device->at("driver_version").as_string(), "1.1.0");
        EXPECT_EQ(device->at("state").as_string(), "ready");
    }
    RecordProperty("swapped_ms", static_cast<int>(1000 * (*number_in(told, "finished") -
                                                          *number_in(told, "started"))));
}

}  // namespace
}  // namespace backplane::tests
