// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The only file of the server that includes Boost.Beast: it is expensive to build.
#include "http/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/verb.hpp>

#include <algorithm>

#include "http/http_types.hpp"

namespace backplane::core {
namespace {

namespace beast_http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t k_most_headers = 128;  // a header of 4 bytes costs us 64

HttpMethod method_of(beast_http::verb verb) noexcept {
    switch (verb) {
        case beast_http::verb::get:
            return HttpMethod::get;
        case beast_http::verb::head:
            return HttpMethod::head;
        case beast_http::verb::post:
            return HttpMethod::post;
        case beast_http::verb::put:
            return HttpMethod::put;
        case beast_http::verb::delete_:
            return HttpMethod::delete_;
        case beast_http::verb::options:
            return HttpMethod::options;
        default:
            return HttpMethod::other;
    }
}

/// Beast's parser, filling an HttpRequest, and stricter than it where two readers of one message
/// could disagree about its end (RFC 9112, 6.3 and 11.2).
class Parser final : public beast_http::basic_parser<true> {
public:
    Parser(HttpRequest& request, BodyLease& lease, const HttpLimits& limits)
        : request_(request), lease_(lease), limits_(limits), most_body_(limits.body_bytes) {
        header_limit(
            static_cast<std::uint32_t>(std::min<std::size_t>(limits.header_bytes, 1u << 30)));
        body_limit(limits.body_bytes);
    }

    /// After the header: what is wrong with it beyond its grammar.
    std::optional<RequestRefusal> objection() {
        if (hosts_ > 1) return RequestRefusal{400, "more than one Host header"};
        if (hosts_ == 0 && version_ == 11)
            return RequestRefusal{400, "an HTTP/1.1 request needs a Host header"};
        if (lengths_ > 1) return RequestRefusal{400, "more than one Content-Length header"};
        if (list_length_) return RequestRefusal{400, "Content-Length is not one number"};
        if (codings_ > 0) {
            if (lengths_ > 0)
                return RequestRefusal{400, "both Content-Length and Transfer-Encoding"};
            if (version_ != 11)
                return RequestRefusal{400, "Transfer-Encoding in an HTTP/1.0 request"};
            if (other_coding_ || codings_ > 1)
                return RequestRefusal{501, "only the transfer coding \"chunked\" is supported"};
        }
        if (!split_target(request_.target, request_.method, request_.path, request_.query)) {
            return RequestRefusal{400, "the request target is not a valid path"};
        }
        if (other_expectation_)
            return RequestRefusal{417, "only the expectation \"100-continue\" is supported"};
        if (content_length() && *content_length() > lease_.available()) return k_no_room;
        return std::nullopt;
    }
    bool expects_continue() const noexcept { return expects_continue_ && version_ == 11; }
    bool is_http_11() const noexcept { return version_ == 11; }

    /// What to answer when put() has failed.
    RequestRefusal refusal_for(const error_code& error) const noexcept {
        if (own_refusal_) return *own_refusal_;
        if (error == beast_http::error::header_limit)
            return {431, "the header of the request is too large"};
        if (error == beast_http::error::body_limit)
            return {413, "the body of the request is too large"};
        if (error == beast_http::error::bad_version) return {400, "not an HTTP/1.1 request"};
        if (error == beast_http::error::bad_transfer_encoding) {
            return {400, "Transfer-Encoding contradicts another header"};
        }
        if (error == beast_http::error::bad_content_length ||
            error == beast_http::error::multiple_content_length) {
            return {400, "Content-Length is not one valid number"};
        }
        if (error == beast_http::error::bad_chunk ||
            error == beast_http::error::bad_chunk_extension) {
            return {400, "the chunked body is malformed"};
        }
        return {400, "the request is malformed"};
    }

    static constexpr RequestRefusal k_no_room{503,
                                              "too many large requests at the moment: try again"};

private:
    using Text = boost::beast::string_view;

    void on_request_impl(beast_http::verb verb, Text, Text target, int version,
                         error_code&) override {
        request_.method = method_of(verb);
        request_.target.assign(target.data(), target.size());
        version_ = version;
        // Now: with the end of the header the parser compares the announced length with its limit.
        const std::string_view path =
            std::string_view{request_.target}.substr(0, request_.target.find('?'));
        for (const auto& [larger, bytes] : limits_.larger_bodies) {
            if (path != larger) continue;
            most_body_ = bytes;
            body_limit(bytes);
        }
    }
    void on_response_impl(int, Text, int, error_code&) override {}

    void on_field_impl(beast_http::field field, Text name, Text value, error_code& error) override {
        // Trailers of a chunked body arrive here too. They must not pass for headers: what decides
        // about a request has been read by then.
        if (header_complete_) return;
        if (request_.headers.size() >= k_most_headers) {
            own_refusal_ = RequestRefusal{431, "the request has too many headers"};
            error = beast_http::error::header_limit;
            return;
        }
        const std::string_view text{value.data(), value.size()};
        switch (field) {
            case beast_http::field::host:
                ++hosts_;
                break;
            case beast_http::field::content_length:
                ++lengths_;
                list_length_ = list_length_ || text.find(',') != std::string_view::npos;
                break;
            case beast_http::field::transfer_encoding:
                ++codings_;
                other_coding_ = other_coding_ || !equal_ignoring_case(text, "chunked");
                break;
            case beast_http::field::expect:
                (equal_ignoring_case(text, "100-continue") ? expects_continue_
                                                           : other_expectation_) = true;
                break;
            default:
                break;
        }
        request_.headers.emplace_back(std::string_view{name.data(), name.size()}, text);
    }

    void on_header_impl(error_code&) override { header_complete_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
        if (length)
            most_body_ = std::min<std::size_t>(most_body_, static_cast<std::size_t>(*length));
    }
    std::size_t on_body_impl(Text piece, error_code& error) override {
        return append(piece, error);
    }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text piece, error_code& error) override {
        return append(piece, error);
    }
    void on_finish_impl(error_code&) override {}

    std::size_t append(Text piece, error_code& error) {
        std::string& body = request_.body;
        const std::size_t needed = body.size() + piece.size();
        if (needed > body.capacity()) {
            // Grows with what has come, not with what was promised: a promise costs the client
            // nothing.
            std::size_t wanted = std::max(needed, std::min(2 * body.capacity(), most_body_));
            if (!lease_.grow_to(wanted)) wanted = needed;
            if (!lease_.grow_to(wanted)) {
                own_refusal_ = k_no_room;
                error = beast_http::error::body_limit;
                return 0;
            }
            body.reserve(wanted);
        }
        body.append(piece.data(), piece.size());
        return piece.size();
    }

    HttpRequest& request_;
    BodyLease& lease_;
    const HttpLimits& limits_;  // of the server's core, which outlives its connections
    std::size_t most_body_;
    int version_ = 11;
    unsigned hosts_ = 0, lengths_ = 0, codings_ = 0;
    bool list_length_ = false, other_coding_ = false;
    bool expects_continue_ = false, other_expectation_ = false;
    bool header_complete_ = false;
    std::optional<RequestRefusal> own_refusal_;
};

}  // namespace

struct RequestParser::Impl {
    Impl(HttpRequest& request, BodyLease& lease, const HttpLimits& limits)
        : parser(request, lease, limits) {}
    Parser parser;
};

RequestParser::RequestParser(HttpRequest& request, BodyLease& lease, const HttpLimits& limits)
    : impl_(std::make_unique<Impl>(request, lease, limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::put(std::string_view bytes) {
    error_code error;
    Step step;
    Parser& parser = impl_->parser;
    step.used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    step.needs_more = error == beast_http::error::need_more;
    if (error && !step.needs_more) step.refusal = parser.refusal_for(error);
    return step;
}

bool RequestParser::is_header_done() const noexcept {
    return impl_->parser.is_header_done();
}
bool RequestParser::is_done() const noexcept {
    return impl_->parser.is_done();
}
bool RequestParser::is_chunked() const noexcept {
    return impl_->parser.chunked();
}
bool RequestParser::keep_alive() const noexcept {
    return impl_->parser.keep_alive();
}
bool RequestParser::is_http_11() const noexcept {
    return impl_->parser.is_http_11();
}
bool RequestParser::expects_continue() const noexcept {
    return impl_->parser.expects_continue();
}
std::optional<RequestRefusal> RequestParser::objection() {
    return impl_->parser.objection();
}
void RequestParser::begin_body() {
    impl_->parser.eager(true);
}

}  // namespace backplane::core
