// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/odoo_server.hpp"

#include <httplib.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace backplane::tests {

namespace {

/// A name of the content that changes with it (FNV-1a): all that an ETag has to be.
std::string name_of(const std::string& content) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : content) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211ULL;
    }
    return "h" + std::to_string(hash);
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::optional<std::string> first_of(const std::multimap<std::string, std::string>& map,
                                    const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

// ---- answers ------------------------------------------------------------------------------------

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
    answer.headers.emplace_back("ETag", '"' + name_of(body.bytes()) + '"');
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

// ---- the server ---------------------------------------------------------------------------------

struct OdooServer::Impl {
    explicit Impl(std::unique_ptr<httplib::Server> with, std::string its_scheme)
        : scheme(std::move(its_scheme)), server(std::move(with)) {
        if (!server->is_valid()) throw std::runtime_error("the test server takes no certificate");
        // One connection, one request: the end of an answer must be seen by its client at once.
        server->set_keep_alive_max_count(1);
        server->set_tcp_nodelay(true);
        server->Post("/iot/get_handlers",
                     [this](const httplib::Request& request, httplib::Response& response) {
                         give(answer_to(note(request)), response);
                     });
        const auto other = [this](const httplib::Request& request, httplib::Response& response) {
            note(request);
            response.status = 404;
        };
        server->Get(".*", other);
        server->Post(".*", other);
        const int bound = server->bind_to_any_port("127.0.0.1");
        if (bound <= 0) throw std::runtime_error("the test server finds no port");
        port = static_cast<std::uint16_t>(bound);
        thread = std::thread([this] { server->listen_after_bind(); });
    }

    ~Impl() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        changed.notify_all();
        // A server that has not begun to listen does not notice stop().
        while (!server->is_running()) std::this_thread::yield();
        server->stop();
        thread.join();
    }

    ReceivedRequest note(const httplib::Request& request) {
        ReceivedRequest kept{request.method, request.path, request.body, {}, {}};
        kept.form.insert(request.params.begin(), request.params.end());
        for (const auto& [name, value] : request.headers) kept.headers.emplace(lower(name), value);
        {
            const std::lock_guard lock(mutex);
            requests.push_back(kept);
        }
        changed.notify_all();
        return kept;
    }

    Answer answer_to(const ReceivedRequest& request) {
        const std::lock_guard lock(mutex);
        if (!answers.empty()) {
            Answer next = std::move(answers.front());
            answers.pop_front();
            return next;
        }
        if (delivered.empty() || (!automatic && request.field("auto") != "False"))
            return Answer::empty();
        // Odoo compares without quotes, which is how its boxes send it.
        if (request.header("If-None-Match") == name_of(delivered)) {
            Answer unchanged;
            unchanged.code = 304;
            return unchanged;
        }
        return Answer::zip(delivered);
    }

    void give(Answer answer, httplib::Response& response) {
        response.status = answer.code;
        for (const auto& [name, value] : answer.headers) response.set_header(name, value);
        const std::string type = answer.content_type;
        switch (answer.kind) {
            case Answer::Kind::whole:
                if (!answer.chunked) return response.set_content(answer.body, type);
                answer.keep = answer.body.size();
                return give_part(std::move(answer), response);
            case Answer::Kind::truncated:
                return give_part(std::move(answer), response);
            case Answer::Kind::endless:
                return response.set_content_provider(
                    type, [this, block = std::string(64 * 1024, 'P')](std::size_t,
                                                                      httplib::DataSink& sink) {
                        return !is_stopping() && sink.write(block.data(), block.size());
                    });
            case Answer::Kind::drip:
                return give_slowly(std::move(answer), response);
            case Answer::Kind::silence: {
                std::unique_lock lock(mutex);
                changed.wait(lock, [this] { return stopping; });
                return;
            }
        }
    }

    /// `keep` bytes; when that is not all, the connection ends behind them.
    static void give_part(Answer answer, httplib::Response& response) {
        const std::string type = answer.content_type;
        const bool chunked = answer.chunked;
        const std::size_t size = answer.body.size();
        auto write = [answer = std::move(answer)](std::size_t offset, httplib::DataSink& sink) {
            if (offset < answer.keep &&
                !sink.write(answer.body.data() + offset, answer.keep - offset))
                return false;
            if (answer.keep < answer.body.size()) return false;
            if (answer.chunked) sink.done();
            return true;
        };
        if (chunked)
            response.set_chunked_content_provider(type, write);
        else
            response.set_content_provider(
                size, type, [write](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                    return write(offset, sink);
                });
    }

    void give_slowly(Answer answer, httplib::Response& response) {
        const std::string type = answer.content_type;
        const std::size_t size = answer.body.size();
        // Ten times a second; a rate below that comes byte by byte.
        const std::size_t step = std::max<std::size_t>(1, answer.bytes_per_s / 10);
        const auto pause = std::chrono::microseconds(1'000'000 * step /
                                                     std::max<std::size_t>(1, answer.bytes_per_s));
        response.set_content_provider(
            size, type,
            [this, answer = std::move(answer), step, pause](std::size_t offset, std::size_t left,
                                                            httplib::DataSink& sink) {
                if (!sink.write(answer.body.data() + offset, std::min(step, left))) return false;
                std::unique_lock lock(mutex);
                return !changed.wait_for(lock, pause, [this] { return stopping; });
            });
    }

    bool is_stopping() {
        const std::lock_guard lock(mutex);
        return stopping;
    }

    const std::string scheme;
    std::uint16_t port = 0;
    std::mutex mutex;
    std::condition_variable changed;
    // guarded by mutex
    bool stopping = false;
    bool automatic = true;
    std::string delivered;
    std::deque<Answer> answers;
    std::vector<ReceivedRequest> requests;

    std::unique_ptr<httplib::Server> server;
    std::thread thread;
};

OdooServer::OdooServer()
    : impl_(std::make_unique<Impl>(std::make_unique<httplib::Server>(), "http")) {}

OdooServer::OdooServer(const Certificate& identity)
    : impl_(std::make_unique<Impl>(
          std::make_unique<httplib::SSLServer>(identity.x509.get(), identity.key.get()), "https")) {
}

OdooServer::~OdooServer() = default;

std::uint16_t OdooServer::port() const noexcept {
    return impl_->port;
}

std::string OdooServer::url(const std::string& host) const {
    return impl_->scheme + "://" + host + ":" + std::to_string(impl_->port);
}

void OdooServer::handlers(const Content& zip) {
    const std::lock_guard lock(impl_->mutex);
    impl_->delivered = zip.bytes();
}

void OdooServer::automatic_update(bool on) {
    const std::lock_guard lock(impl_->mutex);
    impl_->automatic = on;
}

std::string OdooServer::etag() const {
    const std::lock_guard lock(impl_->mutex);
    return name_of(impl_->delivered);
}

void OdooServer::script(std::vector<Answer> answers) {
    const std::lock_guard lock(impl_->mutex);
    for (auto& answer : answers) impl_->answers.push_back(std::move(answer));
}

std::vector<ReceivedRequest> OdooServer::requests() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->requests;
}

bool OdooServer::wait_for_requests(std::size_t count, std::chrono::milliseconds limit) const {
    std::unique_lock lock(impl_->mutex);
    return impl_->changed.wait_for(lock, limit, [&] { return impl_->requests.size() >= count; });
}

}  // namespace backplane::tests
