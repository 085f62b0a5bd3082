// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/registry.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "backplane/core/log.hpp"
#include "store/device_memory.hpp"

namespace backplane::core {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_component = "registry";

// Listeners want to know what was asked, not to get every document and picture back.
constexpr std::size_t k_long_member = 1024;

double unix_time(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

boost::json::object without_long_members(const boost::json::object& data) {
    boost::json::object out;
    std::size_t room = 8 * k_long_member;
    for (const auto& member : data) {
        const std::size_t bytes = member.key().size() + approximate_bytes(member.value());
        if (bytes > k_long_member || bytes > room) continue;
        room -= bytes;
        out[member.key()] = member.value();
    }
    return out;
}

}  // namespace

Registry::Registry(boost::asio::io_context& loop, EventRing& events, Setup setup,
                   const PluginSlot::RunnerFactory& factory)
    : loop_(loop),
      events_(events),
      setup_(std::move(setup)),
      factory_(factory),
      identifiers_([this](const std::string& stable_id) {
          if (!setup_.memory) return std::string();
          const auto known = setup_.memory->find(stable_id);
          return known ? known->identifier : std::string();
      }),
      stop_timer_(loop) {
    for (CataloguedPlugin& plugin : setup_.plugins) {
        if (!plugin.image || setup_.disabled.contains(plugin.name)) {
            unusable_.push_back(std::move(plugin));
            continue;
        }
        const std::string name = plugin.name;
        slots_.emplace(name, make_slot(std::move(plugin)));
    }
    setup_.plugins.clear();
    on_trial_.insert(setup_.on_trial.begin(), setup_.on_trial.end());
}

Registry::~Registry() {
    // Sessions leave their slots, so they go first; nobody may hear of it.
    stopping_ = true;
    devices_.clear();
    successors_.clear();
    interfaces_.clear();
}

Result<void> Registry::check_settings_of(const sdk::PluginNote& note) const {
    const bool driver = note.kind == sdk::PluginKind::driver;
    const auto& sections = driver ? setup_.config.drivers : setup_.config.interfaces;
    const auto section = sections.find(note.name);
    const PluginSettings none;
    const auto checked =
        core::check_settings(note.settings, section == sections.end() ? none : section->second,
                             (driver ? "driver " : "interface ") + note.name);
    if (!checked) return failure(checked.error().code, checked.error().text);
    return {};
}

Result<void> Registry::check_settings() const {
    for (const auto& [name, slot] : slots_)
        if (auto checked = check_settings_of(slot->note()); !checked) return checked;
    const auto warn_missing = [&](const auto& sections, std::string_view what) {
        for (const auto& [name, settings] : sections)
            if (!slots_.contains(name) && !setup_.disabled.contains(name))
                log_warning(k_component, "config.plugin_missing",
                            {{"plugin", name},
                             {"where", settings.origin.text()},
                             {"reason", "it is configured, but no such " + std::string(what) +
                                            " is installed"}});
    };
    warn_missing(setup_.config.drivers, "driver");
    warn_missing(setup_.config.interfaces, "interface");
    return {};
}

boost::json::object Registry::settings_for(const sdk::PluginNote& note) const {
    const bool driver = note.kind == sdk::PluginKind::driver;
    const auto& sections = driver ? setup_.config.drivers : setup_.config.interfaces;
    const auto section = sections.find(note.name);
    const PluginSettings none;
    auto checked = core::check_settings(
        note.settings, section == sections.end() ? none : section->second, note.name);
    return checked ? std::move(*checked) : boost::json::object{};
}

void Registry::begin() {
    for (auto& [name, slot] : slots_) {
        if (slot->note().kind != sdk::PluginKind::interface) continue;
        interfaces_.emplace(name, std::make_unique<InterfaceSession>(
                                      loop_, *slot, settings_for(slot->note()),
                                      static_cast<InterfaceSession::Listener&>(*this)));
    }
    for (auto& [name, session] : interfaces_) session->begin();
}

void Registry::stop(std::function<void()> done) {
    stopping_ = true;
    const auto sessions = devices_;  // closing one takes it out of the list
    for (const SessionPtr& session : sessions) session->close("the box is stopping");
    for (auto& [name, swap] : swaps_) swap->slot().end();
    for (auto& [name, slot] : slots_) slot->end();
    // Each runner ends its process within its own limit; this looks until the last one has.
    auto look = std::make_shared<std::function<void(int)>>();
    *look = [this, look, done = std::move(done)](int rounds) {
        const auto runs = [](PluginSlot& slot) { return slot.runner().status().running; };
        const bool running =
            std::any_of(slots_.begin(), slots_.end(),
                        [&](const auto& slot) { return runs(*slot.second); }) ||
            std::any_of(swaps_.begin(), swaps_.end(),
                        [&](const auto& swap) { return runs(swap.second->slot()); }) ||
            std::any_of(retiring_.begin(), retiring_.end(),
                        [&](const auto& slot) { return runs(*slot); });
        if (!running || rounds == 0) {
            boost::asio::post(loop_, [done, look] {
                *look = nullptr;
                done();
            });
            return;
        }
        stop_timer_.expires_after(5ms);
        stop_timer_.async_wait([look, rounds](const boost::system::error_code& ec) {
            if (!ec) (*look)(rounds - 1);
        });
    };
    (*look)(1000);
}

// ---- lists ----------------------------------------------------------------------------------------------------------

void Registry::log_levels_changed() {
    const auto tell = [](PluginSlot& slot) {
        slot.runner().set_log_level(log_level(slot.note().name));
    };
    for (const auto& [name, slot] : slots_) tell(*slot);
    for (const auto& [name, swap] : swaps_) tell(swap->slot());
}

bool Registry::all_interfaces_settled() const {
    return std::all_of(interfaces_.begin(), interfaces_.end(), [&](const auto& entry) {
        return entry.second->has_settled() || slots_.at(entry.first)->put_aside();
    });
}

std::vector<PluginInfo> Registry::plugins() const {
    std::vector<PluginInfo> out;
    for (const auto& [name, slot] : slots_) {
        const sdk::PluginNote& note = slot->note();
        const RunnerStatus status = slot->runner().status();
        PluginInfo info;
        info.name = name;
        info.id = note.id;
        info.title = note.title;
        info.kind = sdk::to_string(note.kind);
        info.version = note.version;
        info.vendor = note.vendor;
        info.path = slot->plugin().path;
        info.abi = std::to_string(note.abi_major) + "." + std::to_string(note.abi_minor);
        info.state = status.put_aside ? "put_aside"
                     : status.up      ? "running"
                     : status.running || (status.crashes > 0 && slot->instances() > 0)
                         ? "restarting"
                         : "idle";
        info.reason = status.reason;
        info.pid = status.pid;
        info.instances = slot->instances();
        info.starts = status.starts;
        info.crashes = status.crashes;
        info.events = status.events;
        info.slow_calls = status.slow_calls;
        out.push_back(std::move(info));
    }
    for (const CataloguedPlugin& plugin : unusable_) {
        PluginInfo info;
        info.name = plugin.name;
        info.path = plugin.path;
        if (plugin.note) {
            info.id = plugin.note->id;
            info.title = plugin.note->title;
            info.kind = sdk::to_string(plugin.note->kind);
            info.version = plugin.note->version;
            info.vendor = plugin.note->vendor;
        }
        info.state = plugin.refusal.empty() ? "disabled" : "refused";
        info.reason = plugin.refusal.empty()
                          ? "not used in this mode or switched off in the configuration"
                          : plugin.refusal;
        out.push_back(std::move(info));
    }
    return out;
}

std::vector<DeviceInfo> Registry::list() const {
    std::vector<DeviceInfo> out;
    out.reserve(devices_.size());
    for (const SessionPtr& session : devices_) out.push_back(session->info());
    return out;
}

Registry::SessionPtr Registry::session_of(std::string_view wanted) const {
    for (const SessionPtr& session : devices_)
        if (session->info().identifier == wanted) return session;
    for (const SessionPtr& session : devices_)
        if (session->info().type == wanted && session->info().state != DeviceState::unsupported)
            return session;
    return nullptr;
}

Registry::SessionPtr Registry::session_at(const std::string& interface,
                                          const std::string& key) const {
    for (const SessionPtr& session : devices_)
        if (session->info().interface == interface && session->info().key == key) return session;
    return nullptr;
}

std::optional<DeviceInfo> Registry::find(std::string_view identifier_or_type) const {
    const SessionPtr session = session_of(identifier_or_type);
    return session ? std::optional(session->info()) : std::nullopt;
}

// ---- actions --------------------------------------------------------------------------------------------------------

void Registry::act(ActionRequest request, ActionDone done) {
    const SessionPtr session = session_of(request.device);
    if (session && !session->closing()) return session->act(std::move(request), std::move(done));
    ActionOutcome outcome;
    outcome.status = ActionOutcome::Status::disconnected;
    outcome.code = "device.unknown";
    outcome.device = request.device;
    outcome.message = "there is no device \"" + request.device + "\": look at the list of devices";
    boost::asio::post(loop_,
                      [done = std::move(done), outcome]() mutable { done(std::move(outcome)); });
}

void Registry::act_on_interface(std::string_view interface, std::string name,
                                boost::json::object data, ActionDone done) {
    if (const auto found = interfaces_.find(interface); found != interfaces_.end())
        return found->second->act(std::move(name), std::move(data), std::move(done));
    ActionOutcome outcome;
    outcome.status = ActionOutcome::Status::disconnected;
    outcome.code = "interface.unknown";
    outcome.message = "the interface \"" + std::string(interface) + "\" is not in use";
    boost::asio::post(loop_,
                      [done = std::move(done), outcome]() mutable { done(std::move(outcome)); });
}

void Registry::action_over(DeviceSession& device, const ActionRequest& request,
                           const ActionOutcome& outcome) {
    Event event;
    event.kind = Event::Kind::action_result;
    event.device_identifier = device.info().identifier;
    event.device_type = device.info().type;
    event.action_name = request.name;
    event.action_session = request.session;
    event.action_unique_id = request.unique_id;
    event.action_data = without_long_members(request.data);
    event.action_status = outcome.status == ActionOutcome::Status::success ? "success" : "error";
    event.action_result = outcome.result;
    event.action_message = outcome.message;
    events_.publish(std::move(event));
}

// ---- what sessions ask and tell -------------------------------------------------------------------------------------

PluginSlot* Registry::driver(const std::string& name) {
    const auto found = slots_.find(name);
    if (found == slots_.end() || found->second->note().kind != sdk::PluginKind::driver)
        return nullptr;
    return found->second.get();
}

const DevicePin* Registry::pin_of(const std::string& identifier,
                                  const std::string& stable_id) const {
    for (const std::string& name : {identifier, stable_id})
        if (const auto found = setup_.config.devices.find(name);
            found != setup_.config.devices.end())
            return &found->second;
    return nullptr;
}

std::vector<Candidate> Registry::candidates(const DeviceSession& device) {
    const Descriptor& descriptor = device.descriptor();
    if (const DevicePin* pin = pin_of(device.info().identifier, descriptor.stable_id);
        pin && !pin->driver.empty())
        return {Candidate{pin->driver, 0, false, 0ms}};
    if (descriptor.no_probe) return {};
    std::vector<const sdk::PluginNote*> drivers;
    for (const auto& [name, slot] : slots_)
        if (slot->note().kind == sdk::PluginKind::driver) drivers.push_back(&slot->note());
    return find_candidates(descriptor, drivers);
}

std::string Registry::remembered_driver(const std::string& stable_id) {
    if (!setup_.memory) return {};
    const auto known = setup_.memory->find(stable_id);
    return known ? known->driver : std::string();
}

boost::json::object Registry::settings_of(const sdk::PluginNote& note) {
    return settings_for(note);
}

void Registry::device_changed(DeviceSession& device) {
    DeviceInfo& info = device.info();
    if (const DevicePin* pin = pin_of(info.identifier, info.stable_id); pin && !pin->name.empty())
        info.name = pin->name;
    if (info.name.empty()) info.name = info.identifier;
    if (info.state == DeviceState::ready && setup_.memory)
        setup_.memory->remember(
            {info.stable_id, info.identifier, info.driver, std::chrono::system_clock::now()});
    log_info(k_component, "device." + std::string(to_string(info.state)),
             {{"device", info.identifier}, {"driver", info.driver}, {"reason", info.reason}});
    Event event;
    event.kind = Event::Kind::device_state;
    event.device_identifier = info.identifier;
    event.device_type = info.type;
    event.name = to_string(info.state);
    event.data = {{"state", to_string(info.state)},
                  {"reason", info.reason},
                  {"driver", info.driver},
                  {"name", info.name},
                  {"since", unix_time(info.since)}};
    events_.publish(std::move(event));
}

void Registry::device_event(DeviceSession& device, RunnerEvent emitted) {
    DeviceInfo& info = device.info();
    Event event;
    event.kind = Event::Kind::device_event;
    event.device_identifier = info.identifier;
    event.device_type = info.type;
    event.name = std::move(emitted.kind);
    event.data = std::move(emitted.data);
    event.transient = emitted.transient;
    if (!emitted.payload.empty())
        event.payload =
            std::make_shared<const std::vector<std::uint8_t>>(std::move(emitted.payload));
    info.last_event = event.data;
    info.last_event_name = event.name;
    info.last_event_time = events_.publish(std::move(event))->time;
}

void Registry::device_over(DeviceSession& device) {
    identifiers_.give_back(device.info().identifier);
    const std::pair<std::string, std::string> place{device.info().interface, device.info().key};
    std::erase_if(devices_, [&](const SessionPtr& session) { return session.get() == &device; });
    if (const auto back = returning_.find(place); back != returning_.end()) {
        auto [descriptor, fd] = std::move(back->second);
        returning_.erase(back);
        create_device(place.first, std::move(descriptor), std::move(fd));
    }
}

// ---- what interfaces tell -------------------------------------------------------------------------------------------

void Registry::create_device(const std::string& interface, Descriptor descriptor, Fd fd) {
    if (stopping_) return;
    const std::string identifier = identifiers_.take(descriptor.stable_id, descriptor.identifier);
    if (const DevicePin* pin = pin_of(identifier, descriptor.stable_id); pin && pin->ignored) {
        log_info(k_component, "device.ignored",
                 {{"device", identifier}, {"where", pin->origin.text()}});
        identifiers_.give_back(identifier);
        return;
    }
    auto session =
        std::make_shared<DeviceSession>(loop_, static_cast<DeviceWorld&>(*this), interface,
                                        std::move(descriptor), std::move(fd), setup_.times);
    session->info().identifier = identifier;
    devices_.push_back(session);
    session->begin();
}

void Registry::bus_device_added(InterfaceSession& from, Descriptor descriptor, Fd fd) {
    const SessionPtr existing = session_at(from.name(), descriptor.key);
    if (!existing) return create_device(from.name(), std::move(descriptor), std::move(fd));
    if (!existing->closing() && existing->descriptor().stable_id == descriptor.stable_id)
        return existing->update(std::move(descriptor), std::move(fd));
    // Another device at the same place, or the same one before the old session has ended: after it.
    std::pair<std::string, std::string> place{from.name(), descriptor.key};
    returning_.insert_or_assign(std::move(place), std::pair{std::move(descriptor), std::move(fd)});
    existing->close("another device was plugged in at its place");
}

void Registry::bus_device_removed(InterfaceSession& from, const std::string& key,
                                  const std::string& reason) {
    returning_.erase({from.name(), key});
    if (const SessionPtr session = session_at(from.name(), key)) session->close(reason);
}

void Registry::bus_restarted(InterfaceSession& from) {
    for (const SessionPtr& session : devices_)
        if (session->info().interface == from.name()) session->stale = true;
}

void Registry::bus_settled(InterfaceSession& from) {
    const auto sessions = devices_;
    for (const SessionPtr& session : sessions)
        if (session->info().interface == from.name() && session->stale)
            session->close("the interface " + from.name() +
                           " was started again and does not find it any more");
}

std::size_t Registry::bus_device_count(InterfaceSession& from) {
    return static_cast<std::size_t>(std::count_if(
        devices_.begin(), devices_.end(),
        [&](const SessionPtr& session) { return session->info().interface == from.name(); }));
}

}  // namespace backplane::core
