// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Whatever a server answers: the running drivers go on, the reason is shown and logged once, the next attempt works.
#include <gmock/gmock.h>

#include "update_fixture.hpp"

namespace backplane::tests {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

class ABadAnswer : public AnUpdate {
protected:
    ABadAnswer() {
        own("box", "swap_bus");
        own("box", "swap_scale");
        server_.script({Answer::empty()});
        start_box();
        box_->wait_for_state("swap1", "ready", 10s * k_patience);
        wait_for_end_of_update();
        pid_ = static_cast<int>(plugin("swap_scale").at("pid").as_int64());
        maker_.add(build("good", "swap_scale"));
    }
    /// It is refused for this reason, nothing else happens, and the next attempt succeeds.
    void refuses(std::vector<Answer> answers, const std::string& code,
                 const testing::Matcher<std::string>& text) {
        server_.script(std::move(answers));
        const json::object bad = force();
        EXPECT_THAT(std::string(bad.at("result").as_string()), AnyOf("failed", "rejected"));
        EXPECT_EQ(bad.at("code").as_string(), code) << json::serialize(bad);
        EXPECT_THAT(std::string(bad.at("text").as_string()), text);
        EXPECT_EQ(plugin("swap_scale").at("pid").as_int64(), pid_) << "the driver was touched";
        EXPECT_EQ(occurrences(code), 1u) << log();
        EXPECT_EQ(box_->device("swap1")->at("state").as_string(), "ready");

        deliver();
        const json::object good = force();
        EXPECT_EQ(good.at("result").as_string(), "updated") << json::serialize(good);
        wait_for_version("swap_scale", "1.1.0");
    }
    std::size_t occurrences(const std::string& text) const {
        const std::string all = log();
        std::size_t count = 0;
        for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1))
            ++count;
        return count;
    }
    int pid_ = 0;
};

TEST_F(ABadAnswer, that_is_a_server_error) {
    refuses({Answer::status(500)}, "E_SERVER", HasSubstr("500"));
}

TEST_F(ABadAnswer, that_is_a_web_page) {
    refuses({Answer::html()}, "E_SERVER", HasSubstr("page"));
}

TEST_F(ABadAnswer, that_is_cut_off) {
    refuses({Answer::truncated(maker_.zip(1))}, "E_NET", HasSubstr("broke off"));
}

TEST_F(ABadAnswer, that_is_a_zip_without_its_end) {
    Bytes zip = maker_.zip(1);
    zip.resize(zip.size() / 2);
    refuses({Answer::zip(zip)}, "E_ZIP", testing::Not(""));
}

TEST_F(ABadAnswer, that_never_ends) {
    refuses({Answer::endless()}, "E_SIZE", HasSubstr("32"));
}

TEST_F(ABadAnswer, that_sends_to_another_server) {
    refuses({Answer::redirect("http://192.0.2.1/iot/get_handlers")}, "E_SERVER",
            HasSubstr("192.0.2.1"));
}

TEST_F(ABadAnswer, that_is_signed_by_somebody_else) {
    BundleMaker other("acme");
    other.add(build("good", "swap_scale"));
    refuses({Answer::zip(other.zip(5))}, "E_SIG", testing::Not(""));
}

TEST_F(ABadAnswer, that_is_of_somebody_unknown) {
    BundleMaker other("stranger");
    other.add(build("good", "swap_scale"));
    refuses({Answer::zip(other.zip(5))}, "E_ROOT", HasSubstr("trust"));
}

/// The same release, signed as well, with the builds of another architecture.
Bytes elsewhere_only(const BundleMaker& maker, std::uint64_t version) {
    using namespace core::bundle;
    const std::string elsewhere = "riscv64-linux-gnu";
    Files files = maker.files(version);
    const std::string document = release_name("acme");
    Release release = *parse_release(files.at(document));
    for (ManifestPlugin& plugin : release.plugins) {
        PluginFile file = plugin.files.begin()->second;
        auto content = files.extract(file.path);
        file.path = plugin_file_name(plugin.kind, plugin.name, elsewhere, plugin.version);
        content.key() = file.path;
        files.insert(std::move(content));
        plugin.files = {{elsewhere, file}};
    }
    std::erase_if(files, [&](const auto& each) { return each.first.starts_with(document + "."); });
    files[document] = bytes_of(write_release(release));
    for (const SecretKey& key : maker.release_keys()) add_signature(files, document, key, "test");
    return BundleMaker::zip_of(files);
}

TEST_F(ABadAnswer, that_has_builds_for_another_machine_only) {
    server_.script({Answer::zip(elsewhere_only(maker_, 1))});
    const json::object report = force();
    EXPECT_THAT(json::serialize(report),
                AllOf(HasSubstr("E_ARCH"), HasSubstr("riscv64-linux-gnu")));
    EXPECT_EQ(plugin("swap_scale").at("pid").as_int64(), pid_) << "the driver was touched";
    ++release_;
    deliver();
    EXPECT_EQ(force().at("result").as_string(), "updated");
    wait_for_version("swap_scale", "1.1.0");
}

TEST_F(ABadAnswer, that_is_yesterdays) {
    deliver();
    const Bytes yesterday = maker_.zip(1);
    force();
    wait_for_version("swap_scale", "1.1.0");
    pid_ = static_cast<int>(plugin("swap_scale").at("pid").as_int64());
    maker_.add(build("better", "swap_scale"));
    deliver();
    force();
    wait_for_version("swap_scale", "1.2.0");
    server_.script({Answer::zip(yesterday)});
    const json::object report = force();
    EXPECT_EQ(report.at("code").as_string(), "E_ROLLBACK") << json::serialize(report);
    EXPECT_EQ(plugin("swap_scale").at("version").as_string(), "1.2.0");
}

TEST_F(ABadAnswer, that_takes_one_second_for_each_byte_does_not_keep_the_box_from_working) {
    server_.script({Answer::drip(maker_.zip(1), 1)});
    ASSERT_EQ(box_->post("/api/v1/update", R"({"force": true})").status, 202);
    ASSERT_TRUE(server_.wait_for_requests(2));
    EXPECT_TRUE(has_succeeded(box_->action("swap1", {{"action", "read_once"}})));
    EXPECT_EQ(report().at("phase").as_string(), "downloading");
    // A second one is refused in plain words; the box stops while it hangs.
    const auto second = box_->post("/api/v1/update", R"({"force": true})");
    EXPECT_EQ(second.status, 409);
    EXPECT_THAT(second.body, HasSubstr("update.running"));
    EXPECT_EQ(box_->stop(), 0);
}

}  // namespace
}  // namespace backplane::tests
