// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "logs/log_shipper.hpp"

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>
#include <vector>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"
#include "logs/log_text_page.hpp"

namespace backplane::sync {

using namespace std::chrono_literals;

namespace {

constexpr const char* k_switch = "logs.to_server";
constexpr const char* k_component = "logs";
// Protocol page, 3.6.
constexpr std::chrono::milliseconds k_pause{500};
constexpr std::size_t k_batch = 50;
constexpr std::uint64_t k_most_waiting = 1'000;
constexpr std::chrono::milliseconds k_answer_time{10'000};
constexpr std::string_view k_end = "<log/>\n";
constexpr std::chrono::milliseconds k_first_back_off{30'000};
constexpr std::chrono::milliseconds k_longest_back_off{300'000};
// Of one batch; a server need not take megabytes for 50 lines.
constexpr std::size_t k_batch_bytes = 256u << 10;

/// Numbers of Python's logging, which the server expects.
int level_number(core::LogLevel level) {
    switch (level) {
        case core::LogLevel::error:
            return 40;
        case core::LogLevel::warning:
            return 30;
        case core::LogLevel::info:
            return 20;
        case core::LogLevel::debug:
            return 10;
    }
    return 20;
}

/// What only says that the log is being sent, or that a browser asks as it does all the time.
bool is_noise(const core::LogRecord& record) {
    if (record.component == k_component) return true;
    return std::any_of(record.fields.begin(), record.fields.end(), [](const auto& field) {
        const auto& [name, value] = field;
        if (name == "lane") return value == k_component;
        if (name != "path" && name != "target" && name != "url") return false;
        return value.find("/hw_proxy/hello") != std::string::npos ||
               value.find("/iot_drivers/event") != std::string::npos ||
               value.find("/hw_drivers/event") != std::string::npos ||
               value.find("/iot/log") != std::string::npos;
    });
}

/// A line cannot look like the end of a record.
void append_record(std::string& body, const core::LogRecord& record) {
    std::string line = log_line(record);
    for (std::size_t at = 0; (at = line.find("<log/>", at)) != std::string::npos;)
        line.replace(at, 6, "<log />");
    body += std::to_string(level_number(record.level)) + "," + line;
    body += k_end;
}

}  // namespace

struct LogShipper::State : std::enable_shared_from_this<State> {
    explicit State(Setup s) : setup(std::move(s)), lane(setup.lanes(k_component)) {
        const std::string& remembered = setup.store.value(k_switch);
        on = remembered.empty() ? setup.on_by_default : remembered == "1";
        server = setup.account.current().url;
        // A box that is paired at its start tells how it started.
        after = server.empty() ? core::last_log_seq() : 0;
    }

    void begin();
    void account_changed();
    void look_in(std::chrono::milliseconds time);
    void look();
    void answered(std::uint64_t up_to, std::size_t records,
                  const core::Result<ServerAnswer>& answer);
    void failed(std::string why);

    Setup setup;
    std::unique_ptr<Requests> lane;
    bool on = true;
    std::string server;
    std::uint64_t after = 0;  ///< the last record that is done with
    std::uint64_t sent = 0, dropped = 0;
    std::string reason;
    unsigned failures = 0;
    std::minstd_rand random{std::random_device{}()};

    core::Subscription account_listener, timer, request, log_listener;
    /// Set by the first record that nobody has been told of; shared with whoever logs.
    std::shared_ptr<std::atomic<bool>> told = std::make_shared<std::atomic<bool>>(false);
};

void LogShipper::State::begin() {
    account_listener = setup.account.on_change([weak = weak_from_this()] {
        if (const auto state = weak.lock()) state->account_changed();
    });
    if (setup.post) {
        // Called under the lock of the log, by any thread: one post for all records until the next look.
        log_listener = core::on_log([told = told, post = setup.post, weak = weak_from_this()] {
            if (told->exchange(true)) return;
            try {
                post([weak] {
                    if (const auto state = weak.lock())
                        if (!state->timer && !state->request) state->look_in(k_pause);
                });
            } catch (...) {  // no memory: the next record tells
                told->store(false);
            }
        });
    }
    look_in(k_pause);
}

void LogShipper::State::account_changed() {
    const std::string now = setup.account.current().url;
    if (now == server) return;
    // What was logged for somebody else, or for nobody, is not this server's business.
    server = now;
    after = core::last_log_seq();
    failures = 0;
    reason.clear();
    request.reset();
    look_in(k_pause);
}

void LogShipper::State::look_in(std::chrono::milliseconds time) {
    timer = setup.timer(time, guarded("logs", [weak = weak_from_this()] {
                            const auto state = weak.lock();
                            if (!state) return;
                            state->timer.reset();
                            state->look();
                        }));
}

void LogShipper::State::look() {
    // The switch and the account call again; until then nobody needs to tell.
    if (request || !on || server.empty()) return;
    told->store(false);
    const std::uint64_t last = core::last_log_seq();
    if (last - after > k_most_waiting) {
        dropped += last - after - k_most_waiting;
        after = last - k_most_waiting;
    }
    std::string body = "identifier " + setup.identifier();
    body += k_end;
    const std::size_t head = body.size();
    std::size_t records = 0;
    std::uint64_t up_to = after;
    while (up_to < last && records < k_batch && body.size() < k_batch_bytes) {
        const auto next = core::next_logs(up_to, k_batch - records);
        if (next.empty()) break;
        // The log holds less than 1,000 when its records are long.
        if (const std::uint64_t lost = next.front().seq - up_to - 1; lost > 0) {
            dropped += lost;
            if (up_to == after) after += lost;
        }
        for (const core::LogRecord& record : next) {
            if (body.size() >= k_batch_bytes) break;
            up_to = record.seq;
            if (is_noise(record)) continue;
            append_record(body, record);
            ++records;
        }
    }
    if (body.size() == head) {
        after = up_to;
        if (!setup.post) look_in(k_pause);
        return;
    }
    ServerRequest ask;
    ask.url = setup.account.url_of("/iot/log");
    // This request, and only this one, says which database is meant even if it does not know, and not who asks.
    ask.headers = {{"X-Odoo-Database", setup.account.current().db_name}};
    ask.body = std::move(body);
    ask.chunked = true;
    ask.answer_bytes = 64u << 10;
    ask.total = k_answer_time;
    request = lane->send(std::move(ask), [weak = weak_from_this(), up_to,
                                          records](core::Result<ServerAnswer> answer) {
        if (const auto state = weak.lock()) state->answered(up_to, records, answer);
    });
}

void LogShipper::State::answered(std::uint64_t up_to, std::size_t records,
                                 const core::Result<ServerAnswer>& answer) {
    request.reset();
    if (!answer) return failed(answer.error().text);
    const int status = answer->status;
    if (status >= 200 && status < 300) {
        after = up_to;
        sent += records;
        failures = 0;
        reason.clear();
        return look_in(k_pause);
    }
    // The same records would be refused again.
    if (status == 400 || status == 413 || status == 422) {
        after = up_to;
        dropped += records;
    }
    failed("the server at " + server + " answered the log of this box with HTTP " +
           std::to_string(status) +
           (status == 404 ? ": is Odoo's module for IoT boxes installed in this database?"
                          : ": its administrator can find the reason in its own log"));
}

void LogShipper::State::failed(std::string why) {
    reason = "the log is not sent for the moment: " + why;
    // Once for each time away; own records do not go to the server.
    if (failures++ == 0) core::log_warning(k_component, "sending.failed", {{"reason", why}});
    auto pause = k_first_back_off;
    for (unsigned i = 1; i < failures && pause < k_longest_back_off; ++i) pause *= 2;
    pause = std::min(pause, k_longest_back_off);
    // Boxes that lost the same server do not all come back in the same moment.
    pause +=
        std::chrono::milliseconds{std::uniform_int_distribution<std::chrono::milliseconds::rep>{
            0, pause.count() / 4}(random)};
    look_in(pause);
}

LogShipper::LogShipper(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    state_->begin();
}

LogShipper::~LogShipper() {
    state_->log_listener.reset();
    state_->request.reset();
    state_->timer.reset();
    state_->account_listener.reset();
}

void LogShipper::switch_on(bool on) {
    State& state = *state_;
    state.setup.store.set({{k_switch, on ? "1" : "0"}});
    if (state.on == on) return;
    state.on = on;
    core::log_info(k_component, on ? "sending.on" : "sending.off");
    state.request.reset();
    state.timer.reset();
    state.failures = 0;
    state.reason.clear();
    if (!on) return;
    state.after = core::last_log_seq();
    state.look_in(k_pause);
}

LogShipperStatus LogShipper::status() const {
    LogShipperStatus out;
    out.on = state_->on;
    out.sent = state_->sent;
    out.dropped = state_->dropped;
    if (!state_->on)
        out.reason = "sending the log to the server is switched off";
    else if (state_->server.empty())
        out.reason = "the box is not paired: its log stays here";
    else
        out.reason = state_->reason;
    return out;
}

}  // namespace backplane::sync
