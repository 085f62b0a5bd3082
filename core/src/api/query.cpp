// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/query.hpp"

#include "http/http_types.hpp"

namespace backplane::core {

std::string query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        const std::size_t equals = pair.find('=');
        if (percent_decode(pair.substr(0, equals), PlusSign::space) == name) {
            if (equals == std::string_view::npos) return {};
            return percent_decode(pair.substr(equals + 1), PlusSign::space).value_or("");
        }
        if (end == std::string_view::npos) break;
        query.remove_prefix(end + 1);
    }
    return {};
}

}  // namespace backplane::core
