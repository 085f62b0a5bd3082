// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/box_pages.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <map>

#include "browser/json_rpc.hpp"
#include "logs/log_text_page.hpp"

namespace backplane::sync {

namespace json = boost::json;
using std::chrono::system_clock;

namespace {

core::HttpResponse json_page(const json::value& content) {
    core::HttpResponse response;
    response.content_type = "application/json; charset=utf-8";
    response.body = json::serialize(content);
    add_cors(response, k_plain_methods);
    return response;
}

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

std::string utc_text(system_clock::time_point time, const char* format) {
    const std::time_t seconds = system_clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

/// Since the machine was started, in whatever time zone and with whatever clock.
double system_uptime() {
    timespec time{};
    if (clock_gettime(CLOCK_BOOTTIME, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Goes into a header and becomes a file name.
std::string safe_name(const std::string& name) {
    std::string out;
    for (const char c : name)
        if (out.size() < 63 &&
            (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.'))
            out += c;
    return out.empty() ? "box" : out;
}

}  // namespace

core::HttpResponse ping_page() {
    return json_page(json::object{{"status", "success"}, {"message", "pong"}});
}

json::object box_data(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices,
                      const PairingData& pairing) {
    const auto text_or_false = [](const std::string& text) {
        return text.empty() ? json::value(false) : json::value(text);
    };
    std::map<std::string, json::array> by_type;
    for (const auto& device : devices) {
        const bool unsupported = device.state == core::DeviceState::unsupported;
        const std::string type = unsupported ? "unsupported" : device.type;
        // Without a type nobody knows yet what it is: a moment later it has one.
        if (type.empty() || device.state == core::DeviceState::gone) continue;
        by_type[type].push_back(json::object{{"name", device.name},
                                             {"type", type},
                                             {"identifier", device.identifier},
                                             {"connection", device.connection}});
    }
    json::object grouped;
    for (auto& [type, entries] : by_type) grouped[type] = std::move(entries);

    const auto uptime =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - box.started);
    json::object out;
    out["db_uuid"] = nullptr;  // with the next one it fetches a certificate: never told here
    out["enterprise_code"] = nullptr;
    out["wifi_ssid"] = nullptr;
    out["ip"] = text_or_null(box.ip);
    out["identifier"] = box.identifier;
    out["mac_address"] = text_or_null(box.mac);
    out["devices"] = std::move(grouped);
    out["server_status"] = box.server_url;
    out["new_database_url"] = text_or_false(pairing.new_url);
    out["pairing_code"] = text_or_false(pairing.code);
    out["pairing_code_expired"] = pairing.expired;
    out["six_terminal"] = "Not Configured";
    out["is_access_point_up"] = false;
    out["network_interfaces"] = json::array{};
    out["version"] = box.version;
    out["system"] = "Linux";
    out["odoo_uptime_seconds"] = uptime.count();
    out["system_uptime_seconds"] = system_uptime();
    out["certificate_end_date"] = text_or_null(box.certificate_end);
    out["qr_code_wifi"] = nullptr;
    out["qr_code_url"] = nullptr;
    return out;
}

core::HttpResponse data_page(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices,
                             const PairingData& pairing) {
    return json_page(box_data(box, devices, pairing));
}

core::HttpResponse log_page(const std::string& hostname,
                            const std::vector<core::LogRecord>& records,
                            system_clock::time_point now) {
    core::HttpResponse response;
    for (const auto& record : records) response.body += log_line(record) + "\n";
    const auto last = records.empty() ? now : records.back().time;
    const auto seq = records.empty() ? 0 : records.back().seq;
    response.headers.emplace_back("Content-Disposition",
                                  "attachment; filename=\"iot-odoo-" + safe_name(hostname) + "-" +
                                      utc_text(now, "%Y-%m-%d_%H-%M-%S") + ".log\"");
    response.headers.emplace_back("ETag", "\"" + std::to_string(system_clock::to_time_t(last)) +
                                              "-" + std::to_string(response.body.size()) + "-" +
                                              std::to_string(seq) + "\"");
    response.headers.emplace_back("Last-Modified", utc_text(last, "%a, %d %b %Y %H:%M:%S GMT"));
    add_cors(response, k_plain_methods);
    return response;
}

}  // namespace backplane::sync
