// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/answer.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace backplane::tests {

namespace {

std::optional<std::string> first_of(const std::multimap<std::string, std::string>& map,
                                    const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string etag_of(std::string_view content) {
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
    for (const char c : content) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211ULL;
    }
    return "h" + std::to_string(hash);
}

Answer Answer::status(int code) {
    Answer answer;
    answer.code = code;
    answer.body = "<!doctype html><title>" + std::to_string(code) + "</title>";
    return answer;
}

Answer Answer::html() {
    Answer answer;
    answer.body = "\r\n<!DOCTYPE html>\n<html><head><title>Login</title></head></html>\n";
    return answer;
}

Answer Answer::empty() {
    return {};
}

Answer Answer::zip(const Content& body) {
    Answer answer;
    answer.body = body.bytes();
    answer.headers.emplace_back("ETag", '"' + etag_of(body.bytes()) + '"');
    return answer;
}

Answer Answer::json(std::string body) {
    Answer answer;
    answer.body = std::move(body);
    answer.content_type = "application/json; charset=utf-8";
    return answer;
}

Answer Answer::truncated(const Content& body) {
    Answer answer = zip(body);
    answer.kind = Kind::truncated;
    answer.keep = answer.body.size() / 2;
    return answer;
}

Answer Answer::endless() {
    Answer answer;
    answer.kind = Kind::endless;
    return answer;
}

Answer Answer::drip(const Content& body, std::size_t bytes_per_s) {
    Answer answer = zip(body);
    answer.kind = Kind::drip;
    answer.bytes_per_s = bytes_per_s;
    return answer;
}

Answer Answer::redirect(std::string url, int code) {
    Answer answer = status(code);
    answer.headers.emplace_back("Location", std::move(url));
    return answer;
}

Answer Answer::silence() {
    Answer answer;
    answer.kind = Kind::silence;
    return answer;
}

Answer Answer::reset() {
    Answer answer;
    answer.kind = Kind::reset;
    return answer;
}

Answer&& Answer::with(std::string header, std::string value) && {
    headers.emplace_back(std::move(header), std::move(value));
    return std::move(*this);
}

Answer&& Answer::in_chunks() && {
    chunked = true;
    return std::move(*this);
}

std::optional<std::string> ReceivedRequest::field(const std::string& name) const {
    return first_of(form, name);
}

std::optional<std::string> ReceivedRequest::header(const std::string& name) const {
    return first_of(headers, lower(name));
}

std::optional<std::string> ReceivedRequest::cookie(std::string_view name) const {
    const auto [begin, end] = headers.equal_range("cookie");
    for (auto header = begin; header != end; ++header) {
        const std::string& text = header->second;
        for (std::size_t at = 0; at < text.size();) {
            const auto stop = std::min(text.find(';', at), text.size());
            std::string_view pair = std::string_view(text).substr(at, stop - at);
            while (pair.starts_with(' ')) pair.remove_prefix(1);
            if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
                return std::string(pair.substr(name.size() + 1));
            at = stop + 1;
        }
    }
    return std::nullopt;
}

bool ReceivedRequest::chunked() const {
    return lower(header("transfer-encoding").value_or("")) == "chunked";
}

}  // namespace backplane::tests
