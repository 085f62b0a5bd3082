// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doubles/odoo_double_page.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "bundle/publish.hpp"

namespace backplane::tests {

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t k_lines = 200;
constexpr std::size_t k_shown = 240;  ///< bytes of one answer of the box
constexpr std::uintmax_t k_bundle_limit = 64u << 20;

std::string text_in(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

json::object params_of(const std::string& body) {
    boost::system::error_code error;
    const json::value value = json::parse(body, error);
    const json::value* params =
        !error && value.is_object() ? value.as_object().if_contains("params") : nullptr;
    return params && params->is_object() ? params->as_object() : json::object{};
}

std::string shortened(std::string text) {
    if (text.size() > k_shown) {
        std::size_t size = k_shown;
        while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
        text = text.substr(0, size) + " … (" + std::to_string(text.size()) + " bytes)";
    }
    return text;
}

json::array devices_of(const json::object& registration) {
    json::array list;
    const json::value* devices = registration.if_contains("devices");
    if (!devices || !devices->is_object()) return list;
    for (const auto& [identifier, about] : devices->as_object()) {
        if (!about.is_object()) continue;
        list.push_back(json::object{{"identifier", identifier},
                                    {"name", text_in(about.as_object(), "name")},
                                    {"type", text_in(about.as_object(), "type")}});
    }
    return list;
}

/// As JSON, but numbers as people write them.
std::string plain(const json::value& value) {
    if (const double* number = value.if_double()) {
        std::array<char, 32> text;
        const int size = std::snprintf(text.data(), text.size(), "%.6g", *number);
        return {text.data(), static_cast<std::size_t>(size)};
    }
    if (const json::object* object = value.if_object()) {
        std::string text;
        for (const auto& [name, member] : *object)
            text += (text.empty() ? "" : ", ") + std::string(name) + ": " + plain(member);
        return "{" + text + "}";
    }
    return json::serialize(value);
}

std::string registration_in_words(const json::object& registration) {
    const json::value* box = registration.if_contains("iot_box");
    if (!box || !box->is_object()) return "a registration without a box";
    std::string names;
    const json::array devices = devices_of(registration);
    for (const auto& device : devices) {
        const auto& one = device.as_object();
        names += (names.empty() ? ": " : ", ") + text_in(one, "name") + " (" +
                 text_in(one, "type") + ")";
    }
    return "the box " + text_in(box->as_object(), "identifier") + " at " +
           text_in(box->as_object(), "ip") + " registers with " + std::to_string(devices.size()) +
           (devices.size() == 1 ? " device" : " devices") + names;
}

std::string bytes_of_file(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    if (!stream) throw std::runtime_error(file.string() + " cannot be read");
    return bytes;
}

std::string now() {
    const std::time_t seconds = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    std::array<char, 16> text;
    return {text.data(), std::strftime(text.data(), text.size(), "%H:%M:%S", &parts)};
}

}  // namespace

std::string bundle_at(const std::string& path) {
    if (path.empty()) throw std::runtime_error("name a folder or a zip file");
    const fs::path place(path);
    if (fs::is_regular_file(place)) return bytes_of_file(place);
    if (!fs::is_directory(place))
        throw std::runtime_error(path + " is neither a folder nor a file of this computer");
    core::bundle::Files files;
    std::uintmax_t total = 0;
    for (const auto& entry : fs::recursive_directory_iterator(place)) {
        if (!entry.is_regular_file()) continue;
        total += entry.file_size();
        if (total > k_bundle_limit)
            throw std::runtime_error(path + " holds more than 64 MiB: is it a bundle?");
        const std::string bytes = bytes_of_file(entry.path());
        const auto span = std::as_bytes(std::span(bytes));
        files[entry.path().lexically_relative(place).generic_string()] = {span.begin(), span.end()};
    }
    if (files.empty()) throw std::runtime_error(path + " is empty");
    const auto zip = core::bundle::zip_files(files);
    if (!zip) throw std::runtime_error(zip.error().text);
    return {reinterpret_cast<const char*>(zip->data()), zip->size()};
}

OdooDoublePage::OdooDoublePage(OdooServer& server, std::function<void(const std::string&)> tell)
    : server_(server), tell_(std::move(tell)) {
    server_.on_request([this](const ReceivedRequest& request, const Answer& answer) {
        const std::string line = in_words(request, answer);
        if (!line.empty()) say(line);
    });
    server_.route("/", [](const ReceivedRequest&) {
        Answer page;
        page.body = k_odoo_double_page;
        return page;
    });
    server_.route("/double/state", [this](const ReceivedRequest&) {
        return Answer::json(json::serialize(state()));
    });
    server_.route("/double/act",
                  [this](const ReceivedRequest& request) { return answer_to_wish(request); });
}

void OdooDoublePage::say(const std::string& line) {
    const std::string timed = now() + "  " + line;
    const std::lock_guard lock(mutex_);
    lines_.push_back(timed);
    if (lines_.size() > k_lines) lines_.pop_front();
    tell_(timed);
}

std::string OdooDoublePage::in_words(const ReceivedRequest& request, const Answer& answer) const {
    const std::string& path = request.path;
    if (path == "/" || path.starts_with("/double/") || path == "/favicon.ico" ||
        path == "/websocket/health" || path == "/websocket/peek_notifications")
        return {};
    if (path == "/iot/setup") return registration_in_words(params_of(request.body));
    if (path == "/iot/box/send_websocket") {
        json::object sent = params_of(request.body);
        sent.erase("iot_box_identifier");
        std::string device = text_in(sent, "device_identifier");
        sent.erase("device_identifier");
        sent.erase("action_args");  // what was asked, once more
        return (device.empty() ? "the box" : device) + " says " + shortened(plain(sent));
    }
    if (path == "/websocket")
        return answer.code == 101
                   ? "the box connects to the bus"
                   : "the box may not connect to the bus: " + std::to_string(answer.code);
    if (path == "/iot/get_handlers") {
        if (answer.code == 304) return "the box has the newest plug-ins";
        return answer.body.empty()
                   ? "the box asks for plug-ins, and there are none"
                   : "the box gets plug-ins: " + std::to_string(answer.body.size()) + " bytes";
    }
    if (path == "/iot/log") {
        std::size_t records = 0;
        for (auto at = request.body.find("<log/>"); at != std::string::npos;
             at = request.body.find("<log/>", at + 1))
            ++records;
        return "the box sends " + std::to_string(records > 0 ? records - 1 : 0) + " log records";
    }
    if (path == "/odoo-enterprise/iot/connect-box") {
        const auto codes = server_.pairing().codes();
        return codes.empty() ? "the box asks the pairing service"
                             : "the box shows the pairing code " + codes.back();
    }
    if (path == "/odoo-enterprise/iot/x509")
        return answer.body.find("x509_pem") != std::string::npos ? "the box gets a certificate"
                                                                 : "the box gets no certificate";
    if (path == "/iot/box/update_certificate_status")
        return "the certificate of the box ends on " +
               text_in(params_of(request.body), "ssl_certificate_end_date");
    return request.method + " " + path + ": " + std::to_string(answer.code);
}

json::object OdooDoublePage::state() const {
    json::array lines, boxes, codes;
    {
        const std::lock_guard lock(mutex_);
        for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) lines.emplace_back(*line);
    }
    for (const auto& code : server_.pairing().codes()) codes.emplace_back(code);
    const auto registrations = server_.registrations();
    for (const auto& identifier : server_.boxes()) {
        // The newest of this box.
        const auto found =
            std::find_if(registrations.rbegin(), registrations.rend(), [&](const auto& one) {
                return text_in(one.at("iot_box").as_object(), "identifier") == identifier;
            });
        if (found == registrations.rend()) continue;
        const json::object& box = found->at("iot_box").as_object();
        boxes.push_back(json::object{{"identifier", identifier},
                                     {"ip", text_in(box, "ip")},
                                     {"version", text_in(box, "version")},
                                     {"devices", devices_of(*found)}});
    }
    return {{"url", server_.url()},
            {"token", server_.connection_token()},
            {"connected", server_.connected_boxes()},
            {"boxes", std::move(boxes)},
            {"codes", std::move(codes)},
            {"lines", std::move(lines)}};
}

std::string OdooDoublePage::act(const json::object& wish) {
    const std::string what = text_in(wish, "what");
    const json::object session{{"session_id", "odoo-double"}};
    if (what == "enter_code") {
        const std::string code = text_in(wish, "code");
        return server_.pairing().enter_code(code)
                   ? "the code is entered; the box will see it when it asks next"
                   : "no box shows the code " + code + ", or it has expired";
    }
    if (what == "action") {
        server_.notify_action(text_in(wish, "device"), text_in(wish, "action"), session);
        return "sent to " + text_in(wish, "device");
    }
    if (what == "unpair") {
        server_.notify("server_clear");
        return "the box is told to forget this database (it ignores that within 5 s of connecting)";
    }
    if (what == "restart") {
        server_.notify("restart_odoo", session);
        return "the box is told to restart";
    }
    if (what == "test") {
        server_.notify("test_connection", session);
        return "the box is asked how good its network is";
    }
    if (what == "move") {
        const std::string url = text_in(wish, "url");
        if (!url.starts_with("http://") && !url.starts_with("https://"))
            return "a new address begins with http:// or https://";
        server_.notify("server_update", {{"server_url", url}});
        return "the box is told that this database moves to " + url;
    }
    if (what == "deliver") return deliver(text_in(wish, "path"));
    return "there is no button " + what;
}

std::string OdooDoublePage::deliver(const std::string& path) {
    try {
        const std::string zip = bundle_at(path);
        server_.handlers(zip);
        server_.broadcast("bundle_changed",
                          json::object{{"server_version", server_.settings().series}});
        return std::to_string(zip.size()) + " bytes are delivered from now on; the box is told";
    } catch (const std::exception& error) {
        return std::string("nothing is delivered: ") + error.what();
    }
}

/// Only from this page: another site that is open in the same browser can send neither this type of content without being
/// asked for permission, which it does not get, nor a right Origin.
Answer OdooDoublePage::answer_to_wish(const ReceivedRequest& request) {
    const std::string origin = request.header("origin").value_or("");
    const std::string host = request.header("host").value_or("");
    if (request.method != "POST" ||
        !lower(request.header("content-type").value_or("")).starts_with("application/json"))
        return Answer::status(415);
    if (!origin.empty() && origin != "http://" + host && origin != "https://" + host)
        return Answer::status(403);
    boost::system::error_code error;
    const json::value wish = json::parse(request.body, error);
    if (error || !wish.is_object()) return Answer::status(400);
    const std::string came = act(wish.as_object());
    say("you: " + came);
    return Answer::json(json::serialize(json::object{{"text", came}}));
}

const char* const k_odoo_double_page = R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>A stand-in for Odoo</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .3rem; } table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid #ccc; padding: .3rem .5rem .3rem 0; } code { overflow-wrap: anywhere; }
pre { background: #f4f4f4; padding: .6rem; max-height: 24rem; overflow: auto; white-space: pre-wrap; }
button, input { font: inherit; margin-right: .3rem; } #came { min-height: 1.5em; font-weight: 600; }
</style></head><body>
<h1>A stand-in for an Odoo server</h1>
<p>It pairs boxes, hears what they say and tells them what to do, as an Odoo database would. It is for trying and testing.</p>
<p id="came" role="status"></p>
<h2>Box</h2><div id="boxes"></div>
<p><button data-what="test">Test its connection</button><button data-what="restart">Restart</button>
<button data-what="unpair">Unpair</button></p>
<h2>Pair a box</h2>
<p>By token: copy this into the box.<br><code id="token"></code></p>
<p>By code: <input id="code" size="12" aria-label="Pairing code" placeholder="code of the box">
<button data-what="enter_code">Enter the code</button> <span id="codes"></span></p>
<h2>Change the address of the database</h2>
<p><input id="url" size="40" aria-label="New address" placeholder="https://shop.example.com">
<button data-what="move">Tell the box</button></p>
<h2>Deliver plug-ins</h2>
<p><input id="path" size="40" aria-label="Folder or zip" placeholder="folder or zip file on this computer">
<button data-what="deliver">Deliver</button></p>
<h2>What happened</h2><pre id="lines"></pre>
<script>
const $ = id => document.getElementById(id);
async function act(wish) {
  const answer = await fetch('/double/act', {method: 'POST',
    headers: {'Content-Type': 'application/json'}, body: JSON.stringify(wish)});
  $('came').textContent = answer.ok ? (await answer.json()).text : 'refused: ' + answer.status;
  look();
}
const usual = {scale: [['Read', 'read_once']], printer: [['Open the drawer', 'cashbox']],
               camera: [['Take a picture', '']]};
let shown = '';
function showBoxes(state) {
  const now = JSON.stringify([state.boxes, state.connected]);
  if (now === shown) return;   // a button must not vanish under the finger
  shown = now;
  $('boxes').replaceChildren(...state.boxes.map(box => {
    const part = document.createElement('div'), title = document.createElement('p');
    title.textContent = `${box.identifier} at ${box.ip}, version ${box.version}, ` +
      (state.connected ? 'connected' : 'not connected');
    const table = document.createElement('table');
    for (const device of box.devices) {
      const row = table.insertRow();
      row.insertCell().textContent = device.name;
      row.insertCell().textContent = `${device.type}, ${device.identifier}`;
      const cell = row.insertCell();
      for (const [label, action] of usual[device.type] || []) {
        const button = document.createElement('button');
        button.textContent = label;
        button.onclick = () => act({what: 'action', device: device.identifier, action});
        cell.append(button);
      }
      const other = document.createElement('input');
      other.placeholder = 'another action';
      other.size = 14;
      other.setAttribute('aria-label', 'Another action of ' + device.name);
      other.onchange = () => act({what: 'action', device: device.identifier, action: other.value});
      cell.append(other);
    }
    part.append(title, table);
    return part;
  }));
  if (!state.boxes.length) $('boxes').textContent = 'No box has registered yet.';
}
async function look() {
  try {
    const state = await (await fetch('/double/state')).json();
    showBoxes(state);
    $('token').textContent = state.token;
    $('codes').textContent = state.codes.length ? 'shown by a box: ' + state.codes.join(', ') : '';
    $('lines').textContent = state.lines.join('\n');
  } catch { $('came').textContent = 'This program does not answer any more.'; }
}
for (const button of document.querySelectorAll('button[data-what]'))
  button.onclick = () => act({what: button.dataset.what, code: $('code').value.trim(),
                              url: $('url').value.trim(), path: $('path').value.trim()});
look();
setInterval(look, 1000);
</script></body></html>
)page";

}  // namespace backplane::tests
