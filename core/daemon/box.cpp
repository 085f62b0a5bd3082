// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "box.hpp"

#include <boost/asio/steady_timer.hpp>

#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "api/api.hpp"
#include "backplane/core/config.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/http.hpp"
#include "backplane/core/log.hpp"
#include "backplane/core/log_levels.hpp"
#include "backplane/sync/browser.hpp"
#include "backplane/sync/odoo_link.hpp"
#include "homepage.hpp"
#include "listening.hpp"
#include "network_address.hpp"
#include "network_watch.hpp"
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

    Box* box = nullptr;  ///< the owner
    boost::asio::io_context& loop;
    std::chrono::steady_clock::time_point started_steady = std::chrono::steady_clock::now();
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    core::Config config;
    std::vector<std::string> problems;
    Listening listening;
    std::unique_ptr<core::DeviceMemory> memory;
    std::unique_ptr<core::LogLevels> log_levels;
    core::EventRing events;
    std::unique_ptr<core::DurableFiles> files = core::DurableFiles::posix();
    std::unique_ptr<sync::OdooLink> link;
    std::unique_ptr<core::Registry> registry;
    core::Subscription levels_heard;  ///< plug-ins that run learn their new level
    std::unique_ptr<core::Updater> updater;
    std::unique_ptr<NetworkWatch> network_watch;
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
        all.insert(all.end(), listening.problems.begin(), listening.problems.end());
        if (!memory->durable())
            all.emplace_back(
                "what the box learns is not kept over a restart: its state folder cannot be "
                "written; the log "
                "says why");
        for (auto& problem : updater->problems()) all.push_back(std::move(problem));
        for (auto& problem : link->problems()) all.push_back(std::move(problem));
        if (std::string problem = log_levels->problem(); !problem.empty())
            all.push_back(std::move(problem));
        return all;
    }

    Result<void> read_configuration(const Options& options);
    sync::BoxInfo box_info();
    void make_log_levels(const Options& options);
    void make_link(const Options& options);
    void restart_box();
    Result<void> make_registry(const Options& options);
    std::vector<core::CataloguedPlugin> read_plugins(const Options& options);
    void begin_network();
    sync::PluginNames plugin_names() const;
    void make_routes(core::HttpRouter& router);
};

namespace {

// How often the registry is asked whether all interfaces have told what is there; a matter of moments after a start.
constexpr auto k_settle_look = 100ms;
constexpr auto k_settle_limit = 10s;

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
    if (options.http_port) {
        config.http.port = *options.http_port;
        config.http.standard_port = false;
    }
    if (options.https_port) {
        config.https.port = *options.https_port;
        config.https.port_given = true;
    }
    // A demonstration asks nobody on the Internet unless it was told to.
    if (options.demo) {
        const core::Config::Odoo usual;
        if (config.odoo.pairing_proxy == usual.pairing_proxy) config.odoo.pairing_proxy.clear();
        if (config.odoo.certificate_service == usual.certificate_service)
            config.odoo.certificate_service.clear();
    }
    if (options.http_address) config.http.addresses = {*options.http_address};

    core::LogLevel level = core::LogLevel::info;
    if (core::parse_log_level(config.log.level, level)) core::set_log_level(level);
    for (const auto& [component, name] : config.log.components)
        if (core::parse_log_level(name, level)) core::set_log_level(component, level);
    return {};
}

/// What the box says of itself; server, domain and certificate are added by the link.
sync::BoxInfo Box::Parts::box_info() {
    sync::BoxInfo info;
    const NetworkAddress& network = address();
    info.identifier = memory->box_identity();
    info.ip = network.ip;
    info.mac = network.mac;
    info.hostname = hostname();
    info.started = started_steady;
    return info;
}

/// From here on what somebody has changed counts, too.
void Box::Parts::make_log_levels(const Options& options) {
    core::LogLevels::Setup setup{loop, options.state_dir + "/log-levels.json"};
    core::parse_log_level(config.log.level, setup.level);
    for (const auto& [component, name] : config.log.components)
        if (core::LogLevel level{}; core::parse_log_level(name, level))
            setup.components[component] = level;
    log_levels = std::make_unique<core::LogLevels>(std::move(setup));
    levels_heard = log_levels->on_change([this] {
        if (registry) registry->log_levels_changed();
    });
}

void Box::Parts::make_link(const Options& options) {
    link = std::make_unique<sync::OdooLink>(sync::OdooLink::Setup{
        loop, config, events, options.state_dir, [this] { return box_info(); },
        [this] { restart_box(); }, [this]() -> core::Updates* { return updater.get(); },
        [this](core::TlsIdentity identity) {
            if (const auto used = http->use_identity(identity); !used)
                core::log_error("http", "identity.refused", {{"reason", used.error().text}});
        }});
    network_watch = std::make_unique<NetworkWatch>(loop, [this] {
        address_read.reset();
        link->network_changed();
    });
}

void Box::Parts::restart_box() {
    restart = true;
    box->stop();
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
    make_log_levels(options);
    make_link(options);
    updater = make_updater(loop, options, config, *files, link->bundles(), read_plugins(options),
                           problems);

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

/// The network is asked once the devices are there, so that no start waits for it; a bus that does not say that it is
/// complete holds nobody up for long. The updater has a limit of its own.
void Box::Parts::begin_network() {
    const bool settled = registry->all_interfaces_settled();
    const bool late = std::chrono::steady_clock::now() - started_steady >= k_settle_limit;
    if (settled || late) {
        link->begin();
        return updater->ready();
    }
    settle_timer.expires_after(k_settle_look);
    settle_timer.async_wait([this](const boost::system::error_code& error) {
        if (!error && !stopping) begin_network();
    });
}

sync::PluginNames Box::Parts::plugin_names() const {
    sync::PluginNames names;
    for (const core::PluginInfo& plugin : registry->plugins())
        (plugin.kind == "interface" ? names.interfaces : names.drivers).push_back(plugin.name);
    return names;
}

void Box::Parts::make_routes(core::HttpRouter& router) {
    core::ApiContext about{loop,
                           *registry,
                           events,
                           k_version,
                           memory->box_identity(),
                           hostname(),
                           started,
                           started_steady,
                           [this] { return listening.http; },
                           [this] { return http->statistics(); },
                           [this] { return current_problems(); },
                           [this] { return listening.https; },
                           updater.get()};
    about.log_levels = log_levels.get();
    about.more_metrics = [this] { return link->metrics(); };
    api = std::make_unique<core::Api>(std::move(about));
    api->install(router);
    sync::BrowserContext context{link->devices(), events, sync::asio_timers(loop),
                                 [this] { return link->box(); }};
    context.restart = [this] { restart_box(); };
    context.updates = updater.get();
    context.log_levels = log_levels.get();
    context.plugins = [this] { return plugin_names(); };
    context.link = link.get();
    browser = std::make_unique<sync::BrowserRoutes>(std::move(context));
    link->install(router);
    browser->install(router);
    serve_homepage(router);
}

Box::Box(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Box::~Box() = default;

Result<std::unique_ptr<Box>> Box::start(boost::asio::io_context& loop, const Options& options) {
    std::unique_ptr<Box> box{new Box(std::make_unique<Parts>(loop))};
    Parts& parts = *box->parts_;
    parts.box = box.get();
    if (auto result = parts.read_configuration(options); !result)
        return failure(result.error().code, result.error().text);
    if (auto result = parts.make_registry(options); !result)
        return failure(result.error().code, result.error().text);
    core::HttpRouter router;
    parts.http = core::HttpServer::create(loop, core::with_room_for_bundles(),
                                          parts.link->for_own_callers(router));
    auto listening = listen(*parts.http, parts.config, options.control_socket);
    if (!listening) return failure(listening.error().code, listening.error().text);
    parts.listening = std::move(*listening);
    parts.link->attach(*parts.registry);
    parts.make_routes(router);
    parts.updater->begin(*parts.registry);
    parts.registry->begin();
    parts.begin_network();
    for (const std::uint16_t port : parts.listening.http)
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
    parts_->link->stop();
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
