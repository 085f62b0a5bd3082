// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "backplane/core/http.hpp"

namespace backplane::core {
namespace {

/// Lets a string_view be looked up without making a string of it.
struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};
using Routes = std::unordered_map<std::string, HttpHandler, TextHash, std::equal_to<>>;

}  // namespace

struct HttpRouter::Table {
    Routes exact;
    Routes prefixes;
    std::size_t longest_prefix = 0;
    HttpHandler fallback = [](const HttpExchangePtr& exchange) {
        HttpResponse response;
        response.status = 404;
        response.body = "404: this box has nothing at this address\n";
        exchange->respond(std::move(response));
    };

    const HttpHandler& find(std::string_view path) const {
        if (const auto found = exact.find(path); found != exact.end()) return found->second;
        // Looking no further than the longest prefix keeps a path of ten thousand slashes cheap.
        std::string_view head = path.substr(0, longest_prefix);
        while (!head.empty()) {
            const std::size_t slash = head.rfind('/');
            if (slash == std::string_view::npos) break;
            head = head.substr(0, slash + 1);
            if (const auto found = prefixes.find(head); found != prefixes.end())
                return found->second;
            head.remove_suffix(1);
        }
        return fallback;
    }
};

std::shared_ptr<HttpRouter::Table> HttpRouter::make_table() {
    return std::make_shared<Table>();
}

void HttpRouter::add(std::string path, HttpHandler handler) {
    table_->exact.insert_or_assign(std::move(path), std::move(handler));
}

void HttpRouter::add_prefix(std::string prefix, HttpHandler handler) {
    // "/static" would also match "/statics"; what is meant is everything below it.
    if (!prefix.ends_with('/')) prefix += '/';
    table_->longest_prefix = std::max(table_->longest_prefix, prefix.size());
    table_->prefixes.insert_or_assign(std::move(prefix), std::move(handler));
}

void HttpRouter::set_fallback(HttpHandler handler) {
    table_->fallback = std::move(handler);
}

void HttpRouter::operator()(HttpExchangePtr exchange) const {
    // The table lives on when a handler destroys the router.
    const auto table = table_;
    table->find(exchange->request().path)(std::move(exchange));
}

}  // namespace backplane::core
