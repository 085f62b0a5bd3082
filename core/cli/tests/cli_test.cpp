// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The real program against a box that is an HTTP double on a Unix socket.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "fake_box.hpp"
#include "invocation.hpp"

namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using namespace backplane::cli::test;  // NOLINT: a test's own helpers

class TheProgram : public FakeBox {
protected:
    Outcome run(std::vector<std::string> arguments, unsigned short columns = 0) {
        return Invocation{
            std::move(arguments), {"BACKPLANE_SOCKET=" + socket, "TERM=xterm"}, columns}
            .finish();
    }

    const std::string good_status =
        R"({"version":"0.1.0","started_at":1700000000,"uptime_s":11520,"identifier":"b0c5",
        "http":{"ports":[8069,443]},"devices":{"ready":3,"total":3,"unsupported":1,"not_ready":[]},
        "plugins":{"running":5,"total":6,"put_aside":[],"refused":[]},"state":"ok","problems":[]})";
    const std::string bad_status =
        R"({"version":"0.1.0","started_at":1700000000,"uptime_s":5,"identifier":"b0c5",
        "http":{"ports":[8069]},"devices":{"ready":1,"total":2,"unsupported":0,"not_ready":["/dev/ttyUSB0"]},
        "plugins":{"running":5,"total":6,"put_aside":["toledo8217"],"refused":["bad.so"]},"state":"degraded",
        "problems":["/dev/ttyUSB0 is unreachable: does not answer","toledo8217 was put aside: 5 crashes"]})";
    const std::string devices = R"({"devices":[
        {"identifier":"/dev/ttyUSB0","stable_id":"usb-1","name":"Counter scale","type":"scale","subtype":"","driver":"toledo8217",
         "driver_version":"1.0.0","state":"unreachable","reason":"does not answer since 10:00, is it switched on?","since":1700000000},
        {"identifier":"lp0","name":"秤\u001b[2Jevil\nline","type":"printer","subtype":"receipt_printer","driver":"escpos",
         "driver_version":"2.1.0","state":"ready","reason":"","since":1700000001.5}]})";
};

TEST_F(TheProgram, says_which_socket_is_missing_and_what_to_do) {
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("backplane: cannot reach the box through " + socket +
                                        ": there is no such socket: backplaned "));
    EXPECT_THAT(outcome.err, testing::AnyOf(HasSubstr("systemctl start backplaned"),
                                            HasSubstr("--socket PATH")));
}

TEST_F(TheProgram, says_that_nobody_listens_on_a_socket_that_was_left_behind) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
    const Outcome outcome = run({"devices", "--json"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(socket + ": nobody listens there: "));
}

TEST_F(TheProgram, refuses_a_path_that_no_socket_can_have) {
    EXPECT_THAT(run({"status", "--socket", std::string(200, 'x')}).err,
                HasSubstr("this is not the path of a socket: give one of at most 107 bytes"));
}

TEST_F(TheProgram, says_that_the_box_is_of_another_version) {
    answer("/api/v1/status", "no\x1b[2J\nsuch page", 404);
    answer("/api/v1/devices", R"({"something":"else"})");
    answer("/api/v1/plugins", R"({"plugins":)");
    start();
    const Outcome missing = run({"status"});
    EXPECT_EQ(missing.code, 1);
    EXPECT_THAT(missing.err,
                AllOf(HasSubstr("answered /api/v1/status with HTTP 404 (no\\x1b[2J\\nsuch page)"),
                      HasSubstr("update both together")));
    const Outcome strange = run({"devices", "--json"});
    EXPECT_EQ(strange.code, 1);
    EXPECT_EQ(strange.out, "");
    EXPECT_THAT(strange.err,
                HasSubstr("answered the question for its devices with something else"));
    EXPECT_EQ(run({"plugins"}).code, 1);
    EXPECT_EQ(run({"logs"}).code, 1);
}

TEST_F(TheProgram, shows_the_status_of_a_box_that_is_well) {
    answer("/api/v1/status", good_status);
    start();
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out,
              "Backplane 0.1.0, box b0c5, running for 3 h 12 min\n\n"
              "State     ok\n"
              "HTTP      port 8069, 443\n"
              "Devices   3 of 3 ready, 1 unsupported\n"
              "Plug-ins  5 of 6 running\n");
}

TEST_F(TheProgram, ends_with_3_and_names_the_problems_of_a_degraded_box) {
    answer("/api/v1/status", bad_status);
    start();
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(outcome.out,
              "Backplane 0.1.0, box b0c5, running for 5 s\n\n"
              "State     degraded\n"
              "HTTP      port 8069\n"
              "Devices   1 of 2 ready\n"
              "          not ready: /dev/ttyUSB0\n"
              "Plug-ins  5 of 6 running\n"
              "          put aside: toledo8217\n"
              "          refused: bad.so\n"
              "Problems  /dev/ttyUSB0 is unreachable: does not answer\n"
              "          toledo8217 was put aside: 5 crashes\n");
    EXPECT_EQ(run({"status", "--json"}).code, 3);
}

TEST_F(TheProgram, prints_the_answers_of_the_box_as_they_are_with_json) {
    answer("/api/v1/status", good_status);
    answer("/api/v1/devices", devices);
    answer("/api/v1/plugins", R"({"plugins":[]})");
    answer("/api/v1/logs", R"({"records":[],"last_seq":0})");
    start();
    EXPECT_EQ(run({"status", "--json"}).out, good_status + "\n");
    EXPECT_EQ(run({"devices", "--json"}).out, devices + "\n");
    EXPECT_EQ(run({"plugins", "--json"}).out, "{\"plugins\":[]}\n");
    EXPECT_EQ(run({"logs", "--json"}).out, "{\"records\":[],\"last_seq\":0}\n");
}

TEST_F(TheProgram, aligns_the_devices_and_shows_no_control_character_of_theirs) {
    answer("/api/v1/devices", devices);
    start();
    const Outcome outcome = run({"devices"});
    EXPECT_EQ(outcome.code, 3) << "one of them is unreachable";
    EXPECT_EQ(outcome.out,
              "IDENTIFIER    NAME                 TYPE                     DRIVER            STATE "
              "       SINCE                REASON\n"
              "/dev/ttyUSB0  Counter scale        scale                    toledo8217 1.0.0  "
              "unreachable  2023-11-14 22:13:20  "
              "does not answer since 10:00, is it switched on?\n"
              "lp0           秤\\x1b[2Jevil\\nline  printer/receipt_printer  escpos 2.1.0      "
              "ready        2023-11-14 22:13:21  -\n");
}

TEST_F(TheProgram, fits_the_terminal_and_uses_colours_there_only) {
    answer("/api/v1/devices", devices);
    start();
    const Outcome outcome = run({"devices"}, 90);
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.out, HasSubstr("\x1b[31mun"));
    EXPECT_THAT(outcome.out, HasSubstr("\x1b[32mready"));
    EXPECT_THAT(outcome.out, HasSubstr("\xE2\x80\xA6"));
    std::istringstream lines{outcome.out};
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        if (line.ends_with('\r')) line.pop_back();
        std::size_t columns = 0;
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '\x1b') {
                i = line.find('m', i);
            } else if ((static_cast<unsigned char>(line[i]) & 0xC0u) != 0x80u) {
                columns +=
                    static_cast<unsigned char>(line[i]) == 0xE7 ? 2 : 1;  // the one wide character
            }
        }
        EXPECT_LE(columns, 90u) << line;
    }
    EXPECT_EQ(count, 3);
    const Outcome plain =
        Invocation{{"devices"}, {"BACKPLANE_SOCKET=" + socket, "TERM=xterm", "NO_COLOR=1"}, 90}
            .finish();
    EXPECT_THAT(plain.out, Not(HasSubstr("\x1b")));
}

TEST_F(TheProgram, shows_plug_ins_and_ends_with_3_when_one_was_put_aside) {
    answer("/api/v1/plugins", R"({"plugins":[
        {"name":"serial","kind":"interface","version":"1.0.0","state":"running","pid":4711,"instances":1,"crashes":0,"reason":""},
        {"name":"toledo8217","kind":"driver","version":"1.0.0","state":"put_aside","reason":"5 crashes in 60 s","crashes":5,
         "source":"the box","update_state":"","pinned":false},
        {"name":"","path":"/x/bad.so","state":"refused","reason":"no note"}]})");
    start();
    const Outcome outcome = run({"plugins"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(
        outcome.out,
        "NAME        KIND       VERSION  SOURCE   STATE      LAST GOOD  PID   CRASHES  REASON\n"
        "serial      interface  1.0.0    -        running    -          4711  0        -\n"
        "toledo8217  driver     1.0.0    the box  put_aside  -          -     5        "
        "5 crashes in 60 s\n"
        "/x/bad.so   -          -        -        refused    -          -     0        no note\n");
}

TEST_F(TheProgram, is_not_confused_by_members_of_other_types) {
    answer(
        "/api/v1/status",
        R"({"state":7,"devices":[],"http":{"ports":{}},"problems":[1,{}],"uptime_s":-1e300,"plugins":{"running":-4}})");
    answer("/api/v1/devices", R"({"devices":[1,null,{"identifier":5,"since":1e300},{}]})");
    answer("/api/v1/plugins", R"({"plugins":{"a":1}})");
    answer("/api/v1/logs", R"({"records":[5,{"time":"x"}],"last_seq":"y"})");
    start();
    EXPECT_EQ(run({"status"}).code, 0);
    EXPECT_EQ(run({"devices"}).code, 0);
    EXPECT_EQ(run({"plugins"}).out, "The box has no plug-in.\n");
    EXPECT_EQ(run({"logs"}).code, 0);
}

TEST_F(TheProgram, asks_for_the_log_that_was_wanted) {
    std::string asked;
    std::mutex mutex;
    server.Get("/api/v1/logs", [&](const httplib::Request& request, httplib::Response& response) {
        const std::lock_guard lock{mutex};
        for (const char* name : {"after", "limit", "level", "component", "wait"})
            asked += std::string{name} + "=" + request.get_param_value(name) + ";";
        asked += request.get_header_value("Host");
        response.set_content(
            R"({"records":[{"seq":1,"time":1700000000.25,"level":"warning","component":"serial",
            "event":"port.busy","fields":{},"text":"port.busy port=\"a\u001b[2J\""}],"last_seq":1})",
            "application/json");
    });
    start();
    const Outcome outcome =
        run({"logs", "-n", "7", "--level", "warning", "--component", "a&b=c d"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out,
              "2023-11-14 22:13:20.250 warning [serial] port.busy port=\"a\\x1b[2J\"\n");
    const std::lock_guard lock{mutex};
    EXPECT_EQ(asked, "after=0;limit=7;level=warning;component=a&b=c d;wait=;localhost");
}

TEST_F(TheProgram, follows_the_log_over_a_restart_of_the_box) {
    std::vector<std::string> asked;
    std::mutex mutex;
    const auto record = [](const std::string& text) {
        return R"({"time":1700000000,"level":"info","component":"c","text":")" + text + "\"}";
    };
    server.Get("/api/v1/logs", [&](const httplib::Request& request, httplib::Response& response) {
        const std::lock_guard lock{mutex};
        asked.push_back(request.get_param_value("after"));
        std::string records, last;
        switch (asked.size()) {
            case 1:
                records = record("one") + "," + record("two"), last = "12";
                break;
            case 2:
                records = record("three"), last = "13";
                break;
            case 3:
                last = "13";
                break;
            case 4:
                last = "2";
                break;  // has started anew
            case 5:
                records = record("four"), last = "2";
                break;
            default:
                last = "2";
                break;
        }
        response.set_content("{\"records\":[" + records + "],\"last_seq\":" + last + "}",
                             "application/json");
    });
    start();
    Invocation follower{{"logs", "--follow"}, {"BACKPLANE_SOCKET=" + socket}};
    ASSERT_TRUE(follower.read_until(
        [](const Outcome& so_far) { return so_far.out.find("four") != std::string::npos; }));
    follower.terminate();
    const Outcome outcome = follower.finish();
    EXPECT_EQ(outcome.code, 128 + SIGTERM);
    std::string texts;
    std::istringstream lines{outcome.out};
    for (std::string line; std::getline(lines, line);) texts += line.substr(line.rfind(' '));
    EXPECT_EQ(texts, " one two three four");
    const std::lock_guard lock{mutex};
    ASSERT_GE(asked.size(), 5u);
    asked.resize(5);
    EXPECT_THAT(asked, testing::ElementsAre("0", "12", "13", "13", "0"));
}

TEST_F(TheProgram, waits_for_a_box_that_went_away_but_not_for_ever) {
    answer("/api/v1/logs", R"({"records":[],"last_seq":1})");
    start();
    Invocation follower{{"logs", "--follow", "--json", "--lost-after", "1"},
                        {"BACKPLANE_SOCKET=" + socket}};
    ASSERT_TRUE(
        follower.read_until([](const Outcome& so_far) { return so_far.out.ends_with("}\n"); }));
    stop();
    const Outcome outcome = follower.finish();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("lost the box, waiting for it to come back"),
                                   HasSubstr("nobody listens there")));
}

TEST_F(TheProgram, ends_with_2_when_it_is_called_wrongly) {
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{},
                                               {"stauts"},
                                               {"status", "--jsn"},
                                               {"logs", "-n", "0"},
                                               {"logs", "-n", "many"},
                                               {"logs", "--level", "loud"},
                                               {"plugins", "rollback"},
                                               {"plugins", "remove", "acme"},
                                               {"update", "--status", "--no-wait"},
                                               {"update", "--status", "--file", "x.zip"},
                                               {"update", "--wait-most", "0"},
                                               {"status", "devices"}}) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.code, 2) << testing::PrintToString(arguments);
        EXPECT_EQ(outcome.out, "") << testing::PrintToString(arguments);
        EXPECT_NE(outcome.err, "") << testing::PrintToString(arguments);
    }
    EXPECT_THAT(run({"logs", "--level", "loud"}).err, HasSubstr("error,warning,info,debug"));
}

TEST_F(TheProgram, takes_the_socket_from_the_option_before_the_variable) {
    answer("/api/v1/status", good_status);
    start();
    EXPECT_EQ(
        (Invocation{{"status", "--socket", socket}, {"BACKPLANE_SOCKET=/nowhere"}}.finish().code),
        0);
    EXPECT_EQ((Invocation{{"--socket", socket, "status"}}.finish().code), 0);
    EXPECT_THAT((Invocation{{"status", "--socket", "/nowhere"}, {"BACKPLANE_SOCKET=" + socket}}
                     .finish()
                     .err),
                HasSubstr("through /nowhere:"));
}

TEST_F(TheProgram, fails_when_its_output_cannot_be_written) {
    answer("/api/v1/status", good_status);
    start();
    const std::string command =
        "BACKPLANE_SOCKET=" + socket + " " BP_CLI " status >/dev/full 2>/dev/null";
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_F(TheProgram, explains_itself_as_its_reference_page_does) {
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(run({"--version"}).out.substr(0, 10), "backplane ");
    EXPECT_THAT(run({"logs", "--help"}).out, HasSubstr("--follow"));
    std::ifstream file{BP_CLI_PAGE};
    const std::string page{std::istreambuf_iterator<char>{file}, {}};
    for (const char* word :
         {"status", "devices", "plugins", "update", "logs", "--socket", "BACKPLANE_SOCKET"}) {
        EXPECT_THAT(help.out, HasSubstr(word));
        EXPECT_THAT(page, HasSubstr(word));
    }
    for (const char* code : {"0  ok", "1  failed", "2  the command line is wrong", "3  degraded"})
        EXPECT_THAT(help.out, HasSubstr(code));
    for (const char* code : {"| 0 |", "| 1 |", "| 2 |", "| 3 |"})
        EXPECT_THAT(page, HasSubstr(code));
    for (const char* option :
         {"--json", "--follow", "--level", "--component", "--lines", "--lost-after", "--force",
          "--file", "--no-wait", "--status", "--wait-most", "--version", "--help"}) {
        EXPECT_THAT(page, HasSubstr(option));
    }
}

}  // namespace
