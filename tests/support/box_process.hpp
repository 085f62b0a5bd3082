// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A real backplaned in a process of its own, with folders of its own, for tests that go through its front doors.
//
// Every wait has a deadline and fails the test with what was seen last and the box's log.
#pragma once

#include <boost/json/value.hpp>

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"

namespace httplib {
class Client;
}

namespace backplane::tests {

namespace json = boost::json;
using namespace std::chrono_literals;

/// Sanitizers and a busy machine make everything slower: the factor for limits that are not the point of a test.
inline constexpr int k_patience =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    5;
#else
    1;
#endif

struct HttpAnswer {
    int status = 0;  ///< 0: no answer
    std::map<std::string, std::string> headers;
    std::string body;
    json::value json() const;  ///< fails the test when the body is not JSON
};

class BoxProcess {
public:
    struct Options {
        std::string config;  ///< YAML; empty: no configuration file
        bool demo = false;
        std::string plugin_dir;              ///< default: the build's
        std::vector<std::string> arguments;  ///< more of them
        bool wait_until_up = true;
        std::uint16_t http_port = 0;      ///< 0: a free one, known once it is up
        std::filesystem::path state_dir;  ///< default: a folder of its own
    };

    explicit BoxProcess(Options options);
    BoxProcess() : BoxProcess(Options{}) {}
    ~BoxProcess();  ///< stops it, and fails the test when it did not end cleanly
    BoxProcess(const BoxProcess&) = delete;
    BoxProcess& operator=(const BoxProcess&) = delete;

    std::uint16_t port() const { return port_; }
    std::uint16_t https_port() const { return https_port_; }
    pid_t pid() const { return pid_; }
    bool alive() const;
    std::string log() const;  ///< stderr so far
    const std::filesystem::path& control_socket() const { return control_socket_; }

    HttpAnswer get(const std::string& path,
                   const std::map<std::string, std::string>& headers = {}) const;
    HttpAnswer post(const std::string& path, const std::string& body,
                    const std::string& type = "application/json",
                    const std::map<std::string, std::string>& headers = {}) const;
    HttpAnswer options(const std::string& path,
                       const std::map<std::string, std::string>& headers) const;
    /// POST {"params": …}; the whole envelope.
    json::object rpc(const std::string& path, const json::object& params) const;
    json::object action(const std::string& device, const json::object& data,
                        const std::string& session = "test") const;
    /// One long poll of /iot_drivers/event: its "result", or nothing.
    std::optional<json::object> event(const std::string& device, double last_event,
                                      const std::string& session = "test",
                                      std::chrono::seconds patience = 60s) const;
    json::object simulate(const std::string& name, const json::object& settings) const;

    std::optional<json::object> device(const std::string& identifier_or_type) const;
    json::object plugin(const std::string& name) const;
    /// Waits until a device is there and `fits` it; the device.
    json::object wait_for_device(const std::string& identifier_or_type,
                                 const std::function<bool(const json::object&)>& fits,
                                 std::chrono::milliseconds limit = 10s) const;
    json::object wait_for_state(const std::string& identifier_or_type, const std::string& state,
                                std::chrono::milliseconds limit = 10s) const;
    json::object wait_for_plugin(const std::string& name,
                                 const std::function<bool(const json::object&)>& fits,
                                 std::chrono::milliseconds limit = 10s) const;

    /// SIGTERM and wait; the exit code, or -signal.
    int stop();
    /// SIGKILL, as if the power were cut; no answer, no goodbye.
    void kill();
    /// Waits until it ends by itself.
    int wait_for_end(std::chrono::milliseconds limit = 10s);

private:
    void spawn();
    void wait_until_up();
    std::optional<int> poll_end();
    [[noreturn]] void give_up(const std::string& what, const std::string& seen) const;

    Options options_;
    TemporaryFolder folder_;
    std::filesystem::path control_socket_;
    std::filesystem::path log_file_;
    pid_t pid_ = -1;
    std::uint16_t port_ = 0, https_port_ = 0;
    std::optional<int> ended_;
    bool killed_ = false;
};

/// Looks again and again until it holds or the limit has passed.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s,
                std::chrono::milliseconds look_every = 5ms);

/// A weight in a core event or an Odoo event, or nothing.
std::optional<double> number_in(const json::object& object, std::string_view member);

}  // namespace backplane::tests
