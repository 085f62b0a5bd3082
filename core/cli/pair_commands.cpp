// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "pair_commands.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "answers.hpp"
#include "password.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* k_target = "/api/v1/odoo";
constexpr const char* k_where = "in Odoo: IoT \xE2\x86\x92 Connect";  // →
constexpr std::chrono::milliseconds k_poll{500};
constexpr seconds k_pairing_patience{30};  // the box writes it to its disk first
constexpr std::size_t k_token_bytes = 16u << 10;

using Answer = core::Result<json::object>;

void print_body(const std::string& body) {
    std::cout << body << (body.ends_with('\n') ? "" : "\n");
}

/// How the Odoo side stands, with the answer as it came.
struct State {
    json::object all;
    std::string body;

    json::object part(std::string_view name) const { return member(all, name); }
    std::string pairing() const { return text(part("pairing"), "state"); }
    bool is_paired() const { return pairing() == "paired"; }
    std::string server() const { return printable(part("server"), "url"); }
    /// Why it is not as it should be, in the words of the box.
    std::string reason_of(std::string_view name, const char* otherwise) const {
        const std::string reason = core::to_printable(text(part(name), "reason"), 1024);
        return reason.empty() ? otherwise : reason;
    }
    bool is_registered() const { return text(part("registration"), "state") == "registered"; }
};

core::Result<State> state_in(std::string body) {
    auto all = parse_answer(body, "pairing", "pairing");
    if (!all) return core::Unexpected<core::Error>{all.error()};
    return State{*std::move(all), std::move(body)};
}

core::Result<State> look(const BoxClient& box) {
    auto body = box.get(k_target, k_patience);
    if (!body) return core::Unexpected<core::Error>{body.error()};
    return state_in(*std::move(body));
}

core::Result<State> tell(const BoxClient& box, const std::string& what, const json::object& body) {
    auto answer = box.post(std::string(k_target) + what, json::serialize(body), "application/json",
                           k_pairing_patience);
    if (!answer) return core::Unexpected<core::Error>{answer.error()};
    return state_in(*std::move(answer));
}

/// Asks each half second until this is true, or the time is over; the last state.
template <typename Done>
core::Result<State> wait_until(const BoxClient& box, core::Result<State> state, unsigned most_s,
                               Done done) {
    const auto give_up = steady_clock::now() + seconds{most_s};
    while (state && !done(*state) && steady_clock::now() < give_up) {
        std::this_thread::sleep_for(k_poll);
        state = look(box);
    }
    return state;
}

core::Result<std::string> read_token(const std::string& path) {
    const bool is_stdin = path == "-";
    const std::string name = is_stdin ? "standard input" : core::to_printable(path, 512);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened{
        is_stdin ? nullptr : std::fopen(path.c_str(), "rb"),
        [](std::FILE* file) { return file != nullptr ? std::fclose(file) : 0; }};
    if (!is_stdin && !opened)
        return core::failure("pair.file", "cannot open the file with the token " + name + ": " +
                                              std::strerror(errno));
    std::FILE* const file = is_stdin ? stdin : opened.get();
    std::string content(k_token_bytes + 1, '\0');
    content.resize(std::fread(content.data(), 1, content.size(), file));
    if (std::ferror(file) != 0)
        return core::failure("pair.file", "cannot read the file with the token " + name + ": " +
                                              std::strerror(errno));
    if (content.size() > k_token_bytes)
        return core::failure("pair.file", name +
                                              " is longer than a token can be: give a file with "
                                              "nothing but the token");
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!content.empty() && is_blank(content.back())) content.pop_back();
    if (content.empty())
        return core::failure("pair.file",
                             name + " holds no token: copy it " + k_where + ", and put it there");
    return content;
}

void print_code(const State& state, const Terminal& terminal) {
    const json::object pairing = state.part("pairing");
    std::cout << "Code      " << terminal.paint(Colour::attention, printable(pairing, "code"))
              << "\n          type this " << k_where << '\n';
    if (const double until = number(pairing, "code_until"); until > 0)
        std::cout << "          it is good until " << local_time(until, false) << '\n';
}

void print_state(const State& state, const Output& output) {
    const json::object pairing = state.part("pairing");
    if (state.is_paired()) {
        std::cout << "Pairing   " << output.terminal.paint(Colour::good, "paired") << " with "
                  << state.server() << '\n';
        if (const std::string database = printable(state.part("server"), "database");
            !database.empty())
            std::cout << "Database  " << database << '\n';
        if (state.is_registered())
            std::cout << "Server    knows this box since "
                      << local_time(number(state.part("registration"), "registered_at"), false)
                      << '\n';
        else
            std::cout << "Server    "
                      << state.reason_of("registration", "does not know this box yet") << '\n';
        const std::string bus = printable(state.part("bus"), "state");
        std::cout << "Messages  " << bus;
        if (bus != "connected" && bus != "polling")
            std::cout << ": " << state.reason_of("bus", "not connected yet");
        std::cout << '\n';
        return;
    }
    std::cout << "Pairing   " << output.terminal.paint(Colour::bad, "not paired") << '\n';
    if (state.pairing() == "code") print_code(state, output.terminal);
    std::cout << "Reason    " << state.reason_of("pairing", "the box does not say why") << '\n';
    if (const std::string last = core::to_printable(text(pairing, "last_error"), 1024);
        !last.empty())
        std::cout << "Last try  " << last << '\n';
}

/// Waits for the pairing, and for the server to know the box.
ExitCode wait_for_server(const BoxClient& box, const Output& output, const PairOptions& options,
                         core::Result<State> state) {
    state = wait_until(box, std::move(state), options.most_wait_s,
                       [](const State& now) { return now.is_paired() && now.is_registered(); });
    if (!state) return fail(state.error());
    if (!state->is_paired())
        return fail({"pair.timeout",
                     "the box was not paired within " + std::to_string(options.most_wait_s) +
                         " s: " + state->reason_of("pairing", "it does not say why")});
    if (!state->is_registered())
        return fail({"pair.timeout",
                     "the box is paired with " + state->server() +
                         ", but that did not take its registration within " +
                         std::to_string(options.most_wait_s) +
                         " s: " + state->reason_of("registration", "the box does not say why")});
    if (output.json)
        print_body(state->body);
    else
        std::cout << "The box is paired with " << state->server() << ", which knows it.\n";
    return finish(ExitCode::ok);
}

ExitCode pair_by_token(const BoxClient& box, const Output& output, const PairOptions& options) {
    core::Result<std::string> token = options.token;
    if (!options.token_file.empty()) token = read_token(options.token_file);
    if (!token) return fail(token.error());
    const auto body =
        box.post(std::string(k_target) + "/pair", json::serialize(json::object{{"token", *token}}),
                 "application/json", k_pairing_patience);
    if (!body) return fail(body.error());
    const auto answer = parse_answer(*body, "pairing", "paired");
    if (!answer) return fail(answer.error());
    if (options.wait) return wait_for_server(box, output, options, look(box));
    if (output.json)
        print_body(*body);
    else
        std::cout << "The box is paired with " << printable(*answer, "server")
                  << ". \"backplane pair\" tells whether the server knows it.\n";
    return finish(ExitCode::ok);
}

core::Error already_paired(const State& state) {
    return {"pair.paired", "the box is paired with " + state.server() +
                               " already: \"backplane unpair\" ends that"};
}

ExitCode pair_by_code(const BoxClient& box, const Output& output, const PairOptions& options) {
    auto state = look(box);
    if (!state) return fail(state.error());
    if (state->is_paired()) return fail(already_paired(*state));
    if (options.new_code) state = tell(box, "/code", {});
    state = wait_until(box, std::move(state), options.code_wait_s, [](const State& now) {
        const std::string how = now.pairing();
        return how == "code" || how == "paired" || how == "off";
    });
    if (!state) return fail(state.error());
    if (state->pairing() != "code")
        return fail({"pair.no_code",
                     "the box has no code: " + state->reason_of("pairing", "it does not say why")});
    if (!output.json || !options.wait) {
        if (output.json)
            print_body(state->body);
        else
            print_code(*state, output.terminal);
        std::cout.flush();
    }
    if (options.wait) return wait_for_server(box, output, options, std::move(state));
    return finish(ExitCode::ok);
}

}  // namespace

ExitCode pair(const BoxClient& box, const Output& output, const PairOptions& options) {
    if (options.has_token || !options.token_file.empty())
        return pair_by_token(box, output, options);
    if (options.code) return pair_by_code(box, output, options);
    auto state = look(box);
    if (!state) return fail(state.error());
    if (!options.wait || !output.json) {
        if (output.json)
            print_body(state->body);
        else
            print_state(*state, output);
        std::cout.flush();
    }
    if (options.wait) {
        if (state->is_paired() && state->is_registered() && !output.json)
            return finish(ExitCode::ok);
        return wait_for_server(box, output, options, std::move(state));
    }
    return finish(state->is_paired() ? ExitCode::ok : ExitCode::degraded);
}

ExitCode unpair(const BoxClient& box, const Output& output, const UnpairOptions& options) {
    const auto before = look(box);
    if (!before) return fail(before.error());
    if (!before->is_paired()) {
        if (output.json)
            print_body(before->body);
        else
            std::cout << "The box is not paired: nothing was changed.\n";
        return finish(ExitCode::ok);
    }
    if (!options.yes && !ask_yes("The box forgets " + before->server() +
                                 " and what it still had to tell it. Go on?"))
        return fail({"pair.not_confirmed",
                     "the box stays paired with " + before->server() +
                         ": answer with \"y\", or say --yes where nobody can be asked"});
    const auto after = tell(box, "/unpair", {});
    if (!after) return fail(after.error());
    if (output.json)
        print_body(after->body);
    else if (after->is_paired())  // the address of the configuration stands again
        std::cout << "The box has forgotten its pairing and follows its configuration: "
                  << after->server() << ".\n";
    else
        std::cout << "The box no longer belongs to " << before->server() << ".\n";
    return finish(ExitCode::ok);
}

ExitCode confirm(const BoxClient& box, const Output& output, const ConfirmOptions& options) {
    auto state = look(box);
    if (!state) return fail(state.error());
    const json::array waiting = list(state->all, "confirmations");
    if (options.id.empty()) {
        if (output.json) {
            print_body(json::serialize(waiting));
            return finish(ExitCode::ok);
        }
        Table table{{"ID", "KIND", "ASKED", "UNTIL", "WHAT"}};
        for (const json::value& value : waiting) {
            if (!value.is_object()) continue;
            const json::object& one = value.get_object();
            table.add({{text(one, "id")},
                       {text(one, "kind")},
                       {local_time(number(one, "asked"), false)},
                       {local_time(number(one, "until"), false)},
                       {text(one, "text")}});
        }
        if (waiting.empty())
            std::cout << "Nothing waits for a confirmation.\n";
        else
            std::cout << table.text(output.terminal)
                      << "\nAllow one with \"backplane confirm ID --allow\", refuse it with "
                         "--deny.\n";
        return finish(ExitCode::ok);
    }
    const auto found = std::find_if(waiting.begin(), waiting.end(), [&](const json::value& value) {
        return value.is_object() && text(value.get_object(), "id") == options.id;
    });
    if (found == waiting.end())
        return fail({"confirm.unknown",
                     "nothing with the id \"" + core::to_printable(options.id, 128) +
                         "\" waits for a confirmation: take one that \"backplane confirm\" shows"});
    const auto after = tell(box, "/confirmations/" + percent_encoded(options.id),
                            json::object{{"allow", options.allow}});
    if (!after) return fail(after.error());
    if (output.json)
        print_body(after->body);
    else
        std::cout << (options.allow ? "Allowed: " : "Refused: ")
                  << core::to_printable(text(found->get_object(), "text"), 1024) << '\n';
    return finish(ExitCode::ok);
}

void show_server_line(const BoxClient& box, const Terminal& terminal) {
    const auto state = look(box);
    if (!state) return;  // a box without that side, or of an older version
    if (!state->is_paired()) {
        std::cout << "Odoo      not paired: "
                  << state->reason_of("pairing", "\"backplane pair\" tells more") << '\n';
    } else {
        const std::string bus = text(state->part("bus"), "state");
        const bool is_well = (bus == "connected" || bus == "polling") && state->is_registered();
        std::cout << "Odoo      paired with " << state->server() << ", "
                  << terminal.paint(is_well ? Colour::good : Colour::attention,
                                    bus.empty() ? "not connected" : core::to_printable(bus, 64));
        if (!state->is_registered())
            std::cout << ", not registered: "
                      << state->reason_of("registration", "the box is about to do it");
        else if (!is_well)
            std::cout << ": " << state->reason_of("bus", "the box is about to connect");
        std::cout << '\n';
    }
    if (const auto waiting = list(state->all, "confirmations").size(); waiting > 0)
        std::cout << "          " << waiting
                  << " to be confirmed by its owner: see \"backplane confirm\"\n";
}

}  // namespace backplane::cli
