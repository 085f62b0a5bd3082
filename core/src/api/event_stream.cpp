// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/event_stream.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <memory>

#include "api/json_views.hpp"
#include "backplane/core/http_form.hpp"

namespace backplane::core {

namespace {

// Shorter than the idle limits of common proxies; also how a half-open connection is noticed.
constexpr auto k_heartbeat = std::chrono::seconds{15};

class Stream : public std::enable_shared_from_this<Stream> {
public:
    Stream(boost::asio::io_context& loop, EventRing& events, HttpExchangePtr exchange)
        : events_(events), exchange_(std::move(exchange)), heartbeat_(loop) {}

    void begin() {
        const HttpRequest& request = exchange_->request();
        device_ = form_value(request.query, "device").value_or("");
        std::string after = form_value(request.query, "after").value_or("");
        if (const auto header = request.header("Last-Event-ID"); !header.empty()) after = header;
        EventSeq cursor = events_.last_seq();
        if (!after.empty()) std::from_chars(after.data(), after.data() + after.size(), cursor);

        exchange_->on_gone([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->end();
        });
        HttpResponse head;
        head.content_type = "text/event-stream";
        head.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
        exchange_->begin_stream(std::move(head));
        std::string first = "retry: 1000\n\n";
        // The numbers start again with the box: a cursor from before a restart means nothing here.
        if (cursor > events_.last_seq()) cursor = 0;
        if (cursor + 1 < events_.oldest_seq())
            first += "event: gap\ndata: {\"after\":" + std::to_string(cursor) +
                     ",\"oldest\":" + std::to_string(events_.oldest_seq()) + "}\n\n";
        const auto wanted = [this](const Event& event) {
            return device_.empty() || event.device_identifier == device_;
        };
        while (const EventPtr event = events_.first_after(cursor, wanted)) {
            first += piece(*event);
            cursor = event->seq;
        }
        // Held by the subscription and the timer; end() lets go of both.
        keep_ = shared_from_this();
        if (!exchange_->write(std::move(first))) return end();
        subscription_ = events_.subscribe([this, wanted](const EventPtr& event) {
            if (wanted(*event) && !exchange_->write(piece(*event))) end();
        });
        beat();
    }

private:
    static std::string piece(const Event& event) {
        const boost::json::object json = to_json(event);
        return "id: " + std::to_string(event.seq) +
               "\nevent: " + std::string(json.at("kind").as_string()) +
               "\ndata: " + boost::json::serialize(json) + "\n\n";
    }
    void beat() {
        heartbeat_.expires_after(k_heartbeat);
        heartbeat_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self || !self->exchange_) return;
            if (!self->exchange_->write(": \n\n")) return self->end();
            self->beat();
        });
    }
    void end() {
        subscription_.reset();
        heartbeat_.cancel();
        const auto last = std::move(keep_);
        if (exchange_) std::exchange(exchange_, nullptr)->close();
    }

    EventRing& events_;
    HttpExchangePtr exchange_;
    boost::asio::steady_timer heartbeat_;
    std::string device_;
    Subscription subscription_;
    std::shared_ptr<Stream> keep_;
};

}  // namespace

void serve_event_stream(boost::asio::io_context& loop, EventRing& events,
                        const HttpExchangePtr& exchange) {
    std::make_shared<Stream>(loop, events, exchange)->begin();
}

}  // namespace backplane::core
