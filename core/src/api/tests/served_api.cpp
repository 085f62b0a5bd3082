// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/tests/served_api.hpp"

#include <stdexcept>
#include <utility>

namespace backplane::core::test {

namespace {

CataloguedPlugin driver(const std::string& name, const std::string& version) {
    CataloguedPlugin out;
    out.name = name;
    out.path = "/plugins/" + name + ".so";
    out.note.emplace();
    out.note->name = name;
    out.note->id = "com.example." + name;
    out.note->title = name;
    out.note->version = version;
    out.note->kind = sdk::PluginKind::driver;
    auto image = std::make_shared<PluginImage>();
    image->name = name;
    image->version = version;
    out.image = image;
    return out;
}

}  // namespace

ServedApi::ServedApi(Setup setup) {
    heard_ = events_.subscribe([this](const EventPtr& event) { published_.push_back(event); });
    Registry::Setup parts;
    for (const auto& [name, version] : setup.plugins)
        parts.plugins.push_back(driver(name, version));
    for (const std::string& name : setup.refused) {
        CataloguedPlugin refused;
        refused.name = name;
        refused.path = "/plugins/" + name + "-bad.so";
        refused.refusal = "it has no note";
        parts.plugins.push_back(std::move(refused));
    }
    registry_ = std::make_unique<Registry>(
        loop_, events_, std::move(parts),
        [this](std::shared_ptr<const PluginImage> image, RunnerListener& listener) {
            const std::string name = image->name;
            auto runner = std::make_unique<FakeRunner>(std::move(image), listener);
            runner->state.running = runner->state.up = true;
            runner->state.pid = 4711;
            runners_[name] = runner.get();
            return runner;
        });
    levels_heard_ = log_levels_.on_change([this] { registry_->log_levels_changed(); });
    api_ = std::make_unique<Api>(ApiContext{
        .loop = loop_,
        .registry = *registry_,
        .events = events_,
        .version = "1.0.0",
        .identifier = "b0c5",
        .hostname = "counter-box",
        .started_at = std::chrono::system_clock::now(),
        .started_at_steady = std::chrono::steady_clock::now(),
        .ports = [this] { return std::vector<std::uint16_t>{port_}; },
        .http_statistics = [this] { return server_->statistics(); },
        .problems = [problems = std::move(setup.problems)] { return problems; },
        .updates = setup.has_updates ? &updates_ : nullptr,
        .owner_patience = setup.owner_patience,
        .log_levels = setup.has_log_levels ? &log_levels_ : nullptr,
    });
    api_->install(router_);
    if (setup.more_routes) setup.more_routes(router_);
    server_ = HttpServer::create(loop_, with_room_for_bundles(), router_);
    const auto port = server_->listen_tcp("127.0.0.1", 0);
    if (!port) throw std::runtime_error(port.error().text);
    port_ = *port;
    if (!setup.socket.empty())
        if (const auto result = server_->listen_unix(setup.socket); !result)
            throw std::runtime_error(result.error().text);
    thread_ = std::thread{[this] { loop_.run(); }};
}

ServedApi::~ServedApi() {
    // In order, so that streams of events end before the ring of events does.
    std::promise<void> stopped;
    on_loop(
        [&] { server_->stop(std::chrono::milliseconds{0}, [&stopped] { stopped.set_value(); }); });
    stopped.get_future().get();
    on_loop([this] {
        server_.reset();
        api_.reset();
    });
    work_.reset();
    loop_.stop();
    thread_.join();
}

std::vector<boost::json::object> ServedApi::published(const std::string& name) {
    return on_loop([&] {
        std::vector<boost::json::object> out;
        for (const EventPtr& event : published_)
            if (event->kind == Event::Kind::box && event->name == name) out.push_back(event->data);
        return out;
    });
}

}  // namespace backplane::core::test
