// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "logs/log_text_page.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace backplane::sync {

std::string log_line(const core::LogRecord& record) {
    using std::chrono::system_clock;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(record.time);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(record.time - seconds);
    const std::time_t time = system_clock::to_time_t(seconds);
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    std::string out{text.data(),
                    std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S,", &parts)};
    out += std::to_string(1000 + ms.count()).substr(1);
    out += ' ';
    out += core::to_string(record.level);
    out += ' ';
    out += record.component;
    out += ": ";
    out += record.text();
    return out;
}

boost::json::object log_text_answer(const std::vector<core::LogRecord>& records,
                                    std::size_t most_bytes) {
    std::vector<std::string> lines;
    std::size_t bytes = 0;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        lines.push_back(log_line(*record) + "\n");
        bytes += lines.back().size();
        if (bytes > most_bytes) {
            lines.pop_back();
            break;
        }
    }
    std::string text;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) text += *line;
    return {{"status", "success"}, {"logs", std::move(text)}};
}

}  // namespace backplane::sync
