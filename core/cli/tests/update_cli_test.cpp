// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane update` and `backplane plugins` against the box's real API, whose updates the test plays.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "api/tests/api_client.hpp"
#include "api/tests/served_api.hpp"
#include "invocation.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::cli::test {
namespace {

namespace fs = std::filesystem;
using core::DeliveredPlugin;
using core::UpdateReport;
using core::UpdateStep;
using core::test::FakeUpdates;
using core::test::ServedApi;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Phase = UpdateReport::Phase;
using Step = UpdateStep::State;

class ABox : public testing::Test {
protected:
    ABox() {
        ServedApi::Setup setup;
        setup.plugins = {{"acme_scale", "1.0.0"}, {"toledo8217", "1.0.0"}};
        setup.socket = (folder / "control.sock").string();
        setup.owner_patience = std::chrono::milliseconds{200};
        box = std::make_unique<ServedApi>(std::move(setup));
    }
    ~ABox() override { box.reset(); }

    std::vector<std::string> environment() const {
        return {"BACKPLANE_SOCKET=" + (folder / "control.sock").string(), "TERM=xterm",
                "NO_COLOR=1"};
    }
    Outcome run(std::vector<std::string> arguments, unsigned short columns = 0,
                const std::string& input = "/dev/null") {
        return Invocation{std::move(arguments), environment(), columns, input}.finish();
    }
    fs::path file(const std::string& name, const std::string& content) {
        std::ofstream{folder / name, std::ios::binary} << content;
        return folder / name;
    }
    /// From now on an update that is asked for begins, and ends at once like this.
    void end_with(const std::string& result, const std::string& text) {
        box->on_loop([&] {
            box->updates().on_question = [this, result, text](const std::string&) {
                UpdateReport& now = box->updates().now;
                now.started += 1;
                now.finished = now.started;
                now.result = result;
                now.text = text;
                box->updates().tell();
            };
        });
    }
    /// From now on one that is asked for begins, and waits for the test.
    void begin_when_asked() {
        box->on_loop([&] {
            box->updates().on_question = [this](const std::string&) {
                UpdateReport& now = box->updates().now;
                now.started += 1;
                now.phase = Phase::downloading;
                now.source = "https://shop.example.com";
                box->updates().tell();
            };
        });
    }
    bool has_begun() {
        return core::test::eventually([&] { return !box->asked().empty(); });
    }
    /// One stage of an update, seen by the program before the next begins.
    void stage(Invocation& program, const std::function<void(UpdateReport&)>& change,
               const std::string& wanted) {
        box->change([&](FakeUpdates& updates) { change(updates.now); });
        EXPECT_TRUE(program.read_until([&](const Outcome& so_far) {
            return so_far.out.find(wanted) != std::string::npos;
        })) << "waits for: "
            << wanted;
    }

    backplane::tests::TemporaryFolder folder;
    std::unique_ptr<ServedApi> box;
};

constexpr const char* k_scale_done =
    "Swapping acme_scale 1.0.0 \xE2\x86\x92 1.1.0 \xE2\x80\xA6 done";

TEST_F(ABox, that_updates_is_followed_from_the_download_to_the_last_swap) {
    begin_when_asked();
    Invocation program{{"update"}, environment()};
    ASSERT_TRUE(has_begun());
    stage(
        program, [](UpdateReport& now) { now.received = 10; },
        "Downloading from https://shop.example.com");
    stage(
        program, [](UpdateReport& now) { now.phase = Phase::verifying; }, "Verifying\n");
    stage(
        program, [](UpdateReport& now) { now.phase = Phase::storing; }, "Storing\n");
    stage(
        program,
        [](UpdateReport& now) {
            now.phase = Phase::swapping;
            now.steps = {{"acme_scale", "1.0.0", "1.1.0", Step::done, "", ""},
                         {"acme_printer", "", "2.0.0", Step::swapping, "", ""}};
        },
        k_scale_done);
    box->change([](FakeUpdates& updates) {
        UpdateReport& now = updates.now;
        now.phase = Phase::idle;
        now.result = "partly";
        now.text = "One of two drivers was updated.";
        now.steps[1].state = Step::failed;
        now.steps[1].text = "it did not start: acme_printer is not there";
    });
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.code, 1) << "not all of it went well";
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out,
              "Downloading from https://shop.example.com \xE2\x80\xA6\n"
              "Verifying\n"
              "Storing\n" +
                  std::string(k_scale_done) +
                  "\n"
                  "Swapping acme_printer 2.0.0 (new) \xE2\x80\xA6 failed: it did not start: "
                  "acme_printer is not there\n"
                  "One of two drivers was updated.\n");
}

TEST_F(ABox, that_updates_is_shown_in_place_on_a_terminal) {
    begin_when_asked();
    Invocation program{{"update", "--force"}, environment(), 80};
    ASSERT_TRUE(has_begun());
    stage(
        program,
        [](UpdateReport& now) {
            now.received = 3'100'000;
            now.expected = 4'000'000;
        },
        "\rDownloading from https://shop.example.com \xE2\x80\xA6 3.1 of 4.0 MB");
    stage(
        program, [](UpdateReport& now) { now.received = now.expected; }, "4.0 of 4.0 MB");
    stage(
        program, [](UpdateReport& now) { now.phase = Phase::verifying; }, "Verifying");
    stage(
        program,
        [](UpdateReport& now) {
            now.phase = Phase::swapping;
            now.steps = {{"acme_scale", "1.0.0", "1.1.0", Step::swapping, "", ""},
                         {"acme_printer", "1", "2", Step::checking, "", ""},
                         {"toledo8217", "1", "2", Step::waiting, "", ""}};
        },
        "\rSwapping acme_scale 1.0.0 \xE2\x86\x92 1.1.0 \xE2\x80\xA6 (and 1 more)");
    box->change([](FakeUpdates& updates) {
        UpdateReport& now = updates.now;
        now.phase = Phase::idle;
        now.result = "updated";
        for (UpdateStep& step : now.steps) step.state = Step::done;
    });
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(box->asked(), ElementsAre("check force"));
    // What stays on the screen: of each line only what was written last into it.
    EXPECT_THAT(outcome.out, HasSubstr("4.0 of 4.0 MB\r\n"));
    EXPECT_THAT(outcome.out, HasSubstr("\rVerifying"));
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\r") + k_scale_done + "\r\n"));
    EXPECT_TRUE(outcome.out.ends_with("All plug-ins are up to date now.\r\n")) << outcome.out;
}

TEST_F(ABox, that_updates_fits_a_narrow_terminal) {
    begin_when_asked();
    Invocation program{{"update"}, environment(), 24};
    ASSERT_TRUE(has_begun());
    stage(
        program, [](UpdateReport& now) { now.source = std::string(300, 'x'); },
        "\rDownloading from xxxxx\xE2\x80\xA6");
    program.terminate();
}

TEST_F(ABox, whose_update_ends_at_once_is_believed) {
    const std::vector<std::pair<std::string, int>> results{{"updated", 0},  {"unchanged", 0},
                                                           {"nothing", 0},  {"partly", 1},
                                                           {"rejected", 1}, {"failed", 1}};
    for (const auto& [result, code] : results) {
        end_with(result, "What it was: " + result + ".");
        const Outcome outcome = run({"update"});
        EXPECT_EQ(outcome.code, code) << result;
        EXPECT_EQ(outcome.out, "What it was: " + result + ".\n");
    }
    end_with("unchanged", "");
    EXPECT_EQ(run({"update"}).out, "There is nothing new: all plug-ins are up to date.\n");
}

TEST_F(ABox, that_answers_with_control_characters_shows_none_of_them) {
    end_with("failed", "a\x1b[2J\nb");
    EXPECT_EQ(run({"update"}).out, "a\\x1b[2J\\nb\n");
}

TEST_F(ABox, where_an_update_runs_already_says_so) {
    box->on_loop([&] {
        box->updates().errors["check"] = {"update.running",
                                          "an update is running: wait for its end"};
    });
    const Outcome outcome = run({"update"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "backplane: an update is running: wait for its end\n");
}

TEST_F(ABox, is_not_waited_for_with_no_wait) {
    begin_when_asked();
    const Outcome outcome = run({"update", "--no-wait"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out,
              "The update has begun: \"backplane update --status\" tells how it goes.\n");
    const Outcome as_json = run({"update", "--no-wait", "--json"});
    EXPECT_THAT(as_json.out, HasSubstr("\"phase\":\"downloading\""));
}

TEST_F(ABox, is_not_waited_for_longer_than_wanted) {
    begin_when_asked();
    Invocation program{{"update", "--wait-most", "1"}, environment()};
    ASSERT_TRUE(has_begun());
    // Something must come from the box after the second has passed: progress, or its sign of life.
    std::atomic<bool> over = false;
    std::thread progress{[&] {
        while (!over) {
            box->change([](FakeUpdates& updates) { ++updates.now.received; });
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
        }
    }};
    const Outcome outcome = program.finish();
    over = true;
    progress.join();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("the update has not ended within 1 s, the box goes on"));
}

TEST_F(ABox, that_starts_anew_during_an_update_is_not_taken_for_one_that_has_ended) {
    begin_when_asked();
    Invocation program{{"update"}, environment()};
    ASSERT_TRUE(has_begun());
    box->change([](FakeUpdates& updates) {
        updates.now = {};
        updates.now.result = "updated";
    });
    const Outcome outcome = program.finish();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("the box has started anew during the update"));
}

TEST_F(ABox, takes_a_bundle_from_a_file_and_from_standard_input) {
    end_with("updated", "Done.");
    std::string zip = "PK\x03\x04";
    zip.resize(12u << 20);
    const fs::path path = file("acme 12&3.zip", zip);
    EXPECT_EQ(run({"update", "--file", path}).code, 0);
    EXPECT_EQ(run({"update", "--file", "-", "--force"}, 0, path).code, 0);
    EXPECT_THAT(box->asked(), ElementsAre("install acme 12&3.zip 12582912",
                                          "install standard input 12582912 force"));
}

TEST_F(ABox, is_not_sent_a_file_that_cannot_be_a_bundle) {
    const fs::path large = file("large.zip", "");
    fs::resize_file(large, (32u << 20) + 1);
    const std::vector<std::pair<fs::path, std::string>> files{
        {folder / "none.zip", "cannot open the bundle " + (folder / "none.zip").string()},
        {folder.path(), "cannot read the bundle "},
        {file("empty.zip", ""), "empty.zip is empty: give the zip file of a bundle"},
        {large, "is larger than the 32 MiB that a bundle may have"}};
    for (const auto& [path, error] : files) {
        const Outcome outcome = run({"update", "--file", path});
        EXPECT_EQ(outcome.code, 1) << path;
        EXPECT_THAT(outcome.err, HasSubstr(error));
    }
    EXPECT_THAT(box->asked(), IsEmpty());
}

TEST_F(ABox, tells_how_its_last_update_went) {
    EXPECT_EQ(run({"update", "--status"}).out,
              "Update    none is running\nLast      No update has run yet.\nContact   -\n");
    box->change([](FakeUpdates& updates) {
        UpdateReport& now = updates.now;
        now.result = "partly";
        now.text = "One of two drivers was updated.";
        now.source = "https://shop.example.com";
        now.finished = 1'700'000'000;
        now.last_contact = 1'700'000'000;
        now.steps = {{"acme_scale", "1.0.0", "1.1.0", Step::done, "", ""},
                     {"acme_printer", "2", "3", Step::left_out, "E_FLOOR", "it is too old"}};
        now.warnings = {"the box is in development mode"};
    });
    const Outcome outcome = run({"update", "--status"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(outcome.out,
              "Update    none is running\n"
              "Last      partly, 2023-11-14 22:13:20: One of two drivers was updated.\n"
              "From      https://shop.example.com\n"
              "Contact   2023-11-14 22:13:20\n"
              "Plug-ins  acme_scale 1.0.0 \xE2\x86\x92 1.1.0: done\n"
              "          acme_printer 2 \xE2\x86\x92 3: left out: it is too old\n"
              "Warnings  the box is in development mode\n");
    box->change([](FakeUpdates& updates) {
        updates.now = {};
        updates.now.phase = Phase::downloading;
        updates.now.received = 1'000'000;
        updates.now.expected = 4'000'000;
    });
    EXPECT_THAT(run({"update", "--status"}).out,
                HasSubstr("Update    downloading, 1.0 of 4.0 MB\n"));
    EXPECT_EQ(run({"update", "--status"}).code, 0);
    EXPECT_THAT(box->asked(), IsEmpty()) << "telling changes nothing";
}

TEST_F(ABox, tells_of_its_updates_in_its_status) {
    EXPECT_THAT(run({"status"}).out, HasSubstr("Updates   none has run yet\n"));
    box->change([](FakeUpdates& updates) {
        updates.now.result = "unchanged";
        updates.now.last_contact = 1'700'000'000;
        updates.now.warnings = {"the box is in development mode"};
    });
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.out, HasSubstr("Updates   unchanged, server reached 2023-11-14 22:13:20\n"
                                       "Problems  the box is in development mode\n"));
    box->change([](FakeUpdates& updates) { updates.now.phase = Phase::swapping; });
    EXPECT_THAT(run({"status"}).out, HasSubstr("Updates   swapping, server"));
}

TEST_F(ABox, gives_scripts_the_last_report_and_nothing_else) {
    end_with("rejected", "The signature does not fit.");
    const Outcome outcome = run({"update", "--json"});
    EXPECT_EQ(outcome.code, 1);
    const auto report = boost::json::parse(outcome.out);
    EXPECT_EQ(report.at("result"), "rejected");
    EXPECT_EQ(report.at("phase"), "idle");
    EXPECT_THAT(run({"update", "--status", "--json"}).out, HasSubstr("\"result\":\"rejected\""));
}

class ABoxWithPlugIns : public ABox {
protected:
    ABoxWithPlugIns() {
        box->change([](FakeUpdates& updates) {
            DeliveredPlugin scale = core::test::delivered_plugin("acme_scale", "1.0.0", "trial");
            scale.reason = "it is watched for 10 minutes";
            scale.last_good = "0.9.0";
            scale.quarantined = "1.2.0";
            scale.quarantined_reason = "crashed at open";
            scale.can_roll_back = scale.can_release = true;
            scale.since = 1'700'000'000;
            DeliveredPlugin gone = core::test::delivered_plugin("acme_old", "1.0.0", "disabled");
            gone.reason = "it was withdrawn";
            updates.list = {scale, gone};
        });
    }
};

TEST_F(ABoxWithPlugIns, lists_where_they_come_from_and_how_they_stand) {
    const Outcome outcome = run({"plugins"});
    EXPECT_EQ(outcome.code, 3) << "one must not run";
    EXPECT_EQ(
        outcome.out,
        "NAME        KIND    VERSION  SOURCE          STATE            LAST GOOD  PID   CRASHES  "
        "REASON\n"
        "acme_scale  driver  1.0.0    bundle acme 12  running (trial)  0.9.0      4711  0        "
        "1.2.0 was put away: crashed at open\n"
        "toledo8217  driver  1.0.0    the box         running          -          4711  0        "
        "-\n"
        "acme_old    driver  1.0.0    bundle acme 12  disabled         -          -     0        "
        "it was withdrawn\n");
    box->change([](FakeUpdates& updates) {
        updates.list.pop_back();
        updates.list[0].pinned = true;
        updates.list[0].quarantined.clear();
    });
    const Outcome pinned = run({"plugins"});
    EXPECT_EQ(pinned.code, 0);
    EXPECT_THAT(pinned.out, HasSubstr("running (trial, pinned)"));
    EXPECT_THAT(pinned.out, HasSubstr("it is watched for 10 minutes\n"));
}

TEST_F(ABoxWithPlugIns, shows_everything_about_one_of_them) {
    const Outcome outcome = run({"plugins", "show", "acme_scale"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out,
              "Name       acme_scale\n"
              "Title      acme_scale\n"
              "Kind       driver\n"
              "Version    1.0.0\n"
              "Source     bundle acme 12\n"
              "Signed by  Acme Ltd\n"
              "State      running (trial)\n"
              "Update     it is watched for 10 minutes\n"
              "Since      2023-11-14 22:13:20\n"
              "Last good  0.9.0\n"
              "Put away   1.2.0 was put away: crashed at open\n"
              "Process    4711\n"
              "Instances  0\n"
              "Starts     0\n"
              "Crashes    0\n"
              "File       /plugins/acme_scale.so\n"
              "You can    rollback, pin, release\n");
    EXPECT_EQ(run({"plugins", "show", "acme_old"}).code, 3);
    const Outcome as_json = run({"plugins", "show", "acme_scale", "--json"});
    EXPECT_EQ(boost::json::parse(as_json.out).at("last_good"), "0.9.0");
    const Outcome unknown = run({"plugins", "show", "x\x1b"});
    EXPECT_EQ(unknown.code, 1);
    EXPECT_EQ(unknown.out, "");
    EXPECT_EQ(unknown.err,
              "backplane: the box has no plug-in \"x\\x1b\": take a name that "
              "\"backplane plugins\" shows\n");
}

TEST_F(ABoxWithPlugIns, does_what_the_owner_wants_and_says_what_has_happened) {
    EXPECT_EQ(run({"plugins", "rollback", "acme_scale"}).out,
              "acme_scale 1.0.0 runs again; the newer build is put away.\n");
    EXPECT_EQ(run({"plugins", "pin", "acme_scale"}).out,
              "acme_scale 1.0.0 stays, whatever updates bring.\n");
    EXPECT_EQ(run({"plugins", "unpin", "acme_scale"}).out,
              "acme_scale 1.0.0 takes part in updates again.\n");
    EXPECT_EQ(run({"plugins", "release", "acme_scale"}).out,
              "acme_scale is released: it is watched for 10 minutes\n");
    const Outcome as_json = run({"plugins", "pin", "acme_scale", "--json"});
    EXPECT_EQ(as_json.code, 0);
    EXPECT_EQ(boost::json::parse(as_json.out).at("name"), "acme_scale");
    EXPECT_THAT(box->asked(),
                ElementsAre("rollback acme_scale", "pin acme_scale", "unpin acme_scale",
                            "release acme_scale", "pin acme_scale"));
}

TEST_F(ABoxWithPlugIns, says_why_it_cannot_do_what_the_owner_wants) {
    box->on_loop([&] {
        box->updates().errors["rollback"] = {"update.no_last_good",
                                             "acme_scale has no other version to return to"};
    });
    const Outcome outcome = run({"plugins", "rollback", "acme_scale"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "backplane: acme_scale has no other version to return to\n");
    EXPECT_THAT(run({"plugins", "pin", "../x"}).err,
                HasSubstr("the box has no plug-in \"../x\": take a name"));
    box->on_loop([&] { box->updates().keep_answers = true; });
    EXPECT_THAT(run({"plugins", "release", "acme_scale"}).err,
                HasSubstr("the plug-in acme_scale is not done yet, the box goes on with it"));
}

TEST(ABoxWithoutUpdates, says_so) {
    const backplane::tests::TemporaryFolder folder;
    const std::string socket = (folder / "control.sock").string();
    {
        ServedApi::Setup setup;
        setup.has_updates = false;
        setup.socket = socket;
        ServedApi box{std::move(setup)};
        for (const char* option : {"--status", "--force", "--json"}) {
            const Outcome outcome =
                Invocation{{"update", option}, {"BACKPLANE_SOCKET=" + socket}}.finish();
            EXPECT_EQ(outcome.code, 1) << option;
            EXPECT_EQ(outcome.out, "") << option;
            EXPECT_THAT(outcome.err, HasSubstr("backplane: this box takes no updates"));
        }
    }
}

}  // namespace
}  // namespace backplane::cli::test
