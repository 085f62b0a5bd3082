// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "table.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cwchar>

#include "util/utf8.hpp"

namespace backplane::cli {
namespace {

constexpr std::size_t k_gap = 2;
constexpr std::size_t k_narrowest = 8;
constexpr std::size_t k_cell_bytes = 1024;

wchar_t code_point(std::string_view sequence) noexcept {
    const auto first = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return static_cast<wchar_t>(first);
    unsigned value = first & (0x7Fu >> sequence.size());
    for (std::size_t i = 1; i < sequence.size(); ++i)
        value = value << 6 | (static_cast<unsigned char>(sequence[i]) & 0x3Fu);
    return static_cast<wchar_t>(value);
}

/// The first character with its width; the text must be well-formed and not empty.
std::pair<std::string_view, std::size_t> first_character(std::string_view text) {
    const std::string_view sequence =
        text.substr(0, std::max<std::size_t>(1, core::utf8_sequence_length(text)));
    const int width = ::wcwidth(code_point(sequence));
    return {sequence, width < 0 ? 1u : static_cast<std::size_t>(width)};
}

std::string cut_to(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) return std::string{text};
    std::string out;
    std::size_t used = 0;
    while (!text.empty()) {
        const auto [sequence, columns] = first_character(text);
        if (used + columns + 1 > width) break;
        out += sequence;
        used += columns;
        text.remove_prefix(sequence.size());
    }
    return out + "\xE2\x80\xA6";
}

}  // namespace

Terminal Terminal::of_stdout() {
    Terminal terminal;
    terminal.is_terminal = ::isatty(STDOUT_FILENO) == 1;
    if (!terminal.is_terminal) return terminal;
    winsize size{};
    terminal.width =
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    const char* const type = std::getenv("TERM");
    const char* const no_colour = std::getenv("NO_COLOR");  // https://no-color.org
    terminal.colours = type != nullptr && std::string_view{type} != "dumb" &&
                       (no_colour == nullptr || *no_colour == '\0');
    return terminal;
}

std::string Terminal::paint(Colour colour, const std::string& text) const {
    if (!colours || colour == Colour::none) return text;
    const char* start = "";
    switch (colour) {
        case Colour::none:
            break;
        case Colour::good:
            start = "\x1b[32m";
            break;
        case Colour::attention:
            start = "\x1b[33m";
            break;
        case Colour::bad:
            start = "\x1b[31m";
            break;
        case Colour::dim:
            start = "\x1b[2m";
            break;
    }
    return start + text + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto [sequence, columns] = first_character(text);
        width += columns;
        text.remove_prefix(sequence.size());
    }
    return width;
}

Table::Table(std::vector<std::string> header) {
    std::vector<Cell> row;
    for (std::string& name : header) row.push_back({std::move(name), Colour::dim});
    rows_.push_back(std::move(row));
}

void Table::add(std::vector<Cell> row) {
    row.resize(rows_.front().size());
    for (Cell& cell : row)
        cell.text = cell.text.empty() ? "-" : core::to_printable(cell.text, k_cell_bytes);
    rows_.push_back(std::move(row));
}

std::string Table::text(const Terminal& terminal) const {
    const std::size_t columns = rows_.front().size();
    std::vector<std::size_t> widths(columns, 1);
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < columns; ++i)
            widths[i] = std::max(widths[i], display_width(row[i].text));
    }
    const auto total = [&] {
        std::size_t sum = k_gap * (columns - 1);
        for (const std::size_t width : widths) sum += width;
        return sum;
    };
    while (terminal.width > 0 && total() > terminal.width) {
        const auto widest = std::max_element(widths.begin(), widths.end());
        if (*widest <= k_narrowest)
            break;  // Narrower than this says nothing any more: let the terminal wrap.
        --*widest;
    }
    std::string out;
    for (const auto& row : rows_) {
        std::string line;
        std::size_t pending = 0;  // spaces that are only written when something follows
        for (std::size_t i = 0; i < columns; ++i) {
            const std::string cell = cut_to(row[i].text, widths[i]);
            line.append(pending, ' ');
            line += terminal.paint(row[i].colour, cell);
            pending = widths[i] - std::min(widths[i], display_width(cell)) + k_gap;
        }
        out += line + '\n';
    }
    return out;
}

}  // namespace backplane::cli
