// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/log_routes.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <utility>

#include "api/answers.hpp"
#include "api/json_views.hpp"
#include "backplane/core/http_form.hpp"
#include "backplane/core/log.hpp"
#include "util/json_members.hpp"

namespace backplane::core {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto k_log_poll = 200ms;  // how often a waiting request for log records looks again
constexpr auto k_log_wait_most = 30s;
constexpr std::size_t k_log_waiters = 32;

std::uint64_t number_or(const std::string& text, std::uint64_t otherwise) {
    std::uint64_t value = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// Requests that wait for a record; shared with their timers.
struct Waiters {
    std::shared_ptr<const ApiContext> context;
    std::size_t count = 0;
};
using Timer = std::shared_ptr<boost::asio::steady_timer>;

void answer_logs(const std::shared_ptr<Waiters>& waiters, const HttpExchangePtr& exchange,
                 std::chrono::steady_clock::time_point until, const Timer& timer) {
    const std::string& query = exchange->request().query;
    const std::uint64_t after = number_or(form_value(query, "after").value_or(""), 0);
    const std::size_t limit =
        std::min<std::size_t>(number_or(form_value(query, "limit").value_or(""), 1000), 5000);
    const std::string component = form_value(query, "component").value_or("");
    LogLevel level = LogLevel::debug;
    if (const std::string wanted = form_value(query, "level").value_or("");
        !wanted.empty() && !parse_log_level(wanted, level))
        return exchange->respond(
            error_response(400, "logs.level",
                           "\"" + wanted + "\" is no level: give error, warning, info or debug"));

    auto records = recent_logs(after);
    const std::uint64_t last_seq = records.empty() ? after : records.back().seq;
    std::erase_if(records, [&](const LogRecord& record) {
        return record.level > level || (!component.empty() && record.component != component);
    });
    if (records.empty() && timer && std::chrono::steady_clock::now() < until) {
        timer->expires_after(k_log_poll);
        timer->async_wait([waiters, exchange, until, timer](const boost::system::error_code& ec) {
            if (!ec) answer_logs(waiters, exchange, until, timer);
        });
        return;
    }
    if (records.size() > limit)
        records.erase(records.begin(), records.end() - static_cast<std::ptrdiff_t>(limit));
    json::array out;
    for (const LogRecord& record : records) out.push_back(to_json(record));
    exchange->respond(json_response(200, {{"records", std::move(out)}, {"last_seq", last_seq}}));
}

void serve_logs(const std::shared_ptr<Waiters>& waiters, const HttpExchangePtr& exchange) {
    const auto wait = std::min<std::chrono::steady_clock::duration>(
        std::chrono::seconds{std::min<std::uint64_t>(
            number_or(form_value(exchange->request().query, "wait").value_or(""), 0), 60)},
        k_log_wait_most);
    Timer timer;
    if (wait > 0s && waiters->count < k_log_waiters) {
        ++waiters->count;
        timer.reset(new boost::asio::steady_timer(waiters->context->loop),
                    [waiters](boost::asio::steady_timer* t) {
                        --waiters->count;
                        delete t;
                    });
        exchange->on_gone([weak = std::weak_ptr(timer)] {
            if (const auto waiting = weak.lock()) waiting->cancel();
        });
    }
    answer_logs(waiters, exchange, std::chrono::steady_clock::now() + wait, timer);
}

json::object view(const LogLevels::Entry& entry) {
    json::object out{{"component", entry.component},
                     {"level", to_string(entry.level)},
                     {"configured", nullptr},
                     {"until", nullptr}};
    if (entry.configured) out["configured"] = to_string(*entry.configured);
    if (entry.until)
        out["until"] = std::chrono::duration<double>(entry.until->time_since_epoch()).count();
    return out;
}

/// The root, then whatever has a level of its own, and every plug-in, by name.
json::object list_of(const ApiContext& context) {
    std::set<std::string> names, plugins;
    for (const LogLevels::Entry& entry : context.log_levels->list()) names.insert(entry.component);
    for (const PluginInfo& plugin : context.registry.plugins())
        if (!plugin.name.empty() && plugin.state != "refused") plugins.insert(plugin.name);
    names.insert(plugins.begin(), plugins.end());
    json::array levels;
    for (const std::string& name : names) {
        json::object each = view(context.log_levels->entry(name));
        each["plugin"] = plugins.contains(name);
        levels.push_back(std::move(each));
    }
    return {{"levels", std::move(levels)}, {"available", {"debug", "info", "warning", "error"}}};
}

/// {"component": "" or a name, "level": a level or null, "hours": 168}
void change_level(const ApiContext& context, const HttpExchangePtr& exchange) {
    auto body = body_object(exchange);
    if (!body) return;
    const auto* const component = body->if_contains("component");
    if (component && !component->is_string())
        return exchange->respond(error_response(
            400, "logs.component", "\"component\" is a name, or \"\" for all that have none"));
    const std::string name = text_member(*body, "component");
    const auto* const wanted = body->if_contains("level");
    if (wanted && wanted->is_null()) {
        context.log_levels->clear(name);
        return exchange->respond(json_response(200, list_of(context)));
    }
    LogLevel level{};
    if (!parse_log_level(text_member(*body, "level"), level))
        return exchange->respond(
            error_response(400, "logs.level",
                           "give as \"level\" one of error, warning, info and debug, or null for "
                           "that of the configuration"));
    std::chrono::seconds time = k_log_level_time;
    if (const auto* hours = body->if_contains("hours")) {
        boost::system::error_code error;
        const auto number = hours->to_number<std::int64_t>(error);
        // What is wrong with it is said by whoever knows the limits.
        time = error || number < 0 || number > 10'000 ? 0s : std::chrono::hours{number};
    }
    if (const auto result = context.log_levels->set(name, level, time); !result)
        return exchange->respond(error_response(400, result.error().code, result.error().text));
    exchange->respond(json_response(200, list_of(context)));
}

}  // namespace

void install_log_routes(HttpRouter& router, std::shared_ptr<const ApiContext> context) {
    const auto waiters = std::make_shared<Waiters>(Waiters{context});
    router.add("/api/v1/logs",
               only(HttpMethod::get, "GET",
                    [waiters](const HttpExchangePtr& exchange) { serve_logs(waiters, exchange); }));
    router.add("/api/v1/logs/levels", [context](const HttpExchangePtr& exchange) {
        if (!context->log_levels)
            return exchange->respond(
                error_response(503, "logs.levels", "this box does not change its log levels"));
        const HttpHandler get = [&](const HttpExchangePtr& e) {
            e->respond(json_response(200, list_of(*context)));
        };
        if (exchange->request().method == HttpMethod::post) return change_level(*context, exchange);
        only(HttpMethod::get, "GET, POST", get)(exchange);
    });
}

}  // namespace backplane::core
