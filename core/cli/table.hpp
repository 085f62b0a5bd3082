// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Columns for people: aligned by what the terminal shows, cut to its width, coloured only on a
// terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::cli {

enum class Colour { none, good, attention, bad, dim };

/// What stdout is.
struct Terminal {
    bool is_terminal = false;
    std::size_t width = 0;  ///< columns; 0: unknown, nothing is cut
    bool colours = false;

    static Terminal of_stdout();
    std::string paint(Colour colour, const std::string& text) const;
};

/// Columns that the text takes on a terminal. It must be printable.
std::size_t display_width(std::string_view text);

class Table {
public:
    struct Cell {
        std::string text;
        Colour colour = Colour::none;
    };

    explicit Table(std::vector<std::string> header);
    /// One cell per column. Texts come from devices and plug-ins: control characters are made
    /// visible here.
    void add(std::vector<Cell> row);
    std::string text(const Terminal& terminal) const;

private:
    std::vector<std::vector<Cell>> rows_;  ///< the first is the header
};

}  // namespace backplane::cli
