// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "serial_ports.hpp"

#include <utility>

namespace backplane::serial {

namespace json = boost::json;

namespace {

/// A setting that is a list of texts. The host has checked it against the manifest's schema; a host
/// that has not gets a clear text instead of a crash.
std::vector<std::string> texts(const json::object& settings, std::string_view member,
                               std::vector<std::string> otherwise) {
    const json::value* value = settings.if_contains(member);
    if (!value) return otherwise;
    const auto refuse = [&] {
        return sdk::Failure(
            BP_E_INVALID,
            "the setting " + std::string(member) +
                " of the serial interface is not a list of texts: write it as in [\"/dev/ttyS0\"]");
    };
    if (!value->is_array()) throw refuse();
    std::vector<std::string> out;
    for (const json::value& entry : value->get_array()) {
        if (!entry.is_string()) throw refuse();
        out.emplace_back(entry.get_string());
    }
    return out;
}

}  // namespace

SerialPorts::Settings SerialPorts::read_settings() const {
    const json::object settings = host().settings();
    // The debug port of the Raspberry Pi 5: it is always there, and nothing that can be served
    // hangs on it.
    return {{texts(settings, "no_probe", {"/dev/ttyAMA10"}), texts(settings, "ignore", {})},
            texts(settings, "extra_ports", {})};
}

void SerialPorts::start() {
    Settings settings = read_settings();
    catalogue_ = PortCatalogue{};
    catalogue_.set_rules(std::move(settings.rules));
    try {
        udev_.emplace(host(), static_cast<UdevPorts::Listener&>(*this), source_);
        extra_.emplace(host(), [this](std::vector<ExtraPort> ports) {
            extra_ports_changed(std::move(ports));
        });
        extra_->set_paths(settings.extra_ports);
        report(catalogue_.ports_are(udev_->all()));
        extra_ports_changed(extra_->look());
    } catch (...) {
        stop();
        throw;
    }
    settled();
}

void SerialPorts::stop() {
    extra_.reset();
    udev_.reset();
}

void SerialPorts::settings_changed() {
    try {
        Settings settings = read_settings();
        extra_->set_paths(settings.extra_ports);
        report(catalogue_.set_rules(std::move(settings.rules)));
        extra_ports_changed(extra_->look());
    } catch (const sdk::Failure& failure) {
        host().log_error(std::string("the serial interface goes on with its old settings: ") +
                         failure.what());
    }
}

void SerialPorts::port_added(PortFacts facts) {
    report(catalogue_.port_added(std::move(facts)));
}
void SerialPorts::port_removed(const std::string& syspath) {
    report(catalogue_.port_removed(syspath));
}
void SerialPorts::events_lost() {
    report(catalogue_.ports_are(udev_->all()));
}

void SerialPorts::extra_ports_changed(std::vector<ExtraPort> ports) {
    // What the kernel knows better is reported by its own name; udev tells of it, now or in a
    // moment.
    std::erase_if(ports, [&](const ExtraPort& port) { return udev_->is_port(port.device_number); });
    report(catalogue_.extra_ports_are(std::move(ports)));
}

void SerialPorts::report(const PortReports& reports) {
    for (const PortReport& each : reports) {
        try {
            if (each.kind == PortReport::Kind::added)
                device_added(each.descriptor);
            else
                device_removed(each.key);
        } catch (const sdk::Failure& failure) {
            // One that the host does not take must not cost the others.
            host().log_error("serial port " + each.key +
                             " could not be reported: " + failure.what());
        }
    }
}

}  // namespace backplane::serial
