// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane pair`, `unpair` and `confirm` against a box whose Odoo side the test plays.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "invocation.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::cli::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* k_secret = "sEcReT-tOkEn-42";

class ABox : public testing::Test {
protected:
    ABox() {
        socket = (folder / "control.sock").string();
        const auto respond = [this](const httplib::Request& request, httplib::Response& response) {
            answer(request, response);
        };
        server.Get("/api/v1/odoo", respond);
        server.Post("/api/v1/odoo/.*", respond);
        server.Get("/api/v1/status", [](const httplib::Request&, httplib::Response& response) {
            response.set_content(
                R"({"version":"0.1.0","uptime_s":5,"identifier":"b0c5","http":{"ports":[8069]},
                "devices":{"ready":1,"total":1},"plugins":{"running":1,"total":1},"state":"ok",
                "problems":["the clock is wrong"]})",
                "application/json");
        });
        server.set_address_family(AF_UNIX);
        if (!server.bind_to_port(socket.c_str(), 80)) std::abort();
        thread = std::thread{[this] { server.listen_after_bind(); }};
        // Connections are queued by the kernel already; stop() before the loop runs would be lost.
        while (!server.is_running()) std::this_thread::yield();
    }
    ~ABox() override {
        server.stop();
        thread.join();
    }

    /// How the Odoo side stands; `next` follows after so many questions.
    struct Stage {
        json::object state;
        int questions = 1'000'000;
    };
    static json::object state(std::string pairing, std::string reason = "") {
        return {{"pairing",
                 {{"state", pairing},
                  {"code", pairing == "code" ? "K7P2QX" : ""},
                  {"reason", reason},
                  {"since", 1'700'000'000},
                  {"code_until", pairing == "code" ? 1'700'007'200 : 0},
                  {"last_error", ""}}},
                {"server",
                 {{"url", pairing == "paired" ? "https://shop.example.com" : ""},
                  {"source", ""},
                  {"database", ""}}},
                {"registration",
                 {{"state", pairing == "paired" ? "registered" : "not_paired"},
                  {"reason", ""},
                  {"registered_at", 1'700'000'000}}},
                {"bus", {{"state", pairing == "paired" ? "connected" : "off"}, {"reason", ""}}},
                {"confirmations", json::array{}}};
    }
    static json::object with(json::object all, const char* part, const char* key,
                             json::value value) {
        all[part].as_object()[key] = std::move(value);
        return all;
    }
    void stands(std::vector<Stage> now) {
        const std::lock_guard lock(mutex);
        stages = std::move(now);
    }
    void stands(json::object now) { stands(std::vector<Stage>{{std::move(now)}}); }
    /// What the box answers to this POST, and how it stands from then on.
    void when(const std::string& path, int status, json::object answer) {
        const std::lock_guard lock(mutex);
        answers[path] = {status, std::move(answer)};
    }
    std::vector<std::string> asked() {
        const std::lock_guard lock(mutex);
        return posts;
    }

    void answer(const httplib::Request& request, httplib::Response& response) {
        const std::lock_guard lock(mutex);
        if (request.method == "POST") {
            posts.push_back(request.path.substr(12) + ' ' + request.body);
            const auto found = answers.find(request.path.substr(12));
            response.status = found == answers.end() ? 404 : found->second.first;
            response.set_content(
                found == answers.end() ? "{}" : json::serialize(found->second.second),
                "application/json");
            return;
        }
        if (stages.size() > 1 && stages.front().questions-- <= 0) stages.erase(stages.begin());
        response.set_content(json::serialize(stages.front().state), "application/json");
    }
    Outcome run(std::vector<std::string> arguments, const std::string& input = "/dev/null") {
        return Invocation{std::move(arguments), {"BACKPLANE_SOCKET=" + socket}, 0, input}.finish();
    }
    std::string file(const std::string& content) {
        std::ofstream{folder / "token.txt", std::ios::binary} << content;
        return (folder / "token.txt").string();
    }

    backplane::tests::TemporaryFolder folder;
    std::string socket;
    httplib::Server server;
    std::thread thread;
    std::mutex mutex;
    // guarded by mutex
    std::vector<Stage> stages{{state("paired")}};
    std::map<std::string, std::pair<int, json::object>> answers;
    std::vector<std::string> posts;
};

const json::object k_paired{{"paired", true}, {"server", "https://shop.example.com"}};

TEST_F(ABox, that_is_not_paired_says_why_and_what_to_type_where) {
    stands(with(state("code", "Nobody has typed the code into Odoo yet."), "pairing", "last_error",
                "the token has no address"));
    const Outcome outcome = run({"pair"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(outcome.out,
              "Pairing   not paired\n"
              "Code      K7P2QX\n"
              "          type this in Odoo: IoT \xE2\x86\x92 Connect\n"
              "          it is good until 2023-11-15 00:13:20\n"
              "Reason    Nobody has typed the code into Odoo yet.\n"
              "Last try  the token has no address\n");
    stands(state("no_network", "The box has no network: plug in a cable."));
    EXPECT_EQ(run({"pair"}).out,
              "Pairing   not paired\nReason    The box has no network: plug in a cable.\n");
    EXPECT_THAT(asked(), IsEmpty()) << "looking changes nothing";
}

TEST_F(ABox, that_is_paired_says_with_whom_and_whether_that_works) {
    EXPECT_EQ(run({"pair"}).out,
              "Pairing   paired with https://shop.example.com\n"
              "Server    knows this box since 2023-11-14 22:13:20\n"
              "Messages  connected\n");
    auto broken = with(state("paired"), "registration", "state", "failing");
    broken = with(broken, "registration", "reason", "the server\x1b does not know the token");
    broken = with(with(broken, "bus", "state", "waiting"), "bus", "reason", "it is away");
    stands(with(broken, "server", "database", "shop"));
    const Outcome outcome = run({"pair"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out,
              "Pairing   paired with https://shop.example.com\n"
              "Database  shop\n"
              "Server    the server\\x1b does not know the token\n"
              "Messages  waiting: it is away\n");
}

TEST_F(ABox, gives_scripts_its_answer_as_it_is) {
    stands(state("asking"));
    const Outcome outcome = run({"pair", "--json"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(outcome.out, json::serialize(state("asking")) + "\n");
}

// ---- by token ----

TEST_F(ABox, is_paired_by_a_token_from_a_file_or_standard_input) {
    when("/pair", 200, k_paired);
    const std::string path = file(std::string("  ") + k_secret + " \r\n\n");
    const Outcome outcome = run({"pair", "--token-file", path});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, StartsWith("The box is paired with https://shop.example.com."));
    EXPECT_EQ(run({"pair", "--token-file", "-"}, path).code, 0);
    EXPECT_EQ(run({"pair", "--token", k_secret, "--json"}).out, json::serialize(k_paired) + "\n");
    EXPECT_THAT(asked(), ElementsAre(std::string("/pair {\"token\":\"  ") + k_secret + "\"}",
                                     std::string("/pair {\"token\":\"  ") + k_secret + "\"}",
                                     std::string("/pair {\"token\":\"") + k_secret + "\"}"));
}

TEST_F(ABox, tells_what_is_wrong_with_a_token_and_never_shows_it) {
    when("/pair", 400,
         {{"code", "token.no_url"}, {"message", "the token has no address: copy it"}});
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"pair", "--token", k_secret}, {"pair", "--token", "", "--wait"}}) {
        const Outcome outcome = run(arguments);
        EXPECT_EQ(outcome.code, 1);
        EXPECT_EQ(outcome.out, "");
        EXPECT_EQ(outcome.err, "backplane: the token has no address: copy it\n");
    }
    EXPECT_EQ(asked().size(), 2u) << "an empty one is the box's to refuse, too";
}

TEST_F(ABox, is_not_sent_a_file_that_holds_no_token) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {(folder / "none").string(), "cannot open the file with the token "},
        {folder.path().string(), "cannot read the file with the token "},
        {"/dev/null", "/dev/null holds no token: copy it in Odoo"},
        {"/dev/zero", "/dev/zero is longer than a token can be"}};
    for (const auto& [path, text] : cases) {
        const Outcome outcome = run({"pair", "--token-file", path});
        EXPECT_EQ(outcome.code, 1) << path;
        EXPECT_THAT(outcome.err, HasSubstr(text));
    }
    EXPECT_THAT(run({"pair", "--token-file", "-"}).err, HasSubstr("standard input holds no token"));
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(ABox, is_waited_for_until_its_server_knows_it) {
    when("/pair", 200, k_paired);
    const auto on_the_way = with(state("paired"), "registration", "state", "sending");
    stands({{on_the_way, 1}, {state("paired")}});
    const Outcome outcome = run({"pair", "--token", k_secret, "--wait"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "The box is paired with https://shop.example.com, which knows it.\n");
}

TEST_F(ABox, is_not_waited_for_longer_than_wanted) {
    stands(with(with(state("paired"), "registration", "state", "failing"), "registration", "reason",
                "the server does not answer"));
    const Outcome outcome = run({"pair", "--wait", "--wait-most", "1", "--json"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err,
              "backplane: the box is paired with https://shop.example.com, but that did not take "
              "its registration within 1 s: the server does not answer\n");
    stands(state("code", "Nobody has typed the code into Odoo yet."));
    EXPECT_THAT(run({"pair", "--wait", "--wait-most", "1"}).err,
                HasSubstr("the box was not paired within 1 s: Nobody has typed"));
}

// ---- by code ----

TEST_F(ABox, shows_a_code_as_soon_as_it_has_one) {
    stands({{state("asking"), 1}, {state("code")}});
    const Outcome outcome = run({"pair", "--code"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(StartsWith("Code      K7P2QX\n          type this in Odoo"),
                                   HasSubstr("good until")));
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(ABox, gets_another_code_when_it_is_told_to) {
    stands(state("code"));
    when("/code", 200, state("code"));
    EXPECT_THAT(run({"pair", "--code", "--new"}).out, StartsWith("Code      K7P2QX\n"));
    EXPECT_THAT(asked(), ElementsAre("/code {}"));
}

TEST_F(ABox, is_followed_from_its_code_to_its_server) {
    stands({{state("code"), 2}, {state("paired")}});
    const Outcome outcome = run({"pair", "--code", "--wait"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, AllOf(StartsWith("Code      K7P2QX\n"),
                                   HasSubstr("\nThe box is paired with https://shop")));
}

TEST_F(ABox, says_why_it_has_no_code) {
    stands(state("off", "No pairing service is configured: pair by token."));
    EXPECT_EQ(run({"pair", "--code"}).err,
              "backplane: the box has no code: No pairing service is configured: pair by token.\n");
    stands(state("no_service", "The pairing service does not answer."));
    const Outcome outcome = run({"pair", "--code", "--code-wait", "0"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("has no code: The pairing service does not answer."));
    stands(state("paired"));
    EXPECT_EQ(run({"pair", "--code", "--new"}).err,
              "backplane: the box is paired with https://shop.example.com already: \"backplane "
              "unpair\" ends that\n");
    EXPECT_THAT(asked(), IsEmpty());
}

// ---- unpairing ----

TEST_F(ABox, is_not_unpaired_without_a_yes) {
    const Outcome outcome = run({"unpair"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("stays paired with https://shop.example.com: answer with"));
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(ABox, is_unpaired_with_a_yes) {
    when("/unpair", 200, state("asking"));
    EXPECT_EQ(run({"unpair", "--yes"}).out,
              "The box no longer belongs to https://shop.example.com.\n");
    EXPECT_THAT(asked(), ElementsAre("/unpair {}"));
    EXPECT_EQ(run({"unpair", "--yes", "--json"}).out, json::serialize(state("asking")) + "\n");
    when("/unpair", 200, with(state("paired"), "server", "url", "https://configured.example.com"));
    EXPECT_THAT(run({"unpair", "--yes"}).out,
                HasSubstr("follows its configuration: https://configured.example.com"));
    stands(state("asking"));
    EXPECT_EQ(run({"unpair"}).out, "The box is not paired: nothing was changed.\n");
    when("/unpair", 503, {{"code", "store.failed"}, {"message", "the disk is full: make room"}});
    stands(state("paired"));
    EXPECT_EQ(run({"unpair", "--yes"}).err, "backplane: the disk is full: make room\n");
}

// ---- confirming ----

class ABoxThatIsAsked : public ABox {
protected:
    ABoxThatIsAsked() {
        asking = state("paired");
        asking["confirmations"] =
            json::array{json::object{{"id", "00c0ffee"},
                                     {"kind", "remote_debug"},
                                     {"text", "Odoo wants\x1b to open a way in for its support."},
                                     {"asked", 1'700'000'000},
                                     {"until", 1'700'000'600}}};
        stands(asking);
    }
    json::object asking;
};

TEST_F(ABoxThatIsAsked, shows_what_waits_for_its_owner) {
    const Outcome outcome = run({"confirm"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(
        outcome.out,
        "ID        KIND          ASKED                UNTIL                WHAT\n"
        "00c0ffee  remote_debug  2023-11-14 22:13:20  2023-11-14 22:23:20  Odoo wants\\x1b to "
        "open a way in for its support.\n"
        "\nAllow one with \"backplane confirm ID --allow\", refuse it with --deny.\n");
    EXPECT_EQ(run({"confirm", "--json"}).out, json::serialize(asking.at("confirmations")) + "\n");
    stands(state("paired"));
    EXPECT_EQ(run({"confirm"}).out, "Nothing waits for a confirmation.\n");
    EXPECT_EQ(run({"confirm", "--json"}).out, "[]\n");
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(ABoxThatIsAsked, does_what_its_owner_decides) {
    when("/confirmations/00c0ffee", 200, state("paired"));
    EXPECT_EQ(run({"confirm", "00c0ffee", "--allow"}).out,
              "Allowed: Odoo wants\\x1b to open a way in for its support.\n");
    EXPECT_THAT(run({"confirm", "--deny", "00c0ffee"}).out, StartsWith("Refused: "));
    EXPECT_THAT(asked(), ElementsAre("/confirmations/00c0ffee {\"allow\":true}",
                                     "/confirmations/00c0ffee {\"allow\":false}"));
    const Outcome unknown = run({"confirm", "../unpair", "--allow"});
    EXPECT_EQ(unknown.code, 1);
    EXPECT_THAT(unknown.err, HasSubstr("nothing with the id \"../unpair\" waits"));
    EXPECT_EQ(asked().size(), 2u);
}

// ---- the status, and the command line ----

TEST_F(ABoxThatIsAsked, tells_of_odoo_in_its_status) {
    const std::string question =
        "          1 to be confirmed by its owner: see \"backplane confirm\"\n";
    EXPECT_THAT(run({"status"}).out,
                HasSubstr("Odoo      paired with https://shop.example.com, connected\n" + question +
                          "Problems  the clock is wrong\n"));
    stands(with(with(state("paired"), "bus", "state", "waiting"), "bus", "reason", "it is away"));
    EXPECT_THAT(run({"status"}).out,
                HasSubstr("Odoo      paired with https://shop.example.com, waiting: it is away\n"));
    stands(with(with(state("paired"), "registration", "state", "failing"), "registration", "reason",
                "wrong token"));
    EXPECT_THAT(run({"status"}).out, HasSubstr(", connected, not registered: wrong token\n"));
    stands(state("code", "Type the code into Odoo."));
    const Outcome outcome = run({"status"});
    EXPECT_EQ(outcome.code, 0) << "a box that is not paired yet works";
    EXPECT_THAT(outcome.out, HasSubstr("Odoo      not paired: Type the code into Odoo.\n"));
}

TEST_F(ABox, is_not_asked_with_a_wrong_command_line) {
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"pair", "--token", "x", "--code"},
                                               {"pair", "--token", "x", "--token-file", "y"},
                                               {"pair", "--token-file", ""},
                                               {"pair", "--token"},
                                               {"pair", "--new"},
                                               {"pair", "--wait-most", "5"},
                                               {"pair", "--code", "--code-wait", "-1"},
                                               {"confirm", "--allow"},
                                               {"confirm", "id"},
                                               {"confirm", "id", "--allow", "--deny"},
                                               {"unpair", "everything"}}) {
        EXPECT_EQ(run(arguments).code, 2) << testing::PrintToString(arguments);
    }
    EXPECT_THAT(asked(), IsEmpty());
}

TEST_F(ABox, warns_of_tokens_on_the_command_line_and_explains_its_commands) {
    const Outcome help = run({"pair", "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("visible to everybody on this machine"),
                                HasSubstr("Prefer a file or standard input")));
    std::ifstream stream{BP_CLI_PAGE};
    const std::string page{std::istreambuf_iterator<char>{stream}, {}};
    for (const char* word : {"backplane pair", "backplane unpair", "backplane confirm", "--token ",
                             "--token-file", "--code", "--new", "--wait", "--wait-most",
                             "--code-wait", "--yes", "--allow", "--deny", "/api/v1/odoo"})
        EXPECT_THAT(page, HasSubstr(word));
    for (const char* option :
         {"--token", "--token-file", "--code", "--new", "--wait", "--wait-most", "--code-wait"})
        EXPECT_THAT(help.out, HasSubstr(option));
}

TEST_F(ABox, of_another_version_is_told_apart) {
    stands(json::object{{"something", "else"}});
    const Outcome outcome = run({"pair"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err,
                HasSubstr("answered the question for its pairing with something else"));
    EXPECT_THAT(run({"status"}).out, Not(HasSubstr("Odoo ")));
}

}  // namespace
}  // namespace backplane::cli::test
