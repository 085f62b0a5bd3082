// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The answers of an Odoo server to its boxes (protocol page, section 3), and to the pairing and certificate services.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>

#include "doubles/odoo_database.hpp"

namespace backplane::tests {

namespace {

namespace json = boost::json;

template <class T>
void keep(std::deque<T>& all, T one, std::size_t limit) {
    all.push_back(std::move(one));
    while (all.size() > limit) all.pop_front();
}

std::string text_in(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

Answer rpc(const json::value& id, json::object with) {
    with["jsonrpc"] = "2.0";
    with["id"] = id;
    return Answer::json(json::serialize(with));
}

json::object rpc_error(int code, std::string_view message, std::string_view name) {
    return {{"error",
             {{"code", code},
              {"message", message},
              {"data",
               {{"name", name},
                {"message", message},
                {"arguments", json::array{}},
                {"context", json::object{}},
                {"debug", ""}}}}}};
}

bool is_rpc_route(const std::string& path) {
    for (const char* route :
         {"/iot/setup", "/iot/box/send_websocket", "/iot/box/update_certificate_status",
          "/iot/box/webrtc_answer", "/web/webclient/version_info", "/websocket/peek_notifications",
          "/odoo-enterprise/iot/connect-box", "/odoo-enterprise/iot/x509"})
        if (path == route) return true;
    return false;
}

}  // namespace

void OdooDatabase::note(const ReceivedRequest& request) {
    {
        const std::lock_guard lock(mutex_);
        keep(requests_, request, settings_.remembered);
        ++request_counts_[request.path];
    }
    changed();
}

bool OdooDatabase::belongs_to_a_database(const ReceivedRequest& request) const {
    const auto exists = [&](const std::string& name) {
        return std::find(settings_.databases.begin(), settings_.databases.end(), name) !=
               settings_.databases.end();
    };
    if (const auto named = request.header("x-odoo-database"); named && !named->empty())
        return exists(*named);
    if (settings_.databases.size() == 1) return true;
    const std::lock_guard lock(mutex_);
    const auto session = sessions_.find(request.cookie("session_id").value_or(""));
    return session != sessions_.end() && exists(session->second.database);
}

std::optional<Answer> OdooDatabase::scripted(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto script = scripts_.find(path);
    if (script == scripts_.end() || script->second.empty()) return std::nullopt;
    Answer next = std::move(script->second.front());
    script->second.pop_front();
    return next;
}

Answer OdooDatabase::answer(const ReceivedRequest& request) {
    const std::string& path = request.path;
    if (auto answer = scripted(path)) return std::move(*answer);
    std::function<Answer(const ReceivedRequest&)> own;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = routes_.find(path); found != routes_.end()) own = found->second;
    }
    if (own) return own(request);
    if (path == "/websocket/health") return Answer::json(R"({"status": "pass"})");
    if (path == "/web/login") return answer_to_login(request);
    const bool of_database = !path.starts_with("/odoo-enterprise/");
    if (of_database && !belongs_to_a_database(request)) return Answer::status(404);
    if (is_rpc_route(path)) return answer_to_rpc(request);
    if (request.method == "POST" && path == "/iot/get_handlers") return answer_to_handlers(request);
    if (request.method == "POST" && path == "/iot/log") {
        take_logs(request);
        return Answer::empty();
    }
    if (request.method == "POST" && path == "/iot/keyboard_layouts") return take_layouts(request);
    if (path.starts_with("/iot/box/") && path.ends_with("/display_url")) {
        const std::lock_guard lock(mutex_);
        return Answer::json(display_answer_);
    }
    return Answer::status(404);
}

Answer OdooDatabase::answer_to_handlers(const ReceivedRequest& request) {
    const std::lock_guard lock(mutex_);
    if (delivered_.empty() || (!automatic_ && request.field("auto") != "False"))
        return Answer::empty();
    // Odoo compares without quotes, which is how its boxes send it.
    if (request.header("If-None-Match") == etag_of(delivered_)) {
        Answer unchanged;
        unchanged.code = 304;
        return unchanged;
    }
    return Answer::zip(delivered_);
}

Answer OdooDatabase::answer_to_login(const ReceivedRequest& request) {
    const std::string wanted = request.field("db").value_or(settings_.databases.front());
    if (std::find(settings_.databases.begin(), settings_.databases.end(), wanted) ==
        settings_.databases.end())
        return Answer::redirect("/web/database/selector", 303);
    return Answer::html().with(
        "Set-Cookie", "session_id=" + new_session(wanted) + "; Max-Age=604800; HttpOnly; Path=/");
}

std::string OdooDatabase::new_session(std::string database) {
    const std::lock_guard lock(mutex_);
    std::string id = "s3ss10n-" + std::to_string(++sessions_made_);
    sessions_[id] = {std::move(database), false};
    return id;
}

Answer OdooDatabase::answer_to_rpc(const ReceivedRequest& request) {
    if (request.method != "POST") return Answer::status(405);
    const std::string type = lower(request.header("content-type").value_or(""));
    if (!type.starts_with("application/json")) return Answer::status(415);
    boost::system::error_code error;
    const json::value body = json::parse(request.body, error);
    if (error || !body.is_object()) return Answer::status(400);
    const json::value* id = body.as_object().if_contains("id");
    const json::value* params = body.as_object().if_contains("params");
    const json::object given = params && params->is_object() ? params->as_object() : json::object{};
    if (request.path == "/websocket/peek_notifications")
        return answer_to_poll(request, id ? *id : json::value{}, given);
    return rpc(id ? *id : json::value{}, result_of(request.path, given));
}

json::object OdooDatabase::result_of(const std::string& path, const json::object& params) {
    if (path == "/odoo-enterprise/iot/connect-box") {
        json::object result = pairing_.ask(params);
        changed();
        return result;
    }
    if (path == "/odoo-enterprise/iot/x509") return certificates_.ask(params);
    if (path == "/web/webclient/version_info")
        return {{"result",
                 {{"server_version", settings_.series + "+e"},
                  {"server_serie", settings_.series},
                  {"protocol_version", 1}}}};
    json::object result;
    {
        const std::lock_guard lock(mutex_);
        if (path == "/iot/setup") {
            const json::value* box = params.if_contains("iot_box");
            const std::string identifier =
                box && box->is_object() ? text_in(box->as_object(), "identifier") : std::string{};
            if (identifier.empty())
                return rpc_error(200, "Odoo Server Error", "odoo.exceptions.ValidationError");
            if (std::find(boxes_.begin(), boxes_.end(), identifier) == boxes_.end())
                boxes_.push_back(identifier);
            keep(registrations_, params, settings_.remembered);
            result["result"] = setup_result_.value_or(json::value(bus_.channel_of(identifier)));
        } else if (path == "/iot/box/send_websocket") {
            keep(replies_, params, settings_.remembered);
            ++reply_count_;
        } else if (path == "/iot/box/update_certificate_status") {
            keep(certificate_statuses_, params, settings_.remembered);
        }
    }
    changed();
    return result;
}

Answer OdooDatabase::answer_to_poll(const ReceivedRequest& request, const json::value& id,
                                    const json::object& params) {
    std::string session = request.cookie("session_id").value_or("");
    const json::value* first = params.if_contains("is_first_poll");
    bool known = false;
    {
        const std::lock_guard lock(mutex_);
        const auto found = sessions_.find(session);
        known = found != sessions_.end();
        if (known && first && first->is_bool() && first->as_bool()) found->second.polls = true;
        const bool polls = known && found->second.polls;
        if (!polls && !(first && first->is_bool() && first->as_bool()))
            return rpc(id,
                       rpc_error(100, "Odoo Session Expired", "odoo.http.SessionExpiredException"));
    }
    if (!known) {
        session = new_session(settings_.databases.front());
        const std::lock_guard lock(mutex_);
        sessions_[session].polls = true;
    }
    BusSubscription wanted;
    const json::value* channels = params.if_contains("channels");
    const json::value* last = params.if_contains("last");
    if (!channels || !channels->is_array() || !last || !last->is_int64())
        return rpc(id, rpc_error(200, "Odoo Server Error", "builtins.TypeError"));
    for (const auto& channel : channels->as_array())
        if (channel.is_string()) wanted.channels.emplace_back(channel.as_string());
    wanted.last = bus_.begin_of(last->as_int64());
    const json::value listened = *channels;
    json::array list = bus_.next_entries(wanted);
    return rpc(id, {{"result",
                     json::object{{"channels", listened}, {"notifications", std::move(list)}}}})
        .with("Set-Cookie", "session_id=" + session + "; HttpOnly; Path=/");
}

void OdooDatabase::take_logs(const ReceivedRequest& request) {
    constexpr std::string_view k_end = "<log/>\n";
    std::string_view rest = request.body;
    std::string identifier;
    std::deque<ReceivedLog> taken;
    while (!rest.empty()) {
        const auto end = rest.find(k_end);
        const auto record = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + k_end.size());
        if (identifier.empty() && record.starts_with("identifier ")) {
            identifier = record.substr(11);
            continue;
        }
        ReceivedLog log{identifier, 0, {}, request.chunked()};
        const auto comma = std::min(record.find(','), record.size());
        std::from_chars(record.data(), record.data() + comma, log.level);
        if (comma < record.size()) log.line = record.substr(comma + 1);
        taken.push_back(std::move(log));
    }
    {
        const std::lock_guard lock(mutex_);
        for (auto& log : taken) keep(logs_, std::move(log), settings_.remembered);
    }
    changed();
}

Answer OdooDatabase::take_layouts(const ReceivedRequest& request) {
    boost::system::error_code error;
    json::value list = json::parse(request.field("available_layouts").value_or(""), error);
    if (error) return Answer::status(400);
    {
        const std::lock_guard lock(mutex_);
        keep(layouts_, std::move(list), settings_.remembered);
    }
    changed();
    return Answer::empty();
}

}  // namespace backplane::tests
