// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/http_exchange.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace backplane::tests {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t k_head_limit = 64u << 10;
constexpr std::size_t k_body_limit = 128u << 20;
constexpr std::chrono::seconds k_rest_limit{30};

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decode(std::string_view text, bool plus_is_blank) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 &&
            hex(text[i + 2]) >= 0) {
            decoded += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            decoded += plus_is_blank && text[i] == '+' ? ' ' : text[i];
        }
    }
    return decoded;
}

void add_form(std::string_view text, ReceivedRequest& request) {
    while (!text.empty()) {
        const auto stop = std::min(text.find('&'), text.size());
        const auto pair = text.substr(0, stop);
        const auto equal = std::min(pair.find('='), pair.size());
        if (!pair.empty())
            request.form.emplace(
                decode(pair.substr(0, equal), true),
                decode(equal < pair.size() ? pair.substr(equal + 1) : std::string_view{}, true));
        text.remove_prefix(std::min(stop + 1, text.size()));
    }
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool read_head(std::string_view head, ReadRequest& into) {
    const auto line_end = head.find("\r\n");
    const auto line = head.substr(0, line_end);
    const auto first = line.find(' ');
    const auto second = line.rfind(' ');
    if (first == std::string_view::npos || second <= first) return false;
    const auto version = line.substr(second + 1);
    if (!version.starts_with("HTTP/1.")) return false;
    into.keep_alive = version == "HTTP/1.1";
    into.request.method = line.substr(0, first);
    const auto target = line.substr(first + 1, second - first - 1);
    if (!target.starts_with('/')) return false;
    const auto query = std::min(target.find('?'), target.size());
    into.request.path = decode(target.substr(0, query), false);
    if (query < target.size()) add_form(target.substr(query + 1), into.request);
    head.remove_prefix(line_end + 2);
    while (!head.empty()) {
        const auto end = head.find("\r\n");
        const auto header = head.substr(0, end);
        const auto colon = header.find(':');
        if (colon == std::string_view::npos || colon == 0) return false;
        into.request.headers.emplace(lower(std::string(header.substr(0, colon))),
                                     std::string(trimmed(header.substr(colon + 1))));
        head.remove_prefix(end + 2);
    }
    const auto wish = lower(into.request.header("connection").value_or(""));
    if (wish == "close") into.keep_alive = false;
    return true;
}

/// The line up to its end, which is taken too; nothing when it does not come.
std::optional<std::string> read_line(Connection& connection, Clock::time_point until) {
    std::string& buffer = connection.buffer();
    for (;;) {
        if (const auto end = buffer.find("\r\n"); end != std::string::npos) {
            std::string line = buffer.substr(0, end);
            buffer.erase(0, end + 2);
            return line;
        }
        if (buffer.size() > 1024 || !connection.fill(until)) return std::nullopt;
    }
}

bool read_bytes(Connection& connection, std::size_t count, std::string& into,
                Clock::time_point until) {
    std::string& buffer = connection.buffer();
    while (buffer.size() < count)
        if (!connection.fill(until)) return false;
    into.append(buffer, 0, count);
    buffer.erase(0, count);
    return true;
}

/// 0, or the status that refuses it; -1: the client is gone.
int read_chunks(Connection& connection, std::string& body, Clock::time_point until) {
    for (;;) {
        const auto line = read_line(connection, until);
        if (!line) return -1;
        std::size_t size = 0;
        const auto parsed = std::from_chars(line->data(), line->data() + line->size(), size, 16);
        if (parsed.ec != std::errc{} ||
            (parsed.ptr != line->data() + line->size() && *parsed.ptr != ';'))
            return 400;
        if (size > k_body_limit || body.size() + size > k_body_limit) return 413;
        if (size == 0) break;
        if (!read_bytes(connection, size, body, until)) return -1;
        const auto end = read_line(connection, until);
        if (!end) return -1;
        if (!end->empty()) return 400;
    }
    for (;;) {  // trailers
        const auto line = read_line(connection, until);
        if (!line) return -1;
        if (line->empty()) return 0;
    }
}

int read_body(Connection& connection, ReceivedRequest& request, Clock::time_point until) {
    if (request.chunked()) {
        if (request.header("content-length")) return 400;
        return read_chunks(connection, request.body, until);
    }
    const auto length = request.header("content-length");
    if (!length) return request.header("transfer-encoding") ? 400 : 0;
    std::size_t size = 0;
    const auto parsed = std::from_chars(length->data(), length->data() + length->size(), size);
    if (parsed.ec != std::errc{} || parsed.ptr != length->data() + length->size()) return 400;
    if (size > k_body_limit) return 413;
    return read_bytes(connection, size, request.body, until) ? 0 : -1;
}

std::string_view reason(int status) {
    switch (status) {
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 426:
            return "Upgrade Required";
        case 500:
            return "Internal Server Error";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        default:
            return "Because";
    }
}

bool write_slowly(Connection& connection, const Answer& answer) {
    // Ten times a second; a rate below that comes byte by byte.
    const std::size_t rate = std::max<std::size_t>(1, answer.bytes_per_s);
    const std::size_t step = std::max<std::size_t>(1, rate / 10);
    const auto pause = std::chrono::milliseconds(1000 * step / rate);
    for (std::size_t at = 0; at < answer.body.size(); at += step)
        if (!connection.write(std::string_view(answer.body).substr(at, step)) ||
            !connection.pause(pause))
            return false;
    return true;
}

bool write_chunk(Connection& connection, std::string_view bytes) {
    std::array<char, 20> size;
    const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
    return connection.write({size.data(), static_cast<std::size_t>(length)}) &&
           connection.write(bytes) && connection.write("\r\n");
}

}  // namespace

std::optional<ReadRequest> read_request(Connection& connection, std::chrono::milliseconds idle) {
    std::string& buffer = connection.buffer();
    const auto refuse = [&](int status) {
        Answer answer = Answer::status(status);
        answer.last = true;
        write_answer(connection, answer, {}, false);
        return std::nullopt;
    };
    auto until = Clock::now() + idle;
    bool begun = !buffer.empty();
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
        if (buffer.size() > k_head_limit) return refuse(431);
        if (!connection.fill(until)) return std::nullopt;
        if (!begun) until = Clock::now() + k_rest_limit;
        begun = true;
    }
    ReadRequest read;
    if (end > k_head_limit) return refuse(431);
    if (!read_head(std::string_view(buffer).substr(0, end + 2), read)) return refuse(400);
    buffer.erase(0, end + 4);
    if (const int bad = read_body(connection, read.request, Clock::now() + k_rest_limit)) {
        if (bad < 0) return std::nullopt;
        return refuse(bad);
    }
    if (lower(read.request.header("content-type").value_or(""))
            .starts_with("application/x-www-form-urlencoded"))
        add_form(read.request.body, read.request);
    return read;
}

bool write_answer(Connection& connection, const Answer& answer, const std::string& date,
                  bool head_only) {
    using Kind = Answer::Kind;
    if (answer.kind == Kind::reset) {
        connection.end(Connection::End::reset);
        return false;
    }
    if (answer.kind == Kind::silence) {
        while (connection.pause(std::chrono::hours{1})) {
        }
        return false;
    }
    const bool bodiless = answer.code == 304 || answer.code == 204 || answer.code < 200;
    const bool close = answer.last || answer.kind != Kind::whole;
    std::string head =
        "HTTP/1.1 " + std::to_string(answer.code) + " " + std::string(reason(answer.code)) + "\r\n";
    if (!date.empty()) head += "Date: " + date + "\r\n";
    if (answer.code >= 200 && !answer.content_type.empty())
        head += "Content-Type: " + answer.content_type + "\r\n";
    for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
    if (answer.chunked && !bodiless)
        head += "Transfer-Encoding: chunked\r\n";
    else if (answer.kind != Kind::endless && !bodiless)
        head += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    if (answer.code >= 200) head += close ? "Connection: close\r\n" : "Connection: keep-alive\r\n";
    if (!connection.write(head + "\r\n")) return false;
    if (bodiless || head_only) return !close;
    switch (answer.kind) {
        case Kind::whole:
            if (!answer.chunked) return connection.write(answer.body) && !close;
            if (!answer.body.empty() && !write_chunk(connection, answer.body)) return false;
            return connection.write("0\r\n\r\n") && !close;
        case Kind::truncated: {
            const auto kept = std::string_view(answer.body).substr(0, answer.keep);
            if (answer.chunked)
                write_chunk(connection, kept);
            else
                connection.write(kept);
            return false;
        }
        case Kind::drip:
            write_slowly(connection, answer);
            return false;
        case Kind::endless: {
            const std::string block(64 * 1024, 'P');
            while (connection.write(block)) {
            }
            return false;
        }
        case Kind::silence:
        case Kind::reset:
            break;
    }
    return false;
}

std::string http_date(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 40> text;
    const std::size_t size =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text.data(), size};
}

}  // namespace backplane::tests
