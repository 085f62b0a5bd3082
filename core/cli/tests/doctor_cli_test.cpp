// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane doctor` against a box that is an HTTP double on a Unix socket, and without one. The canaries stand for
// secrets: whatever of them is found in what the program writes is a leak.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <zip.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fake_box.hpp"
#include "invocation.hpp"

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using namespace backplane::cli::test;  // NOLINT: a test's own helpers

class TheDoctor : public FakeBox {
protected:
    TheDoctor() {
        fs::create_directories(folder / "state/trust");
        write("state/odoo.db", "server.token=canary-token");
        write("state/box.key",
              "-----BEGIN PRIVATE KEY-----\ncanary-key\n-----END PRIVATE KEY-----");
        write("backplane.yaml", "http: {port: 8069}\n");
    }
    ~TheDoctor() override {
        stop();
        if (taken >= 0) ::close(taken);
    }
    void write(const std::string& name, const std::string& content) {
        fs::create_directories((folder / name).parent_path());
        std::ofstream{folder / name} << content;
    }
    Outcome run(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "doctor");
        for (const auto& [option, name] :
             {std::pair{"--state-dir", "state"}, std::pair{"--config", "backplane.yaml"}}) {
            arguments.push_back(option);
            arguments.push_back((folder / name).string());
        }
        return Invocation{std::move(arguments),
                          {"BACKPLANE_SOCKET=" + socket, "PATH=" + search_path}}
            .finish();
    }
    std::map<std::string, std::string> bundle(const fs::path& file) {
        std::map<std::string, std::string> out;
        int code = 0;
        zip_t* const archive = ::zip_open(file.c_str(), ZIP_RDONLY, &code);
        EXPECT_NE(archive, nullptr) << file;
        if (!archive) return out;
        for (zip_int64_t i = 0; i < ::zip_get_num_entries(archive, 0); ++i) {
            zip_stat_t info;
            if (::zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &info) != 0) continue;
            std::string content(info.size, '\0');
            zip_file_t* const entry = ::zip_fopen_index(archive, static_cast<zip_uint64_t>(i), 0);
            EXPECT_EQ(::zip_fread(entry, content.data(), content.size()),
                      static_cast<zip_int64_t>(content.size()));
            ::zip_fclose(entry);
            out[info.name] = content;
        }
        ::zip_discard(archive);
        return out;
    }
    /// A port on which somebody listens.
    int open_port() {
        listening.set_address_family(AF_INET);
        return listening.bind_to_any_port("127.0.0.1");
    }
    /// A port that nobody listens on: taken, so that nobody else gets it meanwhile, and not opened.
    int closed_port() {
        taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
        return ntohs(address.sin_port);
    }
    std::string status(int port, const std::string& problems = "[]") {
        return R"({"version":"0.1.0","started_at":)" +
               std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count() -
                              60) +
               R"(,"uptime_s":60,"identifier":"b0c5","http":{"ports":[)" + std::to_string(port) +
               R"(]},"state":"ok","problems":)" + problems + "}";
    }

    std::string search_path = "/usr/bin:/bin";
    httplib::Server listening;
    int taken = -1;
};

TEST_F(TheDoctor, finds_nothing_wrong_with_a_box_that_is_well) {
    answer("/api/v1/status", status(open_port()));
    answer("/api/v1/plugins",
           R"({"plugins":[{"name":"acme_scale","state":"running","reason":""}]})");
    answer("/api/v1/devices",
           R"({"devices":[{"identifier":"s1","name":"Scale","state":"ready"}]})");
    start();
    const Outcome outcome = run({});
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("ok       box: backplaned 0.1.0 runs for 1 min"));
    EXPECT_THAT(outcome.out, HasSubstr("plugins: 1 plug-ins are ready for use"));
    EXPECT_THAT(outcome.out, HasSubstr("devices: 1 devices are ready"));
    EXPECT_THAT(outcome.out, HasSubstr("the box answers on port "));
    EXPECT_THAT(outcome.out, Not(HasSubstr("problem ")));
}

TEST_F(TheDoctor, says_what_is_wrong_and_ends_with_3) {
    const int closed = closed_port();
    answer("/api/v1/status", status(closed, R"(["the disk is tired"])"));
    answer("/api/v1/plugins", R"({"plugins":[
        {"name":"acme_scale","state":"put_aside","reason":"5 crashes"},
        {"name":"","path":"/p/bad.so","state":"refused","reason":"it has no note"},
        {"name":"acme_till","state":"running","quarantined":"1.1.0","quarantined_reason":"it hung"}]})");
    answer("/api/v1/devices", R"({"devices":[
        {"identifier":"s1","name":"Scale","state":"unreachable","reason":"does not answer"},
        {"identifier":"u1","name":"Camera","state":"unsupported","reason":""}]})");
    answer("/api/v1/odoo", R"({"pairing":{"state":"paired"},"server":{"url":"http://127.0.0.1:)" +
                               std::to_string(closed) + R"("},
        "registration":{"state":"failing","reason":"the server said no"},
        "bus":{"state":"waiting","reason":"nobody answers"},
        "certificate":{"code":"ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL","text":"give the contract number"}})");
    start();
    const Outcome outcome = run({});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    for (const char* const line :
         {"problem  problem: the disk is tired\n", "nobody can connect to port ",
          "problem  plugin: acme_scale was put aside: 5 crashes\n",
          "problem  plugin: /p/bad.so was refused: it has no note\n",
          "acme_till: its version 1.1.0 was put away: it hung: \"backplane plugins release "
          "acme_till\"",
          "problem  device: Scale (s1) cannot be reached: does not answer\n",
          "note     device: Camera (u1) is not supported\n", "ok       server.name: ",
          "problem  server.connection: cannot connect to 127.0.0.1 on port ",
          "problem  registration: the database was not told of this box yet: the server said no\n",
          "problem  bus: messages of the database: waiting: nobody answers\n",
          "problem  certificate: ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL: give the contract number\n"})
        EXPECT_THAT(outcome.out, HasSubstr(line));
}

TEST_F(TheDoctor, says_why_it_is_not_paired) {
    answer("/api/v1/status", status(open_port()));
    answer("/api/v1/odoo",
           R"({"pairing":{"state":"no_network","reason":"there is no network: plug in a cable"},
               "server":{"url":""}})");
    start();
    EXPECT_THAT(run({}).out, HasSubstr("note     pairing: not paired with a database: there is no "
                                       "network: plug in a cable\n"));
}

TEST_F(TheDoctor, looks_at_the_machine_when_the_box_does_not_run) {
    write("backplane.yaml", "http:\n  prot: 8069\n");
    const Outcome outcome = run({});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.out, StartsWith("problem  box: cannot reach the box through " + socket));
    EXPECT_THAT(outcome.out, HasSubstr("problem  configuration: the box does not start with this "
                                       "configuration: "));
    EXPECT_THAT(outcome.out, HasSubstr("prot"));
    EXPECT_THAT(outcome.out, HasSubstr("disk: "));
    EXPECT_THAT(outcome.out, HasSubstr("clock: "));
}

TEST_F(TheDoctor, answers_scripts_with_json) {
    const Outcome outcome = run({"--json"});
    EXPECT_EQ(outcome.code, 1);
    const json::object answer = json::parse(outcome.out).as_object();
    EXPECT_EQ(answer.at("state"), "degraded");
    EXPECT_EQ(answer.at("checks").as_array().front().at("id"), "box");
    EXPECT_EQ(answer.at("checks").as_array().front().at("state"), "problem");
}

TEST_F(TheDoctor, puts_no_secret_into_the_bundle_of_a_box_that_runs) {
    write("backplane.yaml", "odoo:\n  server: https://shop.example.com\n  token: canary-config\n");
    write("conf.d/50-cam.yaml",
          "drivers:\n  cam:\n    url: rtsp://u:canary-fragment@10.0.0.5/\n    pin: 'canary'\n");
    answer("/api/v1/status", status(open_port(), R"(["token=canary-problem"])"));
    answer("/api/v1/devices",
           R"({"devices":[{"identifier":"s1","state":"ready","last_event":{"value":"canary-event"},
               "properties":{"password":"canary-property"}}]})");
    answer("/api/v1/plugins",
           R"({"plugins":[{"name":"acme","state":"running","api_key":"canary"}]})");
    answer("/api/v1/update", R"({"phase":"idle","source":"https://u:canary@shop.example.com"})");
    answer(
        "/api/v1/odoo",
        R"({"pairing":{"state":"code","code":"canary-code"},"server":{"url":"","token":"canary"}})");
    answer("/api/v1/logs",
           R"({"records":[{"component":"sync","event":"paired","text":"paired token=canary-log",
               "fields":{"token":"canary-log","receipt":"canary-receipt"}}]})");
    answer("/api/v1/logs/levels", R"({"levels":[]})");
    answer("/metrics", R"(backplane_odd{url="https://a:canary-metric@b"} 1)");
    // A journal that has been there before the net was.
    write("bin/journalctl", "#!/bin/sh\necho 'paired with password=canary-journal in line 1'\n");
    ::chmod((folder / "bin/journalctl").c_str(), 0755);
    search_path = (folder / "bin").string() + ":" + search_path;
    start();
    const fs::path file = folder / "help.zip";
    const auto begin = std::chrono::steady_clock::now();
    const Outcome outcome = run({"--bundle", file.string()});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{25});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("The support bundle is in " + file.string()));
    EXPECT_THAT(outcome.out, Not(HasSubstr("canary")));

    const auto files = bundle(file);
    for (const char* const name :
         {"doctor.json", "configuration.yaml", "state-folder.txt", "journal.txt", "system.txt",
          "usb.txt", "network.txt", "box/status.json", "box/devices.json", "box/plugins.json",
          "box/update.json", "box/odoo.json", "box/logs.json", "box/log-levels.json",
          "box/metrics.txt"})
        EXPECT_TRUE(files.contains(name)) << name;
    for (const auto& [name, content] : files) {
        EXPECT_THAT(content, Not(HasSubstr("canary"))) << name;
        EXPECT_FALSE(content.empty()) << name;
    }
    EXPECT_THAT(files.at("configuration.yaml"), HasSubstr("server: https://shop.example.com"));
    EXPECT_THAT(files.at("configuration.yaml"), HasSubstr("rtsp://***@10.0.0.5/"));
    EXPECT_THAT(files.at("state-folder.txt"), HasSubstr(" odoo.db\n"));
    EXPECT_THAT(files.at("journal.txt"), HasSubstr("paired with password=*** in line 1"));
    EXPECT_THAT(files.at("box/logs.json"), HasSubstr("paired token=***"));
    struct stat info {};
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0077, 0u);
    EXPECT_LT(info.st_size, 20 << 20);
}

TEST_F(TheDoctor, makes_a_bundle_of_a_box_that_does_not_run) {
    write("backplane.yaml", "odoo: {server: x, token: canary}\n\tbroken: [\n");
    const fs::path file = folder / "help.zip";
    const Outcome outcome = run({file.string()});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    const auto files = bundle(file);
    EXPECT_THAT(files.at("box/status.json"), HasSubstr("not_collected"));
    EXPECT_THAT(files.at("configuration.yaml"), HasSubstr("broken"));
    EXPECT_THAT(files.at("system.txt"), HasSubstr("MemTotal"));
    for (const auto& [name, content] : files)
        EXPECT_THAT(content, Not(HasSubstr("canary"))) << name;
}

TEST_F(TheDoctor, does_not_wait_for_a_box_that_hangs) {
    std::mutex mutex;
    std::condition_variable over;
    bool ended = false;
    server.Get(".*", [&](const httplib::Request&, httplib::Response&) {
        std::unique_lock lock{mutex};
        over.wait_for(lock, std::chrono::seconds{60}, [&] { return ended; });
    });
    start();
    const auto begin = std::chrono::steady_clock::now();
    const fs::path file = folder / "help.zip";
    const Outcome outcome = run({"--bundle", file.string()});
    const auto took = std::chrono::steady_clock::now() - begin;
    {
        const std::lock_guard lock{mutex};
        ended = true;
    }
    over.notify_all();
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_LT(took, std::chrono::seconds{25});
    EXPECT_THAT(bundle(file).at("box/status.json"), HasSubstr("not_collected"));
}

TEST_F(TheDoctor, says_why_it_cannot_write_the_bundle) {
    const Outcome nowhere = run({"--bundle", "/nonexistent/help.zip"});
    EXPECT_EQ(nowhere.code, 1);
    EXPECT_THAT(nowhere.err, StartsWith("backplane: cannot write the support bundle "
                                        "/nonexistent/help.zip: "));
    const Outcome other = run({"--bundle", "help.tar.gz"});
    EXPECT_EQ(other.code, 1);
    EXPECT_THAT(other.err, HasSubstr("give a name that ends in .zip"));
}

}  // namespace
