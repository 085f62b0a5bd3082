// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/identifier_book.hpp"

namespace backplane::core {

std::string IdentifierBook::take(const std::string& stable_id, const std::string& natural) {
    const std::string remembered = recall_(stable_id);
    if (!remembered.empty() && in_use_.insert(remembered).second) return remembered;
    if (in_use_.insert(natural).second) return natural;
    for (int number = 2;; ++number) {
        std::string numbered = natural + "_" + std::to_string(number);
        if (in_use_.insert(numbered).second) return numbered;
    }
}

}  // namespace backplane::core
