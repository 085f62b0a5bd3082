// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "box.hpp"

#include <boost/asio/steady_timer.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "api/api.hpp"
#include "backplane/core/config.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/log.hpp"
#include "backplane/sync/browser.hpp"
#include "backplane/sync/handlers.hpp"
#include "homepage.hpp"
#include "network_address.hpp"
#include "plugin_updates.hpp"
#include "registry/registry.hpp"
#include "store/device_memory.hpp"
#include "store/durable_files.hpp"
#include "supervisor/plugin_runner.hpp"
#include "update/updater.hpp"
#include "version.hpp"

namespace backplane::daemon {

using namespace std::chrono_literals;
using core::failure;
using core::Result;

struct Box::Parts {
    explicit Parts(boost::asio::io_context& l) : loop(l) {}

    boost::asio::io_context& loop;
    std::chrono::steady_clock::time_point started_steady = std::chrono::steady_clock::now();
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    core::Config config;
    std::vector<std::string> problems;
    std::vector<std::uint16_t> ports;
    std::unique_ptr<core::DeviceMemory> memory;
    core::EventRing events;
    std::unique_ptr<core::DurableFiles> files = core::DurableFiles::posix();
    std::unique_ptr<sync::HandlerDownload> download;
    std::unique_ptr<core::Registry> registry;
    std::unique_ptr<core::Updater> updater;
    boost::asio::steady_timer settle_timer{loop};
    std::unique_ptr<core::Api> api;
    std::unique_ptr<sync::BrowserRoutes> browser;
    std::unique_ptr<core::HttpServer> http;
    bool stopping = false;
    bool restart = false;
    NetworkAddress last_address;
    std::optional<std::chrono::steady_clock::time_point> address_read;

    /// Asked for with every long poll, and reading it costs more than the rest of the poll.
    const NetworkAddress& address() {
        const auto now = std::chrono::steady_clock::now();
        if (!address_read || now - *address_read >= 1s) {
            last_address = network_address();
            address_read = now;
        }
        return last_address;
    }

    std::vector<std::string> current_problems() const {
        std::vector<std::string> all = problems;
        if (!memory->durable())
            all.emplace_back(
                "what the box learns is not kept over a restart: its state folder cannot be "
                "written; the log "
                "says why");
        for (auto& problem : updater->problems()) all.push_back(std::move(problem));
        if (std::string warning = download->warning(); !warning.empty())
            all.push_back(std::move(warning));
        return all;
    }

    Result<void> read_configuration(const Options& options);
    Result<void> make_registry(const Options& options);
    std::vector<core::CataloguedPlugin> read_plugins(const Options& options);
    void begin_updates();
    void make_routes(core::HttpRouter& router, Box& box);
    Result<void> listen(const Options& options);
};

namespace {

// systemd.exec(5), sd_listen_fds(3): inherited sockets begin at 3.
constexpr int k_first_inherited_fd = 3;

// How often the registry is asked whether all interfaces have told what is there; a matter of moments after a start.
constexpr auto k_settle_look = 100ms;

/// Sockets that the service manager has opened for us (80 and 443 need rights that the service does not have).
std::vector<int> inherited_sockets() {
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (!pid || !count || std::strtol(pid, nullptr, 10) != ::getpid()) return {};
    std::vector<int> fds;
    for (long i = 0; i < std::strtol(count, nullptr, 10) && i < 16; ++i)
        fds.push_back(k_first_inherited_fd + static_cast<int>(i));
    return fds;
}

void serve_homepage(core::HttpRouter& router) {
    for (const core::StaticFile& file : core::homepage_files()) {
        router.add(std::string(file.path), [&file](const core::HttpExchangePtr& exchange) {
            core::HttpResponse response;
            response.headers = {{"ETag", std::string(file.etag)},
                                {"Cache-Control", "no-cache"},
                                {"Content-Security-Policy", std::string(core::k_homepage_csp)},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Referrer-Policy", "no-referrer"}};
            if (exchange->request().header("If-None-Match") == file.etag) {
                response.status = 304;
            } else {
                response.content_type = file.content_type;
                response.body = file.content;
            }
            exchange->respond(std::move(response));
        });
    }
}

std::string hostname() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

Result<void> Box::Parts::read_configuration(const Options& options) {
    auto loaded = core::load_config(options.config, options.config_given);
    if (!loaded) return failure("config." + loaded.error().code, loaded.error().text);
    config = std::move(*loaded);
    if (options.log_level) config.log.level = *options.log_level;
    if (options.http_port) config.http.port = *options.http_port;
    if (options.http_address) config.http.addresses = {*options.http_address};

    core::LogLevel level = core::LogLevel::info;
    if (core::parse_log_level(config.log.level, level)) core::set_log_level(level);
    for (const auto& [component, name] : config.log.components)
        if (core::parse_log_level(name, level)) core::set_log_level(component, level);
    return {};
}

Result<void> Box::Parts::make_registry(const Options& options) {
    std::error_code error;
    std::filesystem::create_directories(options.state_dir, error);
    if (error)
        return failure("state.folder", "cannot make the state folder " + options.state_dir + ": " +
                                           error.message() +
                                           ": give one that may be written with --state-dir");
    if (::access(options.host_program.c_str(), X_OK) != 0)
        return failure("plugins.host", "cannot run the plug-in host " + options.host_program +
                                           ": reinstall, or give its path with --plugin-host");
    memory = std::make_unique<core::DeviceMemory>(options.state_dir);

    sync::HandlerDownloadOptions handlers;
    handlers.server = config.odoo.server;
    handlers.identifier = memory->box_identity();
    handlers.mac = network_address().mac;
    download = std::make_unique<sync::HandlerDownload>(loop, std::move(handlers));
    updater =
        make_updater(loop, options, config, *files, *download, read_plugins(options), problems);

    core::Registry::Setup setup;
    setup.config = config;
    setup.memory = memory.get();
    // What was delivered and verified stands in the place of what came with the box.
    core::Updater::LineUp line = updater->line_up();
    setup.plugins = std::move(line.plugins);
    setup.on_trial = std::move(line.on_trial);
    for (const core::CataloguedPlugin& plugin : setup.plugins) {
        if (!plugin.refusal.empty())
            core::log_warning("box", "plugin.refused",
                              {{"file", plugin.path}, {"reason", plugin.refusal}});
        if (!plugin.note || plugin.note->kind != sdk::PluginKind::interface) continue;
        if (!uses_interface(options, config, plugin.name)) setup.disabled.insert(plugin.name);
    }
    const std::string host = options.host_program;
    core::RunnerPolicy policy;
    policy.crashes = static_cast<unsigned>(config.plugins.crashes);
    policy.window = config.plugins.window;
    policy.hang_limit = config.plugins.hang_limit;
    policy.memory_mib = static_cast<std::size_t>(config.plugins.memory_mb);
    registry = std::make_unique<core::Registry>(
        loop, events, std::move(setup),
        [this, host, policy](std::shared_ptr<const core::PluginImage> image,
                             core::RunnerListener& listener) {
            return core::PluginRunner::create(loop, host, std::move(image), policy, listener);
        });
    if (const auto checked = registry->check_settings(); !checked)
        return failure("config." + checked.error().code, checked.error().text);
    return {};
}

std::vector<core::CataloguedPlugin> Box::Parts::read_plugins(const Options& options) {
    auto plugins = core::read_plugin_folder(options.plugin_dir, sdk::HostFacts::of_this_machine());
    if (plugins) return std::move(*plugins);
    // A box without plug-ins still answers, so that its owner can see what is wrong.
    problems.push_back(plugins.error().text);
    core::log_error("box", "plugins.unreadable", {{"reason", plugins.error().text}});
    return {};
}

/// The network is asked once the devices are there, so that no start waits for it. The updater has a limit of its own.
void Box::Parts::begin_updates() {
    if (registry->all_interfaces_settled()) return updater->ready();
    settle_timer.expires_after(k_settle_look);
    settle_timer.async_wait([this](const boost::system::error_code& error) {
        if (!error && !stopping) begin_updates();
    });
}

void Box::Parts::make_routes(core::HttpRouter& router, Box& box) {
    api = std::make_unique<core::Api>(core::ApiContext{
        loop, *registry, events, k_version, memory->box_identity(), hostname(), started,
        started_steady, [this] { return ports; }, [this] { return http->statistics(); },
        [this] { return current_problems(); }, updater.get()});
    api->install(router);
    browser = std::make_unique<sync::BrowserRoutes>(
        sync::BrowserContext{*registry, events, sync::asio_timers(loop),
                             [this] {
                                 sync::BoxInfo info;
                                 const NetworkAddress& network = address();
                                 info.identifier = memory->box_identity();
                                 info.ip = network.ip;
                                 info.mac = network.mac;
                                 info.hostname = hostname();
                                 info.server_url = config.odoo.server;
                                 info.started = started_steady;
                                 return info;
                             },
                             [this, &box] {
                                 restart = true;
                                 box.stop();
                             },
                             updater.get()});
    browser->install(router);
    serve_homepage(router);
}

Result<void> Box::Parts::listen(const Options& options) {
    for (const int fd : inherited_sockets())
        if (const auto result = http->listen_fd(fd); !result)
            return failure(result.error().code, result.error().text);
    bool any = false;
    std::string first_problem;
    for (const std::string& address : config.http.addresses) {
        // With port 0 the first address takes a free port and the others follow it.
        const std::uint16_t wanted =
            config.http.port == 0 && !ports.empty() ? ports.front() : config.http.port;
        const auto port = http->listen_tcp(address, wanted);
        if (port) {
            any = true;
            if (std::find(ports.begin(), ports.end(), *port) == ports.end()) ports.push_back(*port);
        } else if (first_problem.empty()) {
            first_problem = port.error().text;
        }
    }
    // A system without IPv6 has only one of the two default addresses; that is no reason not to start.
    if (!any) return failure("http.listen", first_problem);
    if (!first_problem.empty())
        core::log_warning("box", "http.listen_failed", {{"reason", first_problem}});

    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(options.control_socket).parent_path(),
                                        ignored);
    if (const auto control = http->listen_unix(options.control_socket); !control) {
        core::log_warning("box", "control_socket.failed", {{"reason", control.error().text}});
        problems.push_back("the backplane command cannot reach this box: " + control.error().text);
    }
    return {};
}

Box::Box(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Box::~Box() = default;

Result<std::unique_ptr<Box>> Box::start(boost::asio::io_context& loop, const Options& options) {
    std::unique_ptr<Box> box{new Box(std::make_unique<Parts>(loop))};
    Parts& parts = *box->parts_;
    if (auto result = parts.read_configuration(options); !result)
        return failure(result.error().code, result.error().text);
    if (auto result = parts.make_registry(options); !result)
        return failure(result.error().code, result.error().text);
    core::HttpRouter router;
    parts.http = core::HttpServer::create(loop, core::with_room_for_bundles(), router);
    if (auto result = parts.listen(options); !result)
        return failure(result.error().code, result.error().text);
    parts.make_routes(router, *box);
    parts.updater->begin(*parts.registry);
    parts.registry->begin();
    parts.begin_updates();
    for (const std::uint16_t port : parts.ports)
        core::log_info("box", "box.started",
                       {{"version", k_version},
                        {"address", "http://localhost:" + std::to_string(port) + "/"},
                        {"control_socket", options.control_socket},
                        {"demo", options.demo ? "yes" : "no"}});
    return box;
}

void Box::stop() {
    if (std::exchange(parts_->stopping, true)) return;
    core::log_info("box", "box.stopping", {{"restart", parts_->restart ? "yes" : "no"}});
    // A driver that ends because the box does has not failed.
    parts_->updater->stop();
    // Drivers first: while they finish, browsers still get their answers.
    parts_->registry->stop([this] {
        parts_->http->stop(500ms, [this] {
            if (!parts_->memory->close(2s))
                core::log_error("box", "memory.not_saved",
                                {{"reason", "the disk did not take it in time"}});
            parts_->loop.stop();
        });
    });
}

bool Box::restart_wanted() const {
    return parts_->restart;
}

}  // namespace backplane::daemon
