// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box as its owner meets it: what it says to a wrong configuration, how it starts without this
// or that, how it ends, and its own API, metrics and command line.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "support/box_test.hpp"
#include "support/listeners.hpp"
#include "support/program.hpp"
#include "support/serial_scale.hpp"

namespace backplane::tests {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

json::object parsed(const std::string& text) {
    return json::parse(text).as_object();
}

std::ptrdiff_t lines_of(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
}

std::vector<pid_t> children_of(pid_t parent) {
    std::ifstream file{"/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) +
                       "/children"};
    return {std::istream_iterator<pid_t>(file), {}};
}

bool runs(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    return std::getline(stat, text) && text.substr(text.rfind(')') + 2, 1) != "Z";
}

class ABox : public BoxTest {
protected:
    std::unique_ptr<Program> cli(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {BP_CLI, "--socket", box().control_socket().string()});
        return std::make_unique<Program>(std::move(arguments));
    }
    json::object status() { return box().get("/api/v1/status").json().as_object(); }
    HttpAnswer post(const std::string& path, const json::value& body) {
        return box().post(path, json::serialize(body));
    }
};

// ---- configuration ------------------------------------------------------------------------------

class AWrongConfiguration : public testing::Test {
protected:
    std::vector<std::string> command() const {
        return {BP_DAEMON,
                "--config",
                (folder_ / "backplane.yaml").string(),
                "--state-dir",
                (folder_ / "state").string(),
                "--http-port",
                "0",
                "--http-address",
                "127.0.0.1",
                "--plugin-dir",
                BP_PLUGIN_DIR};
    }
    TemporaryFolder folder_;
};

TEST_F(AWrongConfiguration, is_told_in_one_line_with_file_and_line_and_exit_code_2) {
    struct Case {
        std::string yaml, line;
    };
    const std::vector<Case> cases{
        {"http:\n  adress: 127.0.0.1\n",
         R"(backplane.yaml:2: http.adress: unknown key: did you mean "address"?)"},
        {"htttp: {}\n", R"(backplane.yaml:1: htttp: unknown key: did you mean "http"?)"},
        {"log: {level: info}\nhttp:\n  port: \"x\"\n",
         R"(backplane.yaml:3: http.port: "x" is text, a port is needed: give a number from 1 to 65535, without quotes)"},
        {"http:\n  port: 99999\n",
         "backplane.yaml:2: http.port: 99999 is not a port: give a number from 1 to 65535"},
        {"drivers:\n  toledo8217:\n    poll: 7\n",
         "backplane.yaml:3: driver toledo8217: poll: 7 is not text: put it in quotes"},
        {"drivers:\n  toledo8217:\n    baudd: 9600\n",
         R"(backplane.yaml:3: driver toledo8217: baudd: unknown setting: did you mean "baud"?)"},
        {"interfaces:\n  serial:\n    extra_ports: /dev/x\n",
         R"(backplane.yaml:3: interface serial: extra_ports: "/dev/x" stands here, a list such as [a, b] is needed)"},
        {"http: {port: 8069}\nhttp: {port: 8070}\n",
         R"(backplane.yaml:2: the key "http" stands here twice, first in line 1: keep one of them)"},
        {"http: [\n",
         "backplane.yaml:1: is not complete YAML: a quote or bracket opened here or below is never "
         "closed"},
    };
    for (const Case& one : cases) {
        std::ofstream(folder_ / "backplane.yaml") << one.yaml;
        Program box{command()};
        EXPECT_EQ(box.wait(), 2) << one.yaml;
        EXPECT_EQ(box.err(), "backplaned: " + one.line + "\n");
        EXPECT_EQ(box.out(), "");
    }
}

TEST_F(AWrongConfiguration, in_a_fragment_is_told_with_the_name_of_the_fragment) {
    std::filesystem::create_directory(folder_ / "conf.d");
    std::ofstream(folder_ / "backplane.yaml") << "http: {port: 8069}\n";
    std::ofstream(folder_ / "conf.d/10-shop.yaml") << "# of the shop\nlog: {level: loud}\n";
    Program box{command()};
    EXPECT_EQ(box.wait(), 2);
    EXPECT_THAT(box.err(), StartsWith("backplaned: conf.d/10-shop.yaml:2: log.level: loud is not "
                                      "possible: known here are error"));
    EXPECT_EQ(lines_of(box.err()), 1);
}

TEST_F(AWrongConfiguration, that_does_not_exist_although_it_was_named_ends_with_2) {
    Program box{command()};
    EXPECT_EQ(box.wait(), 2);
    EXPECT_THAT(box.err(),
                HasSubstr("there is no such file: create it, or name another with --config"));
    EXPECT_EQ(lines_of(box.err()), 1);
}

TEST_F(AWrongConfiguration, of_the_command_line_ends_with_2_and_names_the_argument) {
    auto arguments = command();
    arguments.insert(arguments.end(), {"--http-prot", "8069"});
    Program box{arguments};
    EXPECT_EQ(box.wait(), 2);
    EXPECT_THAT(box.err() + box.out(), HasSubstr("--http-prot"));
}

// ---- what may be missing at the start -----------------------------------------------------------

TEST_F(ABox, without_a_folder_of_plug_ins_runs_and_says_what_is_wrong) {
    BoxProcess::Options options;
    options.plugin_dir = (folder_ / "nothing").string();
    start(options);
    EXPECT_EQ(box().get("/hw_proxy/hello").body, "ping");
    EXPECT_EQ(text_at(status(), {"state"}), "degraded");
    EXPECT_THAT(json::serialize(status().at("problems")),
                HasSubstr("cannot read the plug-in folder"));
    const auto shown = cli({"status"});
    EXPECT_EQ(shown->wait(), 3);
    EXPECT_THAT(shown->out(), HasSubstr("degraded"));
    EXPECT_THAT(shown->out(), HasSubstr("--plugin-dir"));
}

TEST_F(ABox, without_the_program_that_unpacks_archives_runs_and_says_that_updates_will_fail) {
    std::filesystem::create_directory(folder_ / "bin");
    const auto host = folder_ / "bin/backplane-plugin-host";
    std::filesystem::create_symlink(
        std::filesystem::path(BP_DAEMON).parent_path() / "backplane-plugin-host", host);
    BoxProcess::Options options;
    options.demo = true;
    options.arguments = {"--plugin-host", host.string()};
    start(options);
    box().wait_for_state("scale", "ready");
    EXPECT_THAT(json::serialize(status().at("problems")),
                HasSubstr("no update can be installed: the box cannot run " +
                          (folder_ / "bin/backplane-unpack").string()));
}

TEST_F(ABox, that_finds_something_else_than_a_plug_in_refuses_it_by_name_and_uses_the_others) {
    BoxProcess::Options options;
    options.plugin_dir = (folder_ / "plugins").string();
    options.demo = true;
    std::filesystem::create_directory(options.plugin_dir);
    for (const auto* name : {"serial.so", "simulator.so", "toledo8217.so"})
        std::filesystem::copy_file(std::filesystem::path(BP_PLUGIN_DIR) / name,
                                   folder_ / "plugins" / name);
    std::ofstream(folder_ / "plugins/broken.so") << "this is no library";
    start(options);
    box().wait_for_state("scale", "ready");
    const json::object plugins = box().get("/api/v1/plugins").json().as_object();
    const json::object* refused = nullptr;
    for (const auto& plugin : plugins.at("plugins").as_array())
        if (text_at(plugin.as_object(), {"state"}) == "refused") refused = &plugin.as_object();
    ASSERT_TRUE(refused);
    EXPECT_THAT(text_at(*refused, {"path"}), EndsWith("broken.so"));
    EXPECT_FALSE(text_at(*refused, {"reason"}).empty());
}

TEST_F(ABox, whose_port_is_taken_ends_with_1_and_says_who_could_tell) {
    const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(taken, 1), 0);
    ::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size);
    const std::string port = std::to_string(ntohs(address.sin_port));
    std::ofstream(folder_ / "c.yaml") << "{}\n";
    Program daemon{{BP_DAEMON, "--config", (folder_ / "c.yaml").string(), "--state-dir",
                    (folder_ / "state").string(), "--http-address", "127.0.0.1", "--http-port",
                    port, "--plugin-dir", BP_PLUGIN_DIR}};
    EXPECT_EQ(daemon.wait(), 1);
    EXPECT_THAT(
        daemon.err(),
        HasSubstr("backplaned: cannot listen for HTTP on 127.0.0.1 port " + port +
                  ": another program uses this port; stop it (\"ss -ltnp sport = :" + port + "\""));
    EXPECT_EQ(lines_of(daemon.err()), 1);
    ::close(taken);
}

TEST_F(ABox, that_cannot_make_its_state_folder_ends_with_1_and_one_line) {
    std::ofstream(folder_ / "file") << "in the way";
    std::ofstream(folder_ / "c.yaml") << "{}\n";
    Program daemon{{BP_DAEMON, "--config", (folder_ / "c.yaml").string(), "--state-dir",
                    (folder_ / "file/state").string(), "--http-address", "127.0.0.1", "--http-port",
                    "0", "--plugin-dir", BP_PLUGIN_DIR}};
    EXPECT_EQ(daemon.wait(), 1);
    EXPECT_THAT(daemon.err(), HasSubstr("cannot make the state folder"));
    EXPECT_THAT(daemon.err(), HasSubstr("--state-dir"));
    EXPECT_EQ(lines_of(daemon.err()), 1);
}

TEST_F(ABox, whose_state_folder_cannot_be_written_works_and_says_so) {
    BoxProcess::Options options;
    options.demo = true;
    // Not even root makes files there.
    options.state_dir = "/sys/kernel";
    start(options);
    box().wait_for_state("scale", "ready");
    EXPECT_EQ(number_in(box().rpc("/hw_proxy/scale_read", {}).at("result").as_object(), "weight"),
              0.5);
    EXPECT_THAT(box().log(), HasSubstr("store.not_durable"));
    EXPECT_THAT(box().log(),
                HasSubstr("the box goes on, but forgets new devices when it restarts"));
    EXPECT_EQ(text_at(status(), {"identifier"}).empty(), false);
}

TEST_F(ABox, without_any_network_starts_and_reads_its_scale) {
    // A network of its own in which not even the loopback is up.
    if (Program{{"unshare", "-n", "true"}}.wait() != 0)
        GTEST_SKIP() << "needs the right to make a network namespace";
    std::ofstream(folder_ / "c.yaml") << "{}\n";
    const std::string socket = (folder_ / "control.sock").string();
    Program daemon{{"unshare", "-n", BP_DAEMON, "--demo", "--config", (folder_ / "c.yaml").string(),
                    "--state-dir", (folder_ / "state").string(), "--http-port", "0", "--plugin-dir",
                    BP_PLUGIN_DIR, "--control-socket", socket}};
    std::string devices;
    const bool ready = eventually([&] {
        Program asked{{BP_CLI, "--socket", socket, "devices", "--json"}};
        if (asked.wait() != 0) return false;
        devices = asked.out();
        return devices.find("\"ready\"") != std::string::npos;
    });
    EXPECT_TRUE(ready) << devices << daemon.err();
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(), 0) << daemon.err();
}

TEST_F(ABox, listens_where_pages_of_odoo_look_for_it_too) {
    // A network of its own, in which 80 and 443 are free.
    if (Program{{"unshare", "-n", "true"}}.wait() != 0)
        GTEST_SKIP() << "needs the right to make a network namespace";
    std::ofstream(folder_ / "c.yaml") << "odoo: {pairing_proxy: '', certificate_service: ''}\n";
    const std::string socket = (folder_ / "control.sock").string();
    Program daemon{{"unshare", "-n", BP_DAEMON, "--config", (folder_ / "c.yaml").string(),
                    "--state-dir", (folder_ / "state").string(), "--plugin-dir", BP_PLUGIN_DIR,
                    "--control-socket", socket}};
    std::string answer;
    EXPECT_TRUE(eventually([&] {
        Program asked{{BP_CLI, "--socket", socket, "status", "--json"}};
        asked.wait();
        answer = asked.out();
        return answer.find("https_ports") != std::string::npos;
    })) << daemon.err();
    EXPECT_EQ(json::serialize(json::parse(answer).at("http").at("ports")), "[8069,80]");
    EXPECT_EQ(json::serialize(json::parse(answer).at("http").at("https_ports")), "[443]");
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(), 0) << daemon.err();
}

TEST_F(ABox, keeps_its_identifier_over_a_restart) {
    BoxProcess::Options options;
    options.state_dir = folder_ / "state";
    start(options);
    const std::string identifier = text_at(status(), {"identifier"});
    EXPECT_FALSE(identifier.empty());
    ASSERT_EQ(box().stop(), 0);
    start(options);
    EXPECT_EQ(text_at(status(), {"identifier"}), identifier);
}

// ---- how it ends --------------------------------------------------------------------------------

TEST_F(ABox,
       ends_with_0_within_3_s_of_sigterm_with_a_poll_a_stream_and_a_scale_and_leaves_no_process) {
    SerialScale scale{port("scale0"), 0.5};
    start_serial({"scale0"});
    box().wait_for_state(port("scale0"), "ready");
    EventRecorder events{box()};
    OdooPage page{box(), "page-1", {"printer"}};
    auto waiting = std::async(std::launch::async, [&] { return page.next(30s); });
    ASSERT_TRUE(eventually([&] {
        return box().get("/metrics").body.find("backplane_http_waiting 3") != std::string::npos;
    }));
    const auto hosts = children_of(box().pid());
    EXPECT_EQ(hosts.size(), 2u);

    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(box().stop(), 0) << box().log();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s * k_patience);
    EXPECT_FALSE(waiting.get()) << "the poll ends, without an event";
    EXPECT_TRUE(eventually([&] { return std::none_of(hosts.begin(), hosts.end(), runs); }));
    EXPECT_FALSE(std::filesystem::exists(box().control_socket()));
}

TEST_F(ABox, that_is_killed_takes_its_plug_ins_along) {
    BoxProcess::Options options;
    options.demo = true;
    auto daemon = std::make_unique<BoxProcess>(options);
    daemon->wait_for_state("scale", "ready");
    const auto hosts = children_of(daemon->pid());
    EXPECT_EQ(hosts.size(), 2u);
    ASSERT_EQ(::kill(daemon->pid(), SIGKILL), 0);
    EXPECT_EQ(daemon->wait_for_end(), -SIGKILL);
    EXPECT_TRUE(eventually([&] { return std::none_of(hosts.begin(), hosts.end(), runs); }));
}

TEST_F(ABox, that_a_page_restarts_tells_the_page_first_and_comes_back_as_the_same_process) {
    start_demo();
    const json::object before = status();
    const std::string identifier = text_at(before, {"identifier"});
    OdooPage page{box(), "page-1", {identifier}};
    auto waiting = std::async(std::launch::async, [&] { return page.next(); });
    // The poll that asks for the number is not counted among them: it is a stream of its own.
    ASSERT_TRUE(eventually([&] {
        return box().get("/metrics").body.find("backplane_http_waiting 2") != std::string::npos;
    }));
    const pid_t pid = box().pid();

    const json::object answer = box().action(identifier, {{"action", "restart_odoo"}}, "page-1");
    EXPECT_FALSE(answer.contains("error")) << json::serialize(answer);
    EXPECT_FALSE(answer.contains("result")) << "null is left out";
    const auto event = waiting.get();
    ASSERT_TRUE(event) << "the event comes before the connections are cut";
    EXPECT_EQ(text_at(*event, {"status"}), "success");
    EXPECT_EQ(text_at(*event, {"device_identifier"}), identifier);

    std::string seen;
    ASSERT_TRUE(eventually([&] {
        const auto shown = cli({"status", "--json"});
        if (shown->wait() == 1) return false;
        seen = shown->out();
        return parsed(seen).at("started_at").to_number<double>() >
                   before.at("started_at").to_number<double>() &&
               parsed(seen).at("devices").at("ready").to_number<int>() == 1;
    })) << seen
        << box().log();
    EXPECT_EQ(text_at(parsed(seen), {"identifier"}), identifier);
    EXPECT_TRUE(box().alive());
    EXPECT_EQ(box().pid(), pid);
    EXPECT_EQ(children_of(pid).size(), 2u) << "no process of the life before is left";
}

// ---- its own API --------------------------------------------------------------------------------

TEST_F(ABox, tells_its_health_its_status_its_devices_and_its_plug_ins) {
    start_demo();
    EXPECT_EQ(box().get("/healthz").status, 200);
    EXPECT_EQ(text_at(box().get("/readyz").json().as_object(), {"status"}), "ready");
    const json::object now = status();
    EXPECT_EQ(text_at(now, {"state"}), "ok");
    EXPECT_THAT(json::serialize(now.at("problems")), "[]");
    EXPECT_EQ(now.at("devices").at("ready").to_number<int>(), 1);
    EXPECT_EQ(text_at(*box().device("scale"), {"identifier"}), "simulator:scale");
    EXPECT_EQ(text_at(box().plugin("toledo8217"), {"state"}), "running");
    EXPECT_EQ(text_at(box().plugin("serial"), {"state"}), "disabled");
    EXPECT_THAT(box().get("/").headers["Content-Type"], StartsWith("text/html"));
    EXPECT_EQ(box().post("/api/v1/devices", "{}").status, 405);
    EXPECT_EQ(box().get("/api/v1/nothing").status, 404);
}

TEST_F(ABox, has_metrics_after_the_rules_of_openmetrics) {
    start_demo();
    ASSERT_EQ(post("/api/v1/actions", {{"device", "scale"}, {"action", "read_once"}}).status, 200);
    const HttpAnswer answer = box().get("/metrics");
    EXPECT_THAT(answer.headers.at("Content-Type"),
                StartsWith("application/openmetrics-text; version=1.0.0"));
    ASSERT_THAT(answer.body, EndsWith("\n# EOF\n"));
    const std::regex sample{
        R"re(^([a-z_:][a-z0-9_:]*)(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+-]+$)re"};
    std::map<std::string, std::string> types;
    std::set<std::string> described, series;
    std::string family;
    std::istringstream lines{answer.body};
    for (std::string line; std::getline(lines, line) && line != "# EOF";) {
        std::smatch match;
        std::istringstream words{line};
        std::string hash, word, name, type;
        words >> hash >> word >> name >> type;
        if (line.starts_with("# TYPE ")) {
            EXPECT_FALSE(types.contains(name)) << "one block for each family: " << line;
            EXPECT_THAT(type, AnyOf("counter", "gauge", "info"));
            EXPECT_THAT(name, Not(EndsWith("_total")))
                << "the suffix is not part of the family's name";
            types[family = name] = type;
        } else if (line.starts_with("# HELP ")) {
            EXPECT_EQ(name, family) << line;
            described.insert(name);
        } else if (std::regex_match(line, match, sample)) {
            const std::string suffix = types[family] == "counter" ? "_total"
                                       : types[family] == "info"  ? "_info"
                                                                  : "";
            EXPECT_EQ(match[1], family + suffix) << line;
            EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
        } else {
            ADD_FAILURE() << "neither a comment nor a sample: " << line;
        }
    }
    for (const auto& [name, type] : types) EXPECT_TRUE(described.contains(name)) << name;
    EXPECT_THAT(
        answer.body,
        HasSubstr(
            R"(backplane_device_up{id="simulator:scale",class="scale",driver="toledo8217"} 1)"));
    EXPECT_THAT(answer.body,
                HasSubstr(R"(backplane_actions_total{class="scale",result="success"} 1)"));
}

TEST_F(ABox, resumes_a_stream_of_events_after_the_last_one_without_loss_and_without_repetition) {
    start_demo();
    auto first = std::make_unique<EventRecorder>(box(), "0");
    for (int grams = 1; grams <= 10; ++grams) {
        box().simulate("scale", {{"weight_kg", grams / 1000.0}});
        first->wait_for(
            [&](const auto& e) { return is_weight(e, "simulator:scale", grams / 1000.0); });
    }
    first->stop();
    const auto last = first->last_seq();
    // Nobody is connected now.
    for (int grams = 11; grams <= 20; ++grams) {
        box().simulate("scale", {{"weight_kg", grams / 1000.0}});
        ASSERT_EQ(post("/api/v1/actions", {{"device", "scale"}, {"action", "read_once"}}).status,
                  200);
    }
    EventRecorder second{box(), std::to_string(last)};
    EventRecorder by_query{box(), "", "?after=" + std::to_string(last) + "&device=simulator:scale"};
    for (auto* recorder : {&second, &by_query}) {
        recorder->wait_for([&](const auto& e) { return is_weight(e, "simulator:scale", 0.020); });
        auto all = first->events();
        for (const auto& event : recorder->events()) all.push_back(event);
        std::uint64_t expected = 1;
        std::vector<int> weights;
        for (const auto& event : all) {
            EXPECT_EQ(event.at("seq").to_number<std::uint64_t>(), expected++);
            if (is_condition(event, "simulator:scale", "ok"))
                weights.push_back(static_cast<int>(
                    event.at("data").at("weight").to_number<double>() * 1000 + 0.5));
        }
        weights.erase(std::remove(weights.begin(), weights.end(), 500),
                      weights.end());  // before the first change
        EXPECT_THAT(weights, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
                                         18, 19, 20));
        EXPECT_THAT(recorder->kinds(), Not(testing::Contains("gap")));
    }
    // A number of another life of the box means nothing: everything that is there comes.
    EventRecorder stranger{box(), "999999"};
    EXPECT_EQ(stranger.wait_for([](const auto&) { return true; }).at("seq").to_number<int>(), 1);
}

TEST_F(ABox, runs_actions_and_says_what_is_wrong_with_those_that_it_does_not) {
    start_demo();
    const HttpAnswer done = post(
        "/api/v1/actions", {{"device", "scale"}, {"action", "read_once"}, {"unique_id", "once"}});
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(text_at(done.json().as_object(), {"device"}), "simulator:scale");
    EXPECT_EQ(number_in(done.json().at("result").as_object(), "weight"), 0.5);
    const HttpAnswer again = post(
        "/api/v1/actions", {{"device", "scale"}, {"action", "read_once"}, {"unique_id", "once"}});
    EXPECT_EQ(text_at(again.json().as_object(), {"status"}), "duplicate");

    struct Case {
        std::string body, type;
        int status;
        std::string text;
    };
    const std::vector<Case> cases{
        {R"({"device": "scale"})", "text/plain", 415, "send the body as application/json"},
        {R"({"device": )", "application/json", 400, "the body is not JSON"},
        {R"(["scale"])", "application/json", 400, "the body is not a JSON object"},
        {R"({"action": "read_once"})", "application/json", 400, "\\\"device\\\""},
        {R"({"device": "scale", "action": "read_once", "data": 7})", "application/json", 400,
         "\\\"data\\\" is not a JSON object"},
        {R"({"device": "/dev/nothing", "action": "read_once"})", "application/json", 404,
         "there is no device \\\"/dev/nothing\\\": look at the list of devices"},
        {R"({"device": "scale", "action": "dance"})", "application/json", 400,
         "This scale knows no action \\\"dance\\\""},
    };
    for (const Case& one : cases) {
        const HttpAnswer answer = box().post("/api/v1/actions", one.body, one.type);
        EXPECT_EQ(answer.status, one.status) << one.body;
        EXPECT_THAT(answer.body, HasSubstr(one.text)) << one.body;
        EXPECT_FALSE(text_at(answer.json().as_object(), {"code"}).empty()) << answer.body;
    }
    EXPECT_EQ(box().get("/api/v1/actions").status, 405);
}

TEST_F(ABox, sets_simulated_devices_and_refuses_what_is_wrong_as_a_whole) {
    start_demo();
    const json::object state = box().simulate("scale", {{"weight_kg", 1.25}, {"motion", false}});
    EXPECT_EQ(number_in(state, "weight_kg"), 1.25);
    EXPECT_TRUE(state.contains("changed_at_ns"));

    struct Case {
        std::string path, body;
        int status;
        std::string text;
    };
    const std::vector<Case> cases{
        {"scale", R"({"weight_kg": "heavy"})", 400, "weight_kg"},
        {"scale", R"({"weight_kg": 1000})", 400, "99.999"},
        {"scale", R"({"weight_kg": -1})", 400, "weight_kg"},
        {"scale", R"({"weight_kg": 2, "motion": "yes"})", 400, "motion"},
        {"scale", R"({"weigth_kg": 2})", 400, "weigth_kg"},
        {"scale", R"([])", 400, "not a JSON object"},
        {"nothing", R"({})", 400, "nothing"},
    };
    for (const Case& one : cases) {
        const HttpAnswer answer = box().post("/api/v1/simulator/" + one.path, one.body);
        EXPECT_EQ(answer.status, one.status) << one.path << one.body << answer.body;
        EXPECT_THAT(text_at(answer.json().as_object(), {"message"}), HasSubstr(one.text))
            << one.body;
    }
    EXPECT_EQ(box().get("/api/v1/simulator/scale").status, 405);
    EXPECT_EQ(box().post("/api/v1/simulator/scale", "{}", "text/plain").status, 415);
    EXPECT_EQ(number_in(box().simulate("scale", {}), "weight_kg"), 1.25)
        << "nothing of all this has changed it";
}

TEST_F(ABox, that_has_no_simulated_devices_says_so) {
    start({});
    const HttpAnswer answer = post("/api/v1/simulator/scale", json::object{{"weight_kg", 1}});
    EXPECT_EQ(answer.status, 404);
    EXPECT_THAT(answer.body, HasSubstr("the interface \\\"simulator\\\" is not in use"));
}

// ---- the command line ---------------------------------------------------------------------------

TEST_F(ABox, is_shown_by_the_command_line_as_it_is) {
    start_demo();
    const auto status = cli({"status"});
    EXPECT_EQ(status->wait(), 0) << status->err();
    EXPECT_THAT(status->out(), HasSubstr("1 of 1 ready"));
    const auto devices = cli({"devices"});
    EXPECT_EQ(devices->wait(), 0);
    EXPECT_THAT(devices->out(),
                AllOf(HasSubstr("simulator:scale"), HasSubstr("toledo8217"), HasSubstr("ready")));
    const auto plugins = cli({"plugins"});
    EXPECT_EQ(plugins->wait(), 0);
    EXPECT_THAT(plugins->out(),
                AllOf(HasSubstr("toledo8217"), HasSubstr("simulator"), HasSubstr("running")));
    const auto logs = cli({"logs", "--component", "box"});
    EXPECT_EQ(logs->wait(), 0);
    EXPECT_THAT(logs->out(), AllOf(HasSubstr("box.started"), Not(HasSubstr("[registry]"))));

    EXPECT_EQ(cli({"status", "--json"})->wait(), 0);
    const auto as_json = cli({"devices", "--json"});
    EXPECT_EQ(as_json->wait(), 0);
    EXPECT_EQ(parsed(as_json->out()).at("devices").as_array().size(), 1u);
    const auto plugins_json = cli({"plugins", "--json"});
    EXPECT_EQ(plugins_json->wait(), 0);
    EXPECT_GE(parsed(plugins_json->out()).at("plugins").as_array().size(), 3u);
    const auto logs_json = cli({"logs", "--json", "-n", "2"});
    EXPECT_EQ(logs_json->wait(), 0);
    EXPECT_EQ(parsed(logs_json->out()).at("records").as_array().size(), 2u);
}

TEST_F(ABox, with_an_unreachable_device_is_3_for_scripts_and_0_again_when_it_is_back) {
    start_demo();
    box().simulate("scale", {{"silent", true}});
    box().wait_for_state("scale", "unreachable");
    const auto status = cli({"status"});
    EXPECT_EQ(status->wait(), 3);
    EXPECT_THAT(status->out(), AllOf(HasSubstr("degraded"),
                                     HasSubstr("cannot be reached: The scale does not answer")));
    EXPECT_EQ(cli({"devices", "--json"})->wait(), 3);
    EXPECT_EQ(cli({"plugins"})->wait(), 0);
    EXPECT_EQ(cli({"logs"})->wait(), 0);
    box().simulate("scale", {{"silent", false}});
    box().wait_for_state("scale", "ready");
    EXPECT_EQ(cli({"status"})->wait(), 0);
}

TEST_F(ABox, that_has_ended_is_told_by_the_command_line_with_exit_code_1) {
    start({});
    ASSERT_EQ(box().stop(), 0);
    const auto status = cli({"status"});
    EXPECT_EQ(status->wait(), 1);
    EXPECT_EQ(status->out(), "");
    EXPECT_THAT(status->err(), StartsWith("backplane: cannot reach the box through"));
    EXPECT_EQ(cli({"statsu"})->wait(), 2);
}

TEST_F(ABox, keeps_its_last_log_records_and_gives_them_out_by_number_level_and_component) {
    start_demo();
    const json::object all = box().get("/api/v1/logs").json().as_object();
    ASSERT_GT(all.at("records").as_array().size(), 3u);
    double last = 0;
    for (const auto& record : all.at("records").as_array()) {
        EXPECT_GT(record.at("seq").to_number<double>(), last);
        last = record.at("seq").to_number<double>();
    }
    // One who waits has the next record as soon as there is one; summaries of repeated ones may
    // come before it.
    auto waiting = std::async(
        std::launch::async, [&, after = all.at("last_seq").to_number<std::uint64_t>()]() mutable {
            for (const auto end = std::chrono::steady_clock::now() + 20s;
                 std::chrono::steady_clock::now() < end;) {
                const json::object next =
                    box()
                        .get("/api/v1/logs?wait=20&level=info&component=registry&after=" +
                             std::to_string(after))
                        .json()
                        .as_object();
                EXPECT_FALSE(next.at("records").as_array().empty())
                    << "it waits until there is one";
                for (const auto& record : next.at("records").as_array())
                    if (text_at(record.as_object(), {"event"}) == "device.unreachable") return true;
                after = next.at("last_seq").to_number<std::uint64_t>();
            }
            return false;
        });
    box().simulate("scale", {{"silent", true}});
    EXPECT_TRUE(waiting.get());
    EXPECT_EQ(box().get("/api/v1/logs?level=loud").status, 400);
    EXPECT_THAT(json::serialize(box().get("/api/v1/logs?level=error").json().at("records")), "[]");
}

}  // namespace
}  // namespace backplane::tests
