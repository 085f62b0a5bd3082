// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A real HTTP or HTTPS server on the loopback device that plays the Odoo server of a box.
//
// /iot/get_handlers behaves as Odoo's: `handlers()` is what the database delivers, with an ETag,
// 304 for a box that has it, and nothing for a box whose automatic update is off. `script()` puts
// other answers before that, one for each request, bad ones above all. Everything it was asked is
// kept in requests().
//
//     OdooServer server;
//     server.handlers(zip);
//     server.script({Answer::status(500), Answer::drip(zip, 100)});   // then as Odoo again
//     … the box asks server.url() …
//     server.wait_for_requests(3);
//
// Thread: any. Its destructor ends all answers, also those that never end by themselves.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "doubles/certificates.hpp"

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

/// One answer of the script.
struct Answer {
    enum class Kind {
        whole,      ///< the body at once
        truncated,  ///< Content-Length of all, `keep` bytes of it, and the connection is closed
        endless,    ///< as fast as it is taken, without a length, for ever
        drip,       ///< `bytes_per_s`, with Content-Length
        silence,    ///< the request is taken, and nothing comes
    };
    Kind kind = Kind::whole;
    int code = 200;
    std::string body;
    std::string content_type = "text/html; charset=utf-8";  ///< as Odoo says of a zip, too
    std::vector<std::pair<std::string, std::string>> headers;
    std::size_t keep = 0;
    std::size_t bytes_per_s = 0;
    bool chunked = false;  ///< of a whole or truncated one: without Content-Length

    static Answer status(int code);                ///< with a short page as body
    static Answer html();                          ///< 200 and a page for people
    static Answer empty();                         ///< 200 and no byte
    static Answer zip(const Content& body);        ///< 200, with an ETag
    static Answer truncated(const Content& body);  ///< half of it
    static Answer endless();
    static Answer drip(const Content& body, std::size_t bytes_per_s);
    static Answer redirect(std::string url, int code = 301);
    static Answer silence();

    Answer&& with(std::string header, std::string value) &&;
    Answer&& in_chunks() &&;
};

struct ReceivedRequest {
    std::string method, path, body;
    std::multimap<std::string, std::string> form;     ///< query and body
    std::multimap<std::string, std::string> headers;  ///< names in lower case

    /// The first value; nothing when there is none.
    std::optional<std::string> field(const std::string& name) const;
    std::optional<std::string> header(const std::string& name) const;
};

class OdooServer {
public:
    OdooServer();                                      ///< http
    explicit OdooServer(const Certificate& identity);  ///< https
    ~OdooServer();
    OdooServer(const OdooServer&) = delete;
    OdooServer& operator=(const OdooServer&) = delete;

    std::uint16_t port() const noexcept;
    /// "http://127.0.0.1:40123", or with another host in its place.
    std::string url(const std::string& host = "127.0.0.1") const;

    /// What the database delivers from now on; an empty content is a database without handlers.
    void handlers(const Content& zip);
    /// The switch "automatic update" of the box in the database; on at first.
    void automatic_update(bool on);
    /// Of what handlers() delivers, without quotes.
    std::string etag() const;
    /// One for each of the next requests; they come behind what is still in the script.
    void script(std::vector<Answer> answers);

    std::vector<ReceivedRequest> requests() const;
    /// False when there are still fewer after the limit.
    bool wait_for_requests(std::size_t count,
                           std::chrono::milliseconds limit = std::chrono::seconds{20}) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::tests
