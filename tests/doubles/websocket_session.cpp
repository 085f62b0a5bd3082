// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/websocket_session.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>

namespace backplane::tests {

namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using Kind = Fault::Kind;

constexpr int k_continuation = 0, k_text = 1, k_binary = 2, k_close = 8, k_ping = 9, k_pong = 10;

std::string base64(const unsigned char* bytes, std::size_t size) {
    std::string text(4 * ((size + 2) / 3) + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes,
                                       static_cast<int>(size));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

std::string accept_key(const std::string& key) {
    const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    return base64(digest.data(), digest.size());
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i]);
        const std::size_t more = first < 0x80                     ? 0
                                 : first >= 0xc2 && first <= 0xdf ? 1
                                 : first >= 0xe0 && first <= 0xef ? 2
                                 : first >= 0xf0 && first <= 0xf4 ? 3
                                                                  : 4;
        if (more == 4 || i + more >= text.size()) return false;
        for (std::size_t k = 1; k <= more; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
        i += more + 1;
    }
    return true;
}

/// What RFC 6455, 7.4 allows on the wire, and what applications may use.
bool is_close_code(int code) {
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

}  // namespace

bool wants_websocket(const ReceivedRequest& request) {
    return lower(request.header("upgrade").value_or("")) == "websocket";
}

Answer answer_to_upgrade(const ReceivedRequest& request) {
    const auto refuse = [](int status, const std::string& why) {
        Answer answer = Answer::status(status);
        answer.body = why + "\n";
        answer.content_type = "text/plain";
        answer.last = true;
        return answer;
    };
    if (request.method != "GET" || !wants_websocket(request) ||
        lower(request.header("connection").value_or("")).find("upgrade") == std::string::npos)
        return refuse(400, "a WebSocket is opened with GET, Upgrade and Connection");
    for (const char* name : {"host", "origin", "sec-websocket-key", "sec-websocket-version"})
        if (request.header(name).value_or("").empty())
            return refuse(400, std::string("the header ") + name + " is missing");
    const std::string key = *request.header("sec-websocket-key");
    if (key.size() != 24 || !key.ends_with("=="))
        return refuse(400, "sec-websocket-key has to be 16 bytes in base64");
    if (*request.header("sec-websocket-version") != "13")
        return refuse(426, "only version 13 is spoken here").with("Sec-WebSocket-Version", "13");
    Answer answer;
    answer.code = 101;
    answer.headers = {{"Upgrade", "websocket"},
                      {"Connection", "Upgrade"},
                      {"Sec-WebSocket-Accept", accept_key(key)}};
    return answer;
}

std::optional<WebSocketFrame> take_client_frame(std::string& bytes, std::size_t limit,
                                                int& close_code) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    close_code = 0;
    if (bytes.size() < 2) return std::nullopt;
    WebSocketFrame frame;
    frame.last = (at(0) & 0x80) != 0;
    frame.opcode = at(0) & 0x0f;
    const bool control = frame.opcode >= k_close;
    const bool known = frame.opcode <= k_binary || (control && frame.opcode <= k_pong);
    std::size_t size = at(1) & 0x7f;
    const bool masked = (at(1) & 0x80) != 0;
    if ((at(0) & 0x70) != 0 || !known || !masked || (control && (!frame.last || size > 125))) {
        close_code = 1002;
        return std::nullopt;
    }
    std::size_t head = 2;
    if (size >= 126) {
        const std::size_t digits = size == 126 ? 2 : 8;
        if (bytes.size() < head + digits) return std::nullopt;
        std::uint64_t wide = 0;
        for (std::size_t i = 0; i < digits; ++i) wide = wide << 8 | at(head + i);
        head += digits;
        if (wide > limit) {
            close_code = 1009;
            return std::nullopt;
        }
        size = static_cast<std::size_t>(wide);
    }
    if (bytes.size() < head + 4 + size) return std::nullopt;
    frame.payload = bytes.substr(head + 4, size);
    for (std::size_t i = 0; i < size; ++i)
        frame.payload[i] = static_cast<char>(frame.payload[i] ^ bytes[head + i % 4]);
    bytes.erase(0, head + 4 + size);
    return frame;
}

std::string server_frame(int opcode, std::string_view payload) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    const std::size_t size = payload.size();
    if (size < 126) {
        frame += static_cast<char>(size);
    } else {
        const int digits = size < 65536 ? 2 : 8;
        frame += static_cast<char>(digits == 2 ? 126 : 127);
        for (int i = digits - 1; i >= 0; --i)
            frame += static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * i) & 0xff);
    }
    return frame.append(payload);
}

WebSocketSession::WebSocketSession(Connection& connection, ReceivedRequest request, Host host)
    : connection_(connection),
      request_(std::move(request)),
      host_(std::move(host)),
      seen_(Clock::now()) {}

void WebSocketSession::send_raw(std::string text) {
    {
        const std::lock_guard lock(mutex_);
        raw_.push_back(std::move(text));
    }
    connection_.wake();
}

void WebSocketSession::close(int code) {
    close_code_ = code;
    connection_.wake();
}

bool WebSocketSession::thaw() {
    for (;;) {
        const Kind kind = host_.faults.of(path()).kind;
        if (kind == Kind::reset) connection_.end(Connection::End::reset);
        if (kind == Kind::refuse) connection_.end(Connection::End::close);
        if (kind != Kind::black_hole) return !connection_.ended();
        if (!connection_.pause_until_woken()) return false;
        // It was not idle, it was frozen.
        seen_ = Clock::now();
        if (pinged_) pinged_ = seen_;
    }
}

void WebSocketSession::run() {
    const auto& rules = host_.rules;
    const auto end_of_life = Clock::now() + rules.life;
    while (thaw()) {
        if (const int code = close_code_) {
            fail(code);
            return;
        }
        if (!send_waiting()) return;
        const auto silence_ends = pinged_ ? *pinged_ + rules.pong : seen_ + rules.idle;
        const auto until = std::min(silence_ends, end_of_life);
        const auto ready = connection_.wait(std::chrono::ceil<std::chrono::milliseconds>(
            std::max(until - Clock::now(), Clock::duration::zero())));
        if (ready == Connection::Ready::over) return;
        if (ready == Connection::Ready::data && !handle_input()) return;
        if (ready != Connection::Ready::timeout || Clock::now() < until) continue;
        if (Clock::now() >= end_of_life) {
            fail(4002, "KEEP_ALIVE_TIMEOUT");
            return;
        }
        if (pinged_) return;  // nobody is there who could be told
        pinged_ = Clock::now();
        if (!connection_.write(server_frame(k_ping, {}))) return;
    }
}

bool WebSocketSession::send_waiting() {
    std::deque<std::string> raw;
    {
        const std::lock_guard lock(mutex_);
        raw.swap(raw_);
    }
    for (const auto& text : raw)
        if (!send_text(text)) return false;
    if (!subscription_) return true;
    const std::string list = host_.bus.next(*subscription_);
    return list.empty() || send_text(list);
}

bool WebSocketSession::send_text(std::string_view text) {
    const Fault fault = host_.faults.of(path());
    const std::string frame = server_frame(k_text, text);
    switch (fault.kind) {
        case Kind::slow:
            if (!connection_.pause(fault.delay)) return false;
            break;
        case Kind::half:
            connection_.write(std::string_view(frame).substr(0, frame.size() / 2));
            return false;
        case Kind::lost_answer:
            connection_.end(Connection::End::reset);
            return false;
        case Kind::wrong_json:
            if (!connection_.write(server_frame(k_text, R"([{"id": 1, "message": {"type":)")))
                return false;
            break;
        default:
            break;
    }
    return connection_.write(frame);
}

bool WebSocketSession::handle_input() {
    // It may have begun to be a black hole since the last look: then nothing has arrived.
    if (!thaw()) return false;
    const bool open = connection_.take();
    for (;;) {
        int code = 0;
        const auto frame = take_client_frame(connection_.buffer(), host_.rules.message_bytes, code);
        if (code != 0) return fail(code);
        if (!frame) return open;
        seen_ = Clock::now();
        pinged_.reset();
        if (!keeps_the_rate()) return fail(1013, "RATE_LIMIT");
        if (!handle(*frame)) return false;
    }
}

bool WebSocketSession::keeps_the_rate() {
    const auto now = Clock::now();
    while (!frames_.empty() && frames_.front() + host_.rules.rate_window < now) frames_.pop_front();
    frames_.push_back(now);
    return frames_.size() <= host_.rules.rate_frames;
}

bool WebSocketSession::handle(const WebSocketFrame& frame) {
    switch (frame.opcode) {
        case k_ping:
            return connection_.write(server_frame(k_pong, frame.payload));
        case k_pong:
            return true;
        case k_close: {
            int code = 1000;
            if (frame.payload.size() >= 2)
                code = static_cast<unsigned char>(frame.payload[0]) << 8 |
                       static_cast<unsigned char>(frame.payload[1]);
            if (frame.payload.size() == 1 || !is_close_code(code)) code = 1002;
            return fail(code);
        }
        default:
            break;
    }
    const bool begins = frame.opcode != k_continuation;
    if (begins != (message_opcode_ == 0)) return fail(1002);
    if (begins) message_opcode_ = frame.opcode;
    if (message_.size() + frame.payload.size() > host_.rules.message_bytes) return fail(1009);
    message_ += frame.payload;
    if (!frame.last) return true;
    const std::string whole = std::exchange(message_, {});
    const int opcode = std::exchange(message_opcode_, 0);
    if (opcode == k_text) return handle_text(whole);
    // The one binary message that means something: a sign of life.
    return whole == std::string(1, '\0') || fail(1003);
}

bool WebSocketSession::handle_text(const std::string& text) {
    if (!is_utf8(text)) return fail(1007);
    boost::system::error_code error;
    const json::value message = json::parse(text, error);
    const json::object* object = error ? nullptr : message.if_object();
    const json::value* name = object ? object->if_contains("event_name") : nullptr;
    if (!name || !name->is_string()) return fail(1011, "no event");
    if (name->as_string() != "subscribe") return true;
    const json::value* data = object->if_contains("data");
    const json::value* channels =
        data && data->is_object() ? data->as_object().if_contains("channels") : nullptr;
    if (!channels || !channels->is_array()) return fail(1011, "no channels");
    BusSubscription wanted;
    for (const auto& channel : channels->as_array()) {
        if (!channel.is_string()) return fail(1011, "no channel");
        wanted.channels.emplace_back(channel.as_string());
    }
    const json::value* last = data->as_object().if_contains("last");
    if (last && !last->is_int64()) return fail(1011, "no last");
    wanted.last = host_.bus.begin_of(last ? last->as_int64() : 0);
    // Pages of an older version are told to load again; the box must not look like one.
    if (request_.header("user-agent").value_or("").starts_with("Mozilla"))
        return fail(1000, "OUTDATED_VERSION");
    subscription_ = std::move(wanted);
    of_box_ = host_.bus.is_for_box(subscription_->channels);
    host_.subscribed(*this, *subscription_);
    return true;
}

/// Ends it politely; always false.
bool WebSocketSession::fail(int code, std::string_view reason) {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    payload.append(reason);
    if (connection_.write(server_frame(k_close, payload))) connection_.finish();
    return false;
}

}  // namespace backplane::tests
