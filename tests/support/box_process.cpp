// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/box_process.hpp"

#include <httplib.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace backplane::tests {

namespace {

httplib::Client tcp_client(std::uint16_t port, std::chrono::seconds patience = 60s) {
    httplib::Client client{"127.0.0.1", port};
    client.set_read_timeout(patience.count());
    client.set_connection_timeout(10);
    client.set_tcp_nodelay(true);
    return client;
}

HttpAnswer to_answer(const httplib::Result& result) {
    HttpAnswer answer;
    if (!result) return answer;
    answer.status = result->status;
    for (const auto& [name, value] : result->headers) answer.headers[name] = value;
    answer.body = result->body;
    return answer;
}

httplib::Headers to_headers(const std::map<std::string, std::string>& headers) {
    return {headers.begin(), headers.end()};
}

std::string text_of(const json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

json::value HttpAnswer::json() const {
    json::error_code error;
    json::value value = boost::json::parse(body, error);
    if (error) throw std::runtime_error("status " + std::to_string(status) + ", not JSON: " + body);
    return value;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit,
                std::chrono::milliseconds look_every) {
    const auto give_up = std::chrono::steady_clock::now() + limit * k_patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > give_up) return false;
        // The pause between two looks, not a wait for something to happen.
        std::this_thread::sleep_for(look_every);
    }
    return true;
}

std::optional<double> number_in(const json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    if (!value || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

BoxProcess::BoxProcess(Options options) : options_(std::move(options)) {
    if (options_.plugin_dir.empty()) options_.plugin_dir = BP_PLUGIN_DIR;
    if (options_.state_dir.empty()) options_.state_dir = folder_ / "state";
    control_socket_ = folder_ / "control.sock";
    log_file_ = folder_ / "log";
    port_ = options_.http_port;
    spawn();
    if (options_.wait_until_up) wait_until_up();
}

BoxProcess::~BoxProcess() {
    if (!ended_) {
        ::kill(pid_, SIGTERM);
        if (!eventually([this] { return poll_end().has_value(); }, 15s)) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    if (!ended_ || (*ended_ != 0 && !killed_))
        // A destructor cannot fail a test by an exception; the log of a failed run shows what happened.
        std::fprintf(stderr, "the box ended with %d\n%s\n", ended_.value_or(-1), log().c_str());
}

void BoxProcess::spawn() {
    std::vector<std::string> arguments{BP_DAEMON,
                                       "--http-address",
                                       "127.0.0.1",
                                       "--http-port",
                                       std::to_string(options_.http_port),
                                       "--https-port",
                                       "0",
                                       "--state-dir",
                                       options_.state_dir.string(),
                                       "--control-socket",
                                       control_socket_.string(),
                                       "--plugin-dir",
                                       options_.plugin_dir};
    if (!options_.config.empty()) {
        std::ofstream(folder_ / "backplane.yaml") << options_.config;
        arguments.insert(arguments.end(), {"--config", (folder_ / "backplane.yaml").string()});
    } else {
        arguments.insert(arguments.end(), {"--config", (folder_ / "none.yaml").string()});
        std::ofstream(folder_ / "none.yaml") << "{}\n";
    }
    // A test asks nobody beyond this machine.
    std::filesystem::create_directories(folder_ / "conf.d");
    std::ofstream strangers(folder_ / "conf.d/00-strangers.yaml");
    strangers << "odoo:\n  send_logs: true\n";  // a map that is never empty
    for (const char* key : {"pairing_proxy", "certificate_service"})
        if (options_.config.find(key) == std::string::npos) strangers << "  " << key << ": \"\"\n";
    strangers.close();
    if (options_.demo) arguments.emplace_back("--demo");
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_file_.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int error = ::posix_spawn(&pid_, BP_DAEMON, &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error(std::string("cannot run ") + BP_DAEMON);
}

void BoxProcess::wait_until_up() {
    std::string seen = "nothing";
    const bool up = eventually(
        [&] {
            if (poll_end()) return true;
            if (!std::filesystem::exists(control_socket_)) return false;
            httplib::Client client{control_socket_.string()};
            client.set_address_family(AF_UNIX);
            const auto result = client.Get("/api/v1/status", {{"Host", "box"}});
            if (!result || result->status != 200) return false;
            seen = result->body;
            const json::value status = json::parse(result->body);
            const auto& ports = status.at("http").at("ports").as_array();
            if (ports.empty()) return false;
            port_ = static_cast<std::uint16_t>(ports.front().to_number<int>());
            const auto& https = status.at("http").at("https_ports").as_array();
            if (!https.empty())
                https_port_ = static_cast<std::uint16_t>(https.front().to_number<int>());
            return get("/readyz").status == 200;
        },
        20s);
    if (!up || ended_) give_up("the box did not come up", seen);
}

void BoxProcess::kill() {
    killed_ = true;
    ::kill(pid_, SIGKILL);
    if (!eventually([this] { return poll_end().has_value(); }, 15s))
        give_up("the box outlives SIGKILL", "a process in an uninterruptible call");
}

bool BoxProcess::alive() const {
    return !ended_ && ::kill(pid_, 0) == 0;
}

std::string BoxProcess::log() const {
    std::ifstream file{log_file_};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::optional<int> BoxProcess::poll_end() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
        ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return ended_;
}

int BoxProcess::stop() {
    if (!poll_end()) ::kill(pid_, SIGTERM);
    return wait_for_end();
}

int BoxProcess::wait_for_end(std::chrono::milliseconds limit) {
    if (!eventually([this] { return poll_end().has_value(); }, limit))
        give_up("the box did not end", "it runs");
    return *ended_;
}

void BoxProcess::give_up(const std::string& what, const std::string& seen) const {
    throw std::runtime_error(what + "; last seen: " + seen + "\nits log:\n" + log());
}

HttpAnswer BoxProcess::get(const std::string& path,
                           const std::map<std::string, std::string>& headers) const {
    auto client = tcp_client(port_);
    return to_answer(client.Get(path.c_str(), to_headers(headers)));
}

HttpAnswer BoxProcess::post(const std::string& path, const std::string& body,
                            const std::string& type,
                            const std::map<std::string, std::string>& headers) const {
    auto client = tcp_client(port_);
    return to_answer(client.Post(path.c_str(), to_headers(headers), body, type.c_str()));
}

HttpAnswer BoxProcess::options(const std::string& path,
                               const std::map<std::string, std::string>& headers) const {
    auto client = tcp_client(port_);
    return to_answer(client.Options(path.c_str(), to_headers(headers)));
}

json::object BoxProcess::rpc(const std::string& path, const json::object& params) const {
    const HttpAnswer answer = post(path, json::serialize(json::object{{"params", params}}));
    return answer.json().as_object();
}

json::object BoxProcess::action(const std::string& device, const json::object& data,
                                const std::string& session) const {
    return rpc("/iot_drivers/action",
               {{"session_id", session}, {"device_identifier", device}, {"data", data}});
}

std::optional<json::object> BoxProcess::event(const std::string& device, double last_event,
                                              const std::string& session,
                                              std::chrono::seconds patience) const {
    auto client = tcp_client(port_, patience);
    const json::object body{
        {"params",
         {{"listener",
           {{"session_id", session},
            {"last_event", last_event},
            {"devices", json::object{{device, json::object{{"listener_id", "listener-1"}}}}}}}}}};
    const auto result =
        client.Post("/iot_drivers/event", json::serialize(body), "application/json");
    if (!result) return std::nullopt;
    const json::value envelope = to_answer(result).json();
    const auto* content = envelope.as_object().if_contains("result");
    if (!content || !content->is_object()) return std::nullopt;
    return content->get_object();
}

json::object BoxProcess::simulate(const std::string& name, const json::object& settings) const {
    const HttpAnswer answer = post("/api/v1/simulator/" + name, json::serialize(settings));
    if (answer.status != 200) throw std::runtime_error("the simulator says: " + answer.body);
    return answer.json().as_object();
}

std::optional<json::object> BoxProcess::device(const std::string& wanted) const {
    const json::value all = get("/api/v1/devices").json();
    for (const auto& entry : all.at("devices").as_array())
        if (text_of(entry.as_object(), "identifier") == wanted ||
            text_of(entry.as_object(), "type") == wanted)
            return entry.as_object();
    return std::nullopt;
}

json::object BoxProcess::plugin(const std::string& name) const {
    const json::value all = get("/api/v1/plugins").json();
    for (const auto& entry : all.at("plugins").as_array())
        if (text_of(entry.as_object(), "name") == name) return entry.as_object();
    return {};
}

json::object BoxProcess::wait_for_device(const std::string& wanted,
                                         const std::function<bool(const json::object&)>& fits,
                                         std::chrono::milliseconds limit) const {
    std::optional<json::object> seen;
    if (!eventually([&] { return (seen = device(wanted)) && fits(*seen); }, limit))
        give_up("no such device: " + wanted, seen ? json::serialize(*seen) : "nothing");
    return *seen;
}

json::object BoxProcess::wait_for_state(const std::string& wanted, const std::string& state,
                                        std::chrono::milliseconds limit) const {
    return wait_for_device(
        wanted, [&](const json::object& d) { return text_of(d, "state") == state; }, limit);
}

json::object BoxProcess::wait_for_plugin(const std::string& name,
                                         const std::function<bool(const json::object&)>& fits,
                                         std::chrono::milliseconds limit) const {
    json::object seen;
    if (!eventually([&] { return !(seen = plugin(name)).empty() && fits(seen); }, limit))
        give_up("no such plug-in: " + name, json::serialize(seen));
    return seen;
}

}  // namespace backplane::tests
