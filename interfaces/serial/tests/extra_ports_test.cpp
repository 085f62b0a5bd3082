// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Extra ports with real links, directories and pseudo terminals; the plug-in as a whole in a
// FakeHost. The ports of the machine that runs the test are kept out by the setting "ignore".
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include "backplane/interface.hpp"
#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/matchers.hpp"
#include "backplane/unique_fd.hpp"

namespace backplane::serial {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace testkit;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (fs::temp_directory_path() / "backplane-serial-XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
        // The way that is watched has no links but those of the test.
        path_ = fs::canonical(name);
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    fs::path operator/(const std::string& name) const { return path_ / name; }

private:
    fs::path path_;
};

/// A pseudo terminal; its node goes when this does.
class Pty {
public:
    Pty() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        std::array<char, 64> name{};
        if (!master_ || ::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0 ||
            ::ptsname_r(master_.get(), name.data(), name.size()) != 0)
            throw std::runtime_error("no pseudo terminal");
        path_ = name.data();
    }
    const std::string& path() const { return path_; }

private:
    sdk::UniqueFd master_;
    std::string path_;
};

class TheSerialInterface : public testing::Test {
protected:
    json::object settings(const std::vector<fs::path>& extra_ports) {
        json::array paths;
        for (const fs::path& path : extra_ports) paths.emplace_back(path.string());
        return {{"extra_ports", std::move(paths)}, {"ignore", {"/dev/tty*"}}};
    }
    void start(const std::vector<fs::path>& extra_ports) {
        host.set_settings(settings(extra_ports));
        ASSERT_EQ(host.create(), BP_OK) << host.error();
        ASSERT_EQ(host.start(), BP_OK) << host.error();
        ASSERT_EQ(told().back(), "settled");
    }
    void TearDown() override {
        if (running()) {
            host.stop();
            host.destroy();
        }
        EXPECT_THAT(host.faults(), IsEmpty());
    }
    bool running() const { return !host.bus().empty(); }
    /// "+key", "-key", "settled", in order.
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const BusReport& report : host.bus())
            out.push_back(report.kind == BusReport::Kind::settled ? "settled"
                          : report.kind == BusReport::Kind::added ? "+" + report.key
                                                                  : "-" + report.key);
        return out;
    }
    bool wait_for_reports(std::size_t number) {
        return host.run_until([&] { return host.bus().size() >= number; }, 30s);
    }
    std::string address(const fs::path& key) {
        const auto it = host.devices().find(key.string());
        return it == host.devices().end() ? "(gone)"
                                          : std::string(it->second.at("address").as_string());
    }

    TemporaryDirectory directory;
    FakeHost host{bp_plugin_entry, "org.backplane.serial"};
};

TEST_F(TheSerialInterface, reports_an_extra_port_that_is_there_before_it_settles) {
    const Pty pty;
    const fs::path link = directory / "scale0";
    fs::create_symlink(pty.path(), link);
    start({link});
    EXPECT_THAT(told(), ElementsAre("+" + link.string(), "settled"));
    const json::object& device = host.devices().at(link.string());
    EXPECT_THAT(device, HasMember("identifier", link.string()));
    EXPECT_THAT(device, HasMember("stable_id", "path:" + link.string()));
    EXPECT_THAT(device, HasMember("connection", "serial"));
    EXPECT_EQ(device.at("open"), (json::value{{"kind", "device_node"}, {"path", pty.path()}}));
}

TEST_F(TheSerialInterface, takes_a_node_itself_as_an_extra_port) {
    const Pty pty;
    start({pty.path()});
    EXPECT_THAT(told(), ElementsAre("+" + pty.path(), "settled"));
}

TEST_F(TheSerialInterface, finds_an_extra_port_that_comes_later_and_loses_it_again) {
    const fs::path link = directory / "scale0";
    start({link});
    const Pty pty;
    fs::create_symlink(pty.path(), link);
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_EQ(told().back(), "+" + link.string());
    fs::remove(link);
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-" + link.string());
}

TEST_F(TheSerialInterface, reports_a_link_that_is_replaced_in_one_step_as_removed_and_added) {
    const Pty first, second;
    const fs::path link = directory / "scale0";
    fs::create_symlink(first.path(), link);
    start({link});
    fs::create_symlink(second.path(), directory / "new");
    fs::rename(directory / "new", link);
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_THAT(told(), ElementsAre("+" + link.string(), "settled", "-" + link.string(),
                                    "+" + link.string()));
    EXPECT_EQ(address(link), second.path());
}

TEST_F(TheSerialInterface, reports_a_link_that_was_away_for_a_moment_as_removed_and_added) {
    const Pty pty;
    const fs::path link = directory / "scale0";
    fs::create_symlink(pty.path(), link);
    start({link});
    // Both before the interface has a chance to look.
    fs::remove(link);
    fs::create_symlink(pty.path(), link);
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_THAT(told(), ElementsAre("+" + link.string(), "settled", "-" + link.string(),
                                    "+" + link.string()));
}

TEST_F(TheSerialInterface, notices_that_the_pseudo_terminal_behind_a_link_has_gone) {
    auto pty = std::make_unique<Pty>();
    const fs::path link = directory / "scale0";
    fs::create_symlink(pty->path(), link);
    start({link});
    pty.reset();
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-" + link.string());
}

TEST_F(TheSerialInterface, waits_for_directories_that_do_not_exist_yet) {
    const Pty pty;
    const fs::path link = directory / "run/backplane/ports/scale0";
    start({link});
    fs::create_directories(link.parent_path());
    fs::create_symlink(pty.path(), link);
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_EQ(told().back(), "+" + link.string());

    fs::remove_all(directory / "run");
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-" + link.string());

    fs::create_directories(link.parent_path());
    fs::create_symlink(pty.path(), link);
    ASSERT_TRUE(wait_for_reports(4)) << "the directory of the same name is another one now";
    EXPECT_EQ(told().back(), "+" + link.string());
}

TEST_F(TheSerialInterface, follows_a_directory_that_is_moved_away_and_one_that_takes_its_place) {
    const Pty first, second;
    const fs::path link = directory / "ports/scale0";
    fs::create_directories(directory / "ports");
    fs::create_directories(directory / "other");
    fs::create_symlink(first.path(), link);
    fs::create_symlink(second.path(), directory / "other/scale0");
    start({link});
    fs::rename(directory / "ports", directory / "old");
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-" + link.string());
    fs::rename(directory / "other", directory / "ports");
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_EQ(address(link), second.path());

    // The old directory is nobody's business now, the new one is.
    fs::remove(directory / "old/scale0");
    fs::remove(link);
    ASSERT_TRUE(wait_for_reports(5));
    EXPECT_EQ(host.bus().size(), 5u);
}

TEST_F(TheSerialInterface, follows_links_to_links_and_links_to_directories) {
    const Pty first, second;
    fs::create_directories(directory / "a");
    fs::create_directories(directory / "b");
    fs::create_symlink(first.path(), directory / "a/node");
    fs::create_symlink(second.path(), directory / "b/node");
    fs::create_directory_symlink("a", directory / "current");
    fs::create_symlink("./current/../current/node", directory / "scale0");
    start({directory / "scale0"});
    EXPECT_EQ(address(directory / "scale0"), first.path());
    fs::create_directory_symlink("b", directory / "next");
    fs::rename(directory / "next", directory / "current");
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_EQ(address(directory / "scale0"), second.path());
}

TEST_F(TheSerialInterface, survives_links_that_lead_in_a_circle) {
    fs::create_symlink("b", directory / "a");
    fs::create_symlink("a", directory / "b");
    start({directory / "a"});
    EXPECT_THAT(told(), ElementsAre("settled"));
    const Pty pty;
    fs::remove(directory / "b");
    fs::create_symlink(pty.path(), directory / "b");
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_EQ(address(directory / "a"), pty.path());
}

TEST_F(TheSerialInterface, does_not_report_a_file_and_says_why) {
    const fs::path file = directory / "scale0";
    std::ofstream(file) << "not a port";
    start({file});
    EXPECT_THAT(told(), ElementsAre("settled"));
    EXPECT_THAT(host.log(), Contains(Field(&LogLine::text,
                                           "extra port " + file.string() +
                                               " is not a character device, so it is left out: let "
                                               "the path lead to a serial port")));
}

TEST_F(TheSerialInterface, reports_one_port_with_two_extra_paths_once) {
    const Pty pty;
    fs::create_symlink(pty.path(), directory / "a");
    fs::create_symlink(pty.path(), directory / "b");
    start({directory / "a", directory / "b"});
    EXPECT_THAT(told(), ElementsAre("+" + (directory / "a").string(), "settled"));
    fs::remove(directory / "a");
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_EQ(address(directory / "b"), pty.path()) << "the other name takes its place";
}

TEST_F(TheSerialInterface, keeps_untouched_ports_when_the_settings_change) {
    const Pty first, second;
    fs::create_symlink(first.path(), directory / "a");
    fs::create_symlink(first.path(), directory / "old");
    fs::create_symlink(second.path(), directory / "b");
    start({directory / "a"});
    // The way to it has been cut once, and that must not count again.
    fs::rename(directory / "old", directory / "a");
    ASSERT_TRUE(wait_for_reports(4));
    ASSERT_EQ(host.change_settings(settings({directory / "b", directory / "a"})), BP_OK);
    EXPECT_EQ(host.bus().size(), 5u);
    EXPECT_EQ(told().back(), "+" + (directory / "b").string());
    ASSERT_EQ(host.change_settings(settings({directory / "a"})), BP_OK);
    EXPECT_EQ(told().back(), "-" + (directory / "b").string());
}

TEST_F(TheSerialInterface, goes_on_with_its_old_settings_when_the_new_ones_are_wrong) {
    const Pty pty;
    fs::create_symlink(pty.path(), directory / "a");
    start({directory / "a"});
    ASSERT_EQ(host.change_settings({{"extra_ports", {"relative"}}, {"ignore", {"/dev/tty*"}}}),
              BP_OK);
    EXPECT_THAT(
        host.log(),
        Contains(Field(&LogLine::text,
                       HasSubstr("goes on with its old settings: extra_ports: \"relative\" is not "
                                 "an absolute path"))));
    EXPECT_EQ(address(directory / "a"), pty.path());
}

TEST_F(TheSerialInterface, refuses_to_start_with_wrong_settings_and_says_why) {
    ASSERT_EQ(host.create(), BP_OK);
    host.set_settings({{"extra_ports", {"scale0"}}, {"ignore", {"/dev/tty*"}}});
    EXPECT_EQ(host.start(), BP_E_INVALID);
    EXPECT_EQ(
        host.error(),
        "extra_ports: \"scale0\" is not an absolute path of at most 127 bytes: write it as in "
        "/run/backplane/scale0");
    host.set_settings({{"no_probe", 7}});
    EXPECT_EQ(host.start(), BP_E_INVALID);
    EXPECT_EQ(host.error(),
              "the setting no_probe of the serial interface is not a list of texts: write it as in "
              "[\"/dev/ttyS0\"]");
    host.destroy();
}

TEST_F(TheSerialInterface, can_be_stopped_and_started_again) {
    const Pty pty;
    fs::create_symlink(pty.path(), directory / "a");
    start({directory / "a"});
    host.stop();
    ASSERT_EQ(host.start(), BP_OK) << host.error();
    EXPECT_THAT(told(), ElementsAre("+" + (directory / "a").string(), "settled",
                                    "+" + (directory / "a").string(), "settled"));
}

}  // namespace
}  // namespace backplane::serial
