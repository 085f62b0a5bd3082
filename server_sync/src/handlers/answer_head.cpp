// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/answer_head.hpp"

#include <algorithm>
#include <charconv>

namespace backplane::sync {

namespace {

constexpr std::size_t k_etag_bytes = 256;

Verdict refuse(Refusal refusal) {
    Verdict verdict;
    verdict.error = std::move(refusal).take();
    return verdict;
}

}  // namespace

Verdict judge(const ServerUrl& url, const AnswerHead& head, const HandlerLimits& limits,
              bool asked_with_etag) {
    Verdict verdict;
    verdict.etag = bare_etag(head.etag);
    switch (head.status) {
        case 200:
            break;
        case 304:
            if (!asked_with_etag) return refuse(refuse_unchanged(url));
            verdict.next = Verdict::Next::unchanged;
            return verdict;
        case 301:
        case 302:
        case 303:
        case 307:
        case 308:
            verdict.next = Verdict::Next::follow;
            verdict.location = head.location;
            return verdict;
        default:
            return refuse(refuse_status(url, head.status));
    }
    if (!head.content_encoding.empty() && head.content_encoding != "identity")
        return refuse(refuse_encoding(url, head.content_encoding));
    if (const std::string& text = head.content_length; !text.empty()) {
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), verdict.expected);
        if (end == text.data() + text.size() && error == std::errc::result_out_of_range)
            return refuse(refuse_size(url, limits));
        if (end != text.data() + text.size() || error != std::errc())
            return refuse(refuse_length(url, text));
        if (verdict.expected > limits.bytes) return refuse(refuse_size(url, limits));
    }
    verdict.next = Verdict::Next::read_body;
    return verdict;
}

std::string bare_etag(std::string_view header) {
    if (header.starts_with("W/")) header.remove_prefix(2);
    if (header.size() >= 2 && header.starts_with('"') && header.ends_with('"'))
        header = header.substr(1, header.size() - 2);
    const bool sendable = std::all_of(header.begin(), header.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > 0x20 && byte < 0x7f && c != '"';
    });
    return sendable && header.size() <= k_etag_bytes ? std::string(header) : std::string();
}

std::optional<bool> begins_a_page(std::string_view body) {
    if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return std::nullopt;
    return body[first] == '<';
}

}  // namespace backplane::sync
