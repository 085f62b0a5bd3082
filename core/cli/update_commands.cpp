// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update_commands.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "answers.hpp"
#include "update_progress.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds k_begin_patience{60};  // a bundle of 32 MiB has to be copied first
constexpr seconds k_silence{40};         // the box gives a sign of life every 15 s
constexpr std::chrono::milliseconds k_retry{500};
constexpr std::size_t k_bundle_bytes = 32u << 20;

core::Result<std::string> read_bundle(const std::string& path) {
    const bool is_stdin = path == "-";
    const std::string name = is_stdin ? "standard input" : core::to_printable(path, 512);
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened{
        is_stdin ? nullptr : std::fopen(path.c_str(), "rb"),
        [](std::FILE* file) { return file ? std::fclose(file) : 0; }};
    if (!is_stdin && !opened)
        return core::failure("update.file",
                             "cannot open the bundle " + name + ": " + std::strerror(errno));
    std::FILE* const file = is_stdin ? stdin : opened.get();
    std::string content;
    std::array<char, 65536> piece{};
    std::size_t size = 0;
    while ((size = std::fread(piece.data(), 1, piece.size(), file)) > 0) {
        content.append(piece.data(), size);
        if (content.size() > k_bundle_bytes)
            return core::failure("update.file", name +
                                                    " is larger than the 32 MiB that a bundle "
                                                    "may have: give the zip of the bundle alone");
    }
    if (std::ferror(file) != 0)
        return core::failure("update.file",
                             "cannot read the bundle " + name + ": " + std::strerror(errno));
    if (content.empty())
        return core::failure("update.file", name + " is empty: give the zip file of a bundle");
    return content;
}

core::Result<std::string> begin(const BoxClient& box, const UpdateOptions& options) {
    if (options.file.empty())
        return box.post("/api/v1/update", options.force ? R"({"force":true})" : "{}",
                        "application/json", k_begin_patience);
    const auto bundle = read_bundle(options.file);
    if (!bundle) return core::Unexpected<core::Error>{bundle.error()};
    const std::string label = options.file == "-"
                                  ? "standard input"
                                  : std::filesystem::path(options.file).filename().string();
    return box.post("/api/v1/update/bundle?force=" + std::string(options.force ? "1" : "0") +
                        "&label=" + percent_encoded(label),
                    *bundle, "application/zip", k_begin_patience);
}

bool runs(const json::object& report) {
    const std::string phase = text(report, "phase");
    return !phase.empty() && phase != "idle";
}

/// The report in an event of /api/v1/events, or nothing.
std::optional<json::object> report_in(std::string_view kind, std::string_view data) {
    if (kind != "box") return std::nullopt;
    boost::system::error_code error;
    const json::value event = json::parse(data, error);
    if (error || !event.is_object() || text(event.get_object(), "name") != "update")
        return std::nullopt;
    json::object report = member(event.get_object(), "data");
    if (text(report, "phase").empty()) return std::nullopt;
    return report;
}

/// Follows the update until it has ended; its last report.
core::Result<json::object> follow(const BoxClient& box, json::object report,
                                  const UpdateOptions& options, UpdateProgress* progress) {
    const auto give_up = steady_clock::now() + seconds{options.most_wait_s};
    const double started = number(report, "started");
    std::uint64_t after = count(report, "seq");
    std::optional<steady_clock::time_point> lost_since;
    const auto show = [&] {
        if (progress) progress->show(report);
    };
    show();
    while (runs(report)) {
        if (steady_clock::now() >= give_up)
            return core::failure(
                "update.timeout",
                "the update has not ended within " + std::to_string(options.most_wait_s) +
                    " s, the box goes on with it: see how it ends with \"backplane "
                    "update --status\"");
        const auto followed = box.follow("/api/v1/events?after=" + std::to_string(after), k_silence,
                                         [&](std::string_view kind, std::string_view data) {
                                             if (kind == "gap") return false;
                                             if (auto news = report_in(kind, data)) {
                                                 report = std::move(*news);
                                                 show();
                                             }
                                             return runs(report) && steady_clock::now() < give_up;
                                         });
        if (!runs(report)) break;
        // The stream broke off, or the box no longer has all that we have missed: ask for how it stands.
        const auto body = box.get("/api/v1/update", k_patience);
        if (body) {
            lost_since.reset();
            auto answer = parse_answer(*body, "update", "phase");
            if (!answer) return answer;
            report = std::move(*answer);
            after = count(report, "seq");
            show();
        } else {
            const auto now = steady_clock::now();
            if (!lost_since) lost_since = now;
            if (now - *lost_since >= seconds{options.lost_box_s})
                return core::Unexpected<core::Error>{body.error()};
        }
        if (!followed) std::this_thread::sleep_for(k_retry);
    }
    if (number(report, "started") != started)
        return core::failure(
            "update.lost",
            "the box has started anew during the update: see what has become of it with "
            "\"backplane update --status\" and \"backplane plugins\"");
    return report;
}

/// What a result means when the box has no words for it.
std::string words_for(const std::string& result) {
    if (result == "updated") return "All plug-ins are up to date now.";
    if (result == "unchanged") return "There is nothing new: all plug-ins are up to date.";
    if (result == "nothing") return "The server does not deliver plug-ins: nothing was changed.";
    if (result == "partly") return "Some plug-ins were updated, others were not.";
    if (result == "rejected") return "The bundle was refused: nothing was changed.";
    if (result == "failed") return "The update failed: nothing was changed.";
    return "No update has run yet.";
}

std::string sentence(const json::object& report) {
    const std::string said = printable(report, "text");
    return said.empty() ? words_for(text(report, "result")) : said;
}

bool went_well(const json::object& report) {
    const std::string result = text(report, "result");
    return result == "updated" || result == "unchanged" || result == "nothing";
}

std::string phase_words(const json::object& report) {
    const std::string phase = printable(report, "phase");
    if (phase != "downloading") return phase;
    const double received = number(report, "received"), expected = number(report, "expected");
    if (expected <= 0) return phase + ", " + megabytes(received) + " so far";
    return phase + ", " + megabytes(received, false) + " of " + megabytes(expected);
}

ExitCode show_last(const BoxClient& box, const Output& output) {
    const auto answer = ask(box, output, "/api/v1/update", "updates", "phase");
    if (!answer) return fail(answer.error());
    const json::array warnings = list(*answer, "warnings");
    const std::string result = text(*answer, "result");
    const bool trouble = !warnings.empty() || (!result.empty() && !went_well(*answer));
    const ExitCode code = trouble ? ExitCode::degraded : ExitCode::ok;
    if (output.json) return finish(code);

    std::cout << "Update    " << (runs(*answer) ? phase_words(*answer) : "none is running") << '\n';
    if (!runs(*answer)) {
        std::cout << "Last      ";
        if (!result.empty())
            std::cout << output.terminal.paint(went_well(*answer) ? Colour::good : Colour::bad,
                                               printable(*answer, "result"))
                      << ", " << local_time(number(*answer, "finished"), false) << ": ";
        std::cout << sentence(*answer) << '\n';
    }
    if (const std::string source = printable(*answer, "source"); !source.empty())
        std::cout << "From      " << source << '\n';
    std::cout << "Contact   " << local_time(number(*answer, "last_contact"), false) << '\n';
    const char* heading = "Plug-ins  ";
    for (const json::value& value : list(*answer, "steps")) {
        if (!value.is_object()) continue;
        std::cout << heading << step_title(value.get_object()) << ": "
                  << output.terminal.paint(colour_of_step(text(value.get_object(), "state")),
                                           step_outcome(value.get_object()))
                  << '\n';
        heading = "          ";
    }
    heading = "Warnings  ";
    for (const json::value& warning : warnings) {
        if (!warning.is_string()) continue;
        std::cout << heading
                  << core::to_printable({warning.get_string().data(), warning.get_string().size()},
                                        1024)
                  << '\n';
        heading = "          ";
    }
    return finish(code);
}

}  // namespace

ExitCode update(const BoxClient& box, const Output& output, const UpdateOptions& options) {
    if (options.status) return show_last(box, output);
    const auto body = begin(box, options);
    if (!body) return fail(body.error());
    auto begun = parse_answer(*body, "update", "phase");
    if (!begun) return fail(begun.error());
    if (!options.wait) {
        if (output.json)
            std::cout << *body << (body->ends_with('\n') ? "" : "\n");
        else
            std::cout << "The update has begun: \"backplane update --status\" tells how it goes.\n";
        return finish(ExitCode::ok);
    }
    UpdateProgress progress{std::cout, output.terminal};
    const auto report = follow(box, std::move(*begun), options, output.json ? nullptr : &progress);
    if (!output.json) progress.end();
    if (!report) return fail(report.error());
    if (output.json)
        std::cout << json::serialize(*report) << '\n';
    else
        std::cout << sentence(*report) << '\n';
    return finish(went_well(*report) ? ExitCode::ok : ExitCode::failed);
}

}  // namespace backplane::cli
