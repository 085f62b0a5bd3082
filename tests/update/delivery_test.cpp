// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What issue and documentation promise of an update, on a real box: download, swap under load, a broken release, the
// way back; and that nothing of it is seen by those who weigh.
#include <gmock/gmock.h>

#include "support/serial_scale.hpp"
#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

/// The box with its own Toledo driver 1.0.0 and a scale on a serial line.
class ADeliveredScaleDriver : public AnUpdate {
protected:
    ADeliveredScaleDriver() : scale_(folder_ / "scale0", 1.25) {
        for (const char* name : {"serial", "toledo8217"})
            fs::copy_file(fs::path(BP_GOOD_PLUGIN_DIR) / (std::string(name) + ".so"),
                          folder_ / "plugins" / (std::string(name) + ".so"));
        own_version_ = "0";
        start_box("interfaces: {serial: {extra_ports: [\"" + (folder_ / "scale0").string() +
                  "\"]}}\n");
        const json::object device = box_->wait_for_state("scale", "ready", 20s * k_patience);
        identifier_ = std::string(device.at("identifier").as_string());
        own_version_ = std::string(device.at("driver_version").as_string());
    }
    void weigh(double kilograms) {
        scale_.set_weight(kilograms);
        EXPECT_TRUE(eventually(
            [&] {
                const auto device = box_->device(identifier_);
                const auto* event = device ? device->at("last_event").if_object() : nullptr;
                return event && number_in(*event, "weight") == kilograms;
            },
            10s * k_patience))
            << "no weight of " << kilograms;
    }

    SerialScale scale_;
    std::string identifier_, own_version_;
};

TEST_F(ADeliveredScaleDriver,
       is_swapped_while_a_browser_weighs_and_comes_back_from_a_broken_build) {
    OdooPage page(*box_, "pos-1", {identifier_});
    EventRecorder recorder(*box_);
    weigh(1.5);

    maker_.add(build("toledo_next", "toledo8217"), quickly_good());
    deliver();
    json::object report = force();
    EXPECT_EQ(report.at("result").as_string(), "updated") << json::serialize(report);
    wait_for_version("toledo8217", "1.1.0");
    EXPECT_EQ(box_->device(identifier_)->at("driver_version").as_string(), "1.1.0");
    EXPECT_EQ(box_->device(identifier_)->at("state").as_string(), "ready");
    weigh(1.75);
    box_->wait_for_plugin(
        "toledo8217",
        [](const json::object& p) { return p.at("update_state").as_string() == "good"; },
        15s * k_patience);

    maker_.add(build("toledo_broken", "toledo8217"));
    deliver();
    report = force();
    const json::object back = box_->wait_for_plugin(
        "toledo8217",
        [](const json::object& plugin) {
            return plugin.at("version").as_string() == "1.1.0" &&
                   plugin.at("quarantined").as_string() == "1.2.0";
        },
        15s * k_patience);
    EXPECT_THAT(std::string(back.at("quarantined_reason").as_string()), HasSubstr("SIGALRM"));
    box_->wait_for_state(identifier_, "ready", 10s * k_patience);
    weigh(2.0);

    // What the page got: weights, nothing else.
    page.wait_for([](const json::object& event) { return number_in(event, "value") == 2.0; },
                  15s * k_patience);
    for (const json::object& event : page.seen()) {
        const auto value = number_in(event, "value");
        EXPECT_TRUE(value == 1.25 || value == 1.5 || value == 1.75 || value == 2.0)
            << json::serialize(event);
        EXPECT_EQ(event.contains("status") ? json::serialize(event.at("status")) : "",
                  json::serialize(page.seen().front().at("status")));
    }
    // And of the whole box: the device never went.
    for (const json::object& event : recorder.events())
        EXPECT_FALSE(is_state(event, identifier_, "gone")) << json::serialize(event);
}

TEST_F(ADeliveredScaleDriver, is_on_trial_then_good_and_is_there_after_a_restart_without_a_server) {
    maker_.add(build("toledo_next", "toledo8217"), quickly_good());
    deliver();
    force();
    EXPECT_EQ(plugin("toledo8217").at("update_state").as_string(), "trial");
    EXPECT_EQ(plugin("toledo8217").at("source").as_string(), "bundle acme 1");
    box_->wait_for_plugin(
        "toledo8217",
        [](const json::object& p) { return p.at("update_state").as_string() == "good"; },
        15s * k_patience);
    server_.script({Answer::status(500), Answer::status(500), Answer::status(500)});
    restart_box();
    wait_for_version("toledo8217", "1.1.0");
    box_->wait_for_state("scale", "ready", 20s * k_patience);
}

TEST_F(ADeliveredScaleDriver, is_rolled_back_when_the_owner_wants_it) {
    maker_.add(build("toledo_next", "toledo8217"));
    deliver();
    force();
    wait_for_version("toledo8217", "1.1.0");
    const auto answer = box_->post("/api/v1/plugins/toledo8217/rollback", "{}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    wait_for_version("toledo8217", own_version_);
    box_->wait_for_state(identifier_, "ready", 10s * k_patience);
    weigh(3.0);
    // And it stays there: the same release does not come again by itself.
    restart_box();
    box_->wait_for_state("scale", "ready", 20s * k_patience);
    wait_for_end_of_update();
    EXPECT_EQ(plugin("toledo8217").at("version").as_string(), own_version_);
    EXPECT_EQ(plugin("toledo8217").at("quarantined").as_string(), "1.1.0");
}

/// The box with the counting scale 1.0.0 of its own.
class ADeliveredPlugin : public AnUpdate {
protected:
    ADeliveredPlugin() {
        own("box", "swap_bus");
        own("box", "swap_scale");
    }
};

TEST_F(ADeliveredPlugin, is_fetched_at_the_start_without_being_asked) {
    maker_.add(build("good", "swap_scale"));
    deliver();
    start_box();
    wait_for_version("swap_scale", "1.1.0");
    const auto requests = server_.requests();
    ASSERT_FALSE(requests.empty());
    EXPECT_EQ(requests.front().path, "/iot/get_handlers");
    EXPECT_EQ(requests.front().field("auto"), "True");
    EXPECT_EQ(requests.front().field("identifier"),
              std::string(box_->get("/api/v1/status").json().at("identifier").as_string()));
}

TEST_F(ADeliveredPlugin, is_not_fetched_again_when_the_server_has_nothing_new) {
    maker_.add(build("good", "swap_scale"));
    deliver();
    start_box();
    wait_for_version("swap_scale", "1.1.0");
    wait_for_end_of_update();
    restart_box();
    ASSERT_TRUE(server_.wait_for_requests(2));
    const json::object report = wait_for_end_of_update();
    EXPECT_EQ(server_.requests().back().header("if-none-match"), server_.etag());
    EXPECT_EQ(report.at("result").as_string(), "unchanged");
    EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.1.0");
}

TEST_F(ADeliveredPlugin, is_asked_for_without_etag_when_somebody_presses_the_servers_button) {
    maker_.add(build("good", "swap_scale"));
    deliver();
    start_box();
    wait_for_version("swap_scale", "1.1.0");
    wait_for_end_of_update();
    maker_.add(build("better", "swap_scale"));
    deliver();
    EXPECT_EQ(box_->get("/iot_drivers/load_iot_handlers").status, 200);
    wait_for_version("swap_scale", "1.2.0");
    EXPECT_EQ(server_.requests().back().field("auto"), "False");
    EXPECT_EQ(server_.requests().back().header("if-none-match"), std::nullopt);
}

TEST_F(ADeliveredPlugin, leaves_no_gap_in_what_the_device_says) {
    start_box();
    box_->wait_for_state("swap1", "ready");
    EventRecorder recorder(*box_);
    for (const char* folder : {"good", "better"}) {
        maker_.add(build(folder, "swap_scale"));
        deliver();
        EXPECT_EQ(force().at("result").as_string(), "updated");
    }
    const auto told = [&] { return numbers_of(recorder.events()); };
    const std::int64_t last = told().back();
    ASSERT_TRUE(eventually([&] { return told().back() > last + 50; }));
    EXPECT_THAT(gaps_in(told()), IsEmpty());
}

TEST_F(ADeliveredPlugin, of_the_interface_kind_keeps_its_devices) {
    start_box();
    box_->wait_for_state("swap1", "ready");
    EventRecorder recorder(*box_);
    maker_.add(build("good", "swap_bus"));
    deliver();
    EXPECT_EQ(force().at("result").as_string(), "updated");
    wait_for_version("swap_bus", "1.1.0");
    const auto told = [&] { return numbers_of(recorder.events()); };
    const auto before = told().back();
    ASSERT_TRUE(eventually([&] { return told().back() > before + 50; }));
    EXPECT_THAT(gaps_in(told()), IsEmpty());
    for (const json::object& event : recorder.events())
        EXPECT_NE(text_at(event, {"kind"}), "device_state") << json::serialize(event);
}

TEST_F(ADeliveredPlugin, that_is_pinned_stays_until_it_is_unpinned) {
    start_box();
    maker_.add(build("good", "swap_scale"));
    deliver();
    force();
    wait_for_version("swap_scale", "1.1.0");
    EXPECT_EQ(box_->post("/api/v1/plugins/swap_scale/pin", "{}").status, 200);
    maker_.add(build("better", "swap_scale"));
    deliver();
    const json::object report = force();
    EXPECT_THAT(json::serialize(report), HasSubstr("pinned"));
    EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.1.0");
    EXPECT_TRUE(plugin("swap_scale").at("pinned").as_bool());
    EXPECT_EQ(box_->post("/api/v1/plugins/swap_scale/unpin", "{}").status, 200);
    force();
    wait_for_version("swap_scale", "1.2.0");
}

TEST_F(ADeliveredPlugin, that_is_withdrawn_makes_way_for_the_boxs_own) {
    start_box();
    maker_.add(build("good", "swap_scale"));
    deliver();
    force();
    wait_for_version("swap_scale", "1.1.0");
    maker_.withdraw(maker_.sha256("swap_scale"), "it opens the drawer by itself");
    maker_.remove("swap_scale");
    deliver();
    force();
    wait_for_version("swap_scale", "1.0.0");
    box_->wait_for_state("swap1", "ready");
}

}  // namespace
}  // namespace backplane::tests
