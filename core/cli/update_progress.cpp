// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update_progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "answers.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

namespace json = boost::json;

constexpr const char* k_dots = " \xE2\x80\xA6";    // …
constexpr const char* k_arrow = " \xE2\x86\x92 ";  // →

bool has_ended(const std::string& state) {
    return state == "done" || state == "failed" || state == "left_out";
}

std::string download_line(const json::object& report) {
    const std::string source = printable(report, "source");
    std::string line = "Downloading";
    if (!source.empty()) line += " from " + source;
    line += k_dots;
    const double received = number(report, "received"), expected = number(report, "expected");
    if (expected > 0)
        line += " " + megabytes(received, false) + " of " + megabytes(expected);
    else if (received > 0)
        line += " " + megabytes(received);
    return line;
}

std::string cut_to(const std::string& line, std::size_t width) {
    if (width == 0 || display_width(line) <= width) return line;
    std::string out;
    std::string_view rest = line;
    while (!rest.empty()) {
        const std::string_view next =
            rest.substr(0, std::max<std::size_t>(1, core::utf8_sequence_length(rest)));
        if (display_width(out) + display_width(next) + 1 > width) break;
        out += next;
        rest.remove_prefix(next.size());
    }
    return out + "\xE2\x80\xA6";
}

}  // namespace

std::string megabytes(double bytes, bool with_unit) {
    if (!std::isfinite(bytes) || bytes < 0) bytes = 0;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", std::min(bytes, 1e15) / 1e6);
    return text + std::string(with_unit ? " MB" : "");
}

std::string step_title(const json::object& step) {
    const std::string plugin = printable(step, "plugin"), from = printable(step, "from"),
                      to = printable(step, "to");
    if (from.empty()) return plugin + (to.empty() ? "" : " " + to + " (new)");
    return plugin + " " + from + (to.empty() || to == from ? "" : k_arrow + to);
}

std::string step_outcome(const json::object& step) {
    const std::string state = printable(step, "state"), reason = printable(step, "text");
    std::string out = state == "left_out" ? "left out" : state;
    if (!reason.empty()) out += ": " + reason;
    return out;
}

Colour colour_of_step(const std::string& state) {
    if (state == "done") return Colour::good;
    if (state == "failed") return Colour::bad;
    return state == "left_out" ? Colour::attention : Colour::none;
}

void UpdateProgress::show(const json::object& report) {
    const std::string phase = text(report, "phase");
    if (phase != phase_) {
        // What was last said of a phase stays: "Downloading … 4.0 of 4.0 MB".
        if (!live_.empty() && phase_ != "swapping") line(live_);
        phase_ = phase;
        if (!terminal_.is_terminal && phase == "downloading") line(download_line(report));
        if (!terminal_.is_terminal && phase == "verifying") line("Verifying");
        if (!terminal_.is_terminal && phase == "storing") line("Storing");
    }
    if (phase == "downloading") now(download_line(report));
    if (phase == "verifying") now("Verifying");
    if (phase == "storing") now("Storing");
    if (phase == "swapping" || phase == "idle") show_steps(report);
    out_.flush();
}

void UpdateProgress::show_steps(const json::object& report) {
    std::string at_work;
    std::size_t more = 0;
    for (const json::value& value : list(report, "steps")) {
        if (!value.is_object()) continue;
        const json::object& step = value.get_object();
        const std::string state = text(step, "state");
        if (has_ended(state)) {
            if (!told_.insert(text(step, "plugin")).second) continue;
            line("Swapping " + step_title(step) + k_dots + " " +
                 terminal_.paint(colour_of_step(state), step_outcome(step)));
        } else if (state == "checking" || state == "swapping") {
            if (!at_work.empty()) ++more;
            if (at_work.empty())
                at_work =
                    (state == "checking" ? "Checking " : "Swapping ") + step_title(step) + k_dots;
        }
    }
    if (at_work.empty() || phase_ == "idle") return;
    now(at_work + (more > 0 ? " (and " + std::to_string(more) + " more)" : ""));
}

void UpdateProgress::now(std::string text) {
    if (!terminal_.is_terminal) return;
    const std::size_t width = terminal_.width > 1 ? terminal_.width - 1 : 0;
    text = cut_to(text, width);
    if (text == live_) return;
    const std::size_t columns = display_width(text);
    out_ << '\r' << text;
    if (columns < live_width_) out_ << std::string(live_width_ - columns, ' ');
    live_width_ = columns;
    live_ = std::move(text);
}

// By value: what is passed may be live_ itself.
void UpdateProgress::line(std::string text) {
    if (live_width_ > 0) out_ << '\r' << std::string(live_width_, ' ') << '\r';
    live_.clear();
    live_width_ = 0;
    out_ << text << '\n';
}

void UpdateProgress::end() {
    if (!live_.empty()) line(live_);
}

}  // namespace backplane::cli
