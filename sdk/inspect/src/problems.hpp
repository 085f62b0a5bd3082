// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is wrong with a note, member by member: an author wants to see all of it at once, a log not
// thousands of lines.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace backplane::sdk {

class Problems {
public:
    /// `where` is a path such as `match[2].priority`; `what` goes on after it: "must be an integer
    /// from … to …".
    void add(const std::string& where, const std::string& what) {
        constexpr std::size_t k_limit = 20;
        if (texts_.size() < k_limit) texts_.push_back("\"" + where + "\" " + what);
    }
    bool empty() const noexcept { return texts_.empty(); }
    const std::vector<std::string>& texts() const noexcept { return texts_; }

private:
    std::vector<std::string> texts_;
};

}  // namespace backplane::sdk
