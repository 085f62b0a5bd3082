// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The interface "serial": brings together what udev and inotify see with what the user wants, and
// reports it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backplane/interface.hpp"
#include "extra_ports.hpp"
#include "port_catalogue.hpp"
#include "udev_ports.hpp"

namespace backplane::serial {

class SerialPorts : public sdk::Interface, private UdevPorts::Listener {
public:
    explicit SerialPorts(sdk::Host& host, UdevPorts::Source source = UdevPorts::Source::automatic)
        : Interface(host), source_(source) {}

    void start() override;
    void stop() override;
    void settings_changed();

private:
    struct Settings {
        PortRules rules;
        std::vector<std::string> extra_ports;
    };
    Settings read_settings() const;

    void port_added(PortFacts facts) override;
    void port_removed(const std::string& syspath) override;
    void events_lost() override;

    void extra_ports_changed(std::vector<ExtraPort> ports);
    void report(const PortReports& reports);

    const UdevPorts::Source source_;
    PortCatalogue catalogue_;
    std::optional<UdevPorts> udev_;
    std::optional<ExtraPorts> extra_;
};

}  // namespace backplane::serial
