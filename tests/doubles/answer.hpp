// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a server of tests is asked, and what it answers: good, bad and unfinished.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::tests {

/// What goes over the wire; from a text or from bytes.
class Content {
public:
    Content(std::string text) : bytes_(std::move(text)) {}
    Content(const char* text) : bytes_(text) {}
    Content(std::span<const std::byte> bytes)
        : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}
    Content(const std::vector<std::byte>& bytes) : Content(std::span<const std::byte>(bytes)) {}
    const std::string& bytes() const noexcept { return bytes_; }

private:
    std::string bytes_;
};

struct Answer {
    enum class Kind {
        whole,      ///< the body at once
        truncated,  ///< Content-Length of all, `keep` bytes of it, and the connection is closed
        endless,    ///< as fast as it is taken, without a length, for ever
        drip,       ///< `bytes_per_s`, with Content-Length
        silence,    ///< the request is taken, and nothing comes
        reset,      ///< the request is taken, and the connection is reset
    };
    Kind kind = Kind::whole;
    int code = 200;
    std::string body;
    std::string content_type = "text/html; charset=utf-8";  ///< as Odoo says of a zip, too
    std::vector<std::pair<std::string, std::string>> headers;
    std::size_t keep = 0;
    std::size_t bytes_per_s = 0;
    bool chunked = false;  ///< of a whole or truncated one: without Content-Length
    bool last = false;     ///< the connection is closed behind it

    static Answer status(int code);                ///< with a short page as body
    static Answer html();                          ///< 200 and a page for people
    static Answer empty();                         ///< 200 and no byte
    static Answer zip(const Content& body);        ///< 200, with an ETag
    static Answer json(std::string body);          ///< 200
    static Answer truncated(const Content& body);  ///< half of it
    static Answer endless();
    static Answer drip(const Content& body, std::size_t bytes_per_s);
    static Answer redirect(std::string url, int code = 301);
    static Answer silence();
    static Answer reset();

    Answer&& with(std::string header, std::string value) &&;
    Answer&& in_chunks() &&;
};

/// A name of the content that changes with it: all that an ETag has to be. Without quotes.
std::string etag_of(std::string_view content);

struct ReceivedRequest {
    std::string method, path, body;
    std::multimap<std::string, std::string> form;     ///< query and body
    std::multimap<std::string, std::string> headers;  ///< names in lower case

    /// The first value; nothing when there is none.
    std::optional<std::string> field(const std::string& name) const;
    std::optional<std::string> header(const std::string& name) const;
    std::optional<std::string> cookie(std::string_view name) const;
    bool chunked() const;  ///< the body came without a length
};

std::string lower(std::string text);

}  // namespace backplane::tests
