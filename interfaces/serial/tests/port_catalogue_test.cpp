// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "port_catalogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <random>

namespace backplane::serial {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::IsEmpty;

/// An FTDI adapter with this serial number, at this port of the hub, with this number of the
/// kernel.
PortFacts adapter(const std::string& serial, int usb_port, int number, int generation = 1) {
    const std::string port = "1-" + std::to_string(usb_port);
    const std::string tty = "ttyUSB" + std::to_string(number);
    PortFacts facts;
    facts.syspath = "/sys/devices/pci0000:00/0000:00:14.0/usb1/" + port + '/' + port + ":1.0/" +
                    tty + "/tty/" + tty;
    facts.devnode = "/dev/" + tty;
    facts.driver = "ftdi_sio";
    facts.has_parent = true;
    facts.vid = "0403";
    facts.pid = "6001";
    facts.vendor = "FTDI";
    facts.product = "FT232R USB UART";
    facts.serial = serial;
    facts.usb_path = port;
    facts.usb_interface = "00";
    facts.usb_generation = std::to_string(generation);
    facts.port_number = "0";
    facts.id_serial = "FTDI_FT232R_USB_UART" + (serial.empty() ? "" : "_" + serial);
    facts.id_path = "pci-0000:00:14.0-usb-0:" + std::to_string(usb_port) + ":1.0";
    return facts;
}

PortFacts onboard(int number) {
    PortFacts facts;
    facts.devnode = "/dev/ttyS" + std::to_string(number);
    facts.syspath = "/sys/devices/pnp0/00:00/tty/ttyS" + std::to_string(number);
    facts.driver = "serial";
    facts.has_parent = true;
    facts.uart_type = 4;
    facts.id_path = "pci-0000:03:00.0";
    return facts;
}

const std::string k_by_id = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_";
std::string by_path(int usb_port) {
    return "/dev/serial/by-path/pci-0000:00:14.0-usb-0:" + std::to_string(usb_port) + ":1.0-port0";
}

/// "+/dev/ttyUSB0" and "-/dev/ttyUSB0", in order.
std::vector<std::string> told(const PortReports& reports) {
    std::vector<std::string> out;
    for (const PortReport& report : reports)
        out.push_back((report.kind == PortReport::Kind::added ? "+" : "-") + report.key);
    return out;
}

std::string text(const json::object& object, std::string_view member) {
    const json::value* value = object.if_contains(member);
    return value && value->is_string() ? std::string(value->get_string()) : "(none)";
}

class APortCatalogue : public testing::Test {
protected:
    /// What is on the bus according to the reports.
    std::vector<std::string> take(const PortReports& reports) {
        for (const PortReport& report : reports) {
            if (report.kind == PortReport::Kind::removed) {
                EXPECT_EQ(devices.erase(report.key), 1u)
                    << "removed what was not there: " << report.key;
            } else {
                EXPECT_EQ(text(report.descriptor, "key"), report.key);
                devices[report.key] = report.descriptor;
            }
        }
        return told(reports);
    }
    std::string stable_id(const std::string& key) { return text(devices[key], "stable_id"); }

    std::map<std::string, std::string> links;  // a file system: link → node
    PortCatalogue catalogue{[this](const std::string& path) {
        const auto it = links.find(path);
        return it == links.end() ? std::string{} : it->second;
    }};
    std::map<std::string, json::object> devices;
};

TEST_F(APortCatalogue, describes_a_port_completely) {
    EXPECT_THAT(take(catalogue.port_added(adapter("A1", 2, 0))), ElementsAre("+/dev/ttyUSB0"));
    const json::object expected{
        {"key", "/dev/ttyUSB0"},
        {"bus", "serial"},
        {"address", "/dev/ttyUSB0"},
        {"identifier", "/dev/ttyUSB0"},
        {"stable_id", k_by_id + "A1-if00-port0"},
        {"connection", "serial"},
        {"open", {{"kind", "device_node"}, {"path", "/dev/ttyUSB0"}}},
        {"name", "FT232R USB UART"},
        {"manufacturer", "FTDI"},
        {"model", "FT232R USB UART"},
        {"serial", "A1"},
        {"properties",
         {{"vid", "0403"},
          {"pid", "6001"},
          {"vendor", "FTDI"},
          {"product", "FT232R USB UART"},
          {"serial", "A1"},
          {"usb_path", "1-2"},
          {"usb_interface", "00"},
          {"driver", "ftdi_sio"},
          {"by_id", k_by_id + "A1-if00-port0"},
          {"by_path", by_path(2)}}},
    };
    EXPECT_EQ(devices["/dev/ttyUSB0"], expected) << json::serialize(devices["/dev/ttyUSB0"]);
}

TEST_F(APortCatalogue, leaves_out_what_is_no_port) {
    PortFacts console;
    console.syspath = "/sys/devices/virtual/tty/tty1";
    console.devnode = "/dev/tty1";
    EXPECT_THAT(take(catalogue.port_added(console)), IsEmpty());
    EXPECT_THAT(take(catalogue.ports_are({console})), IsEmpty());
}

TEST_F(APortCatalogue, removes_a_port_that_stops_being_one) {
    PortFacts port = onboard(0);
    take(catalogue.port_added(port));
    port.uart_type = 0;
    EXPECT_THAT(take(catalogue.port_added(port)), ElementsAre("-/dev/ttyS0"));
}

TEST_F(APortCatalogue, says_nothing_when_nothing_has_changed) {
    take(catalogue.port_added(adapter("A1", 1, 0)));
    EXPECT_THAT(take(catalogue.port_added(adapter("A1", 1, 0))), IsEmpty());
    EXPECT_THAT(take(catalogue.ports_are({adapter("A1", 1, 0)})), IsEmpty());
    EXPECT_THAT(take(catalogue.port_removed("/sys/devices/unknown")), IsEmpty());
}

TEST_F(APortCatalogue, reports_a_quick_replug_as_two_events_in_order) {
    take(catalogue.port_added(adapter("A1", 1, 0)));
    auto reports = catalogue.port_removed(adapter("A1", 1, 0).syspath);
    std::ranges::move(catalogue.port_added(adapter("A1", 1, 0, 2)), std::back_inserter(reports));
    EXPECT_THAT(take(reports), ElementsAre("-/dev/ttyUSB0", "+/dev/ttyUSB0"));
}

TEST_F(APortCatalogue, notices_a_replug_of_which_both_events_were_lost) {
    take(catalogue.ports_are({adapter("A1", 1, 0, 1), onboard(0)}));
    EXPECT_THAT(take(catalogue.ports_are({adapter("A1", 1, 0, 2), onboard(0)})),
                ElementsAre("-/dev/ttyUSB0", "+/dev/ttyUSB0"));
}

TEST_F(APortCatalogue, finds_what_has_come_and_gone_after_lost_events) {
    take(catalogue.ports_are({adapter("A1", 1, 0), adapter("A2", 2, 1)}));
    EXPECT_THAT(take(catalogue.ports_are({adapter("A2", 2, 1), adapter("A3", 3, 2)})),
                ElementsAre("-/dev/ttyUSB0", "+/dev/ttyUSB2"));
}

TEST_F(APortCatalogue, keeps_the_identity_of_a_port_that_gets_another_number) {
    take(catalogue.port_added(adapter("A1", 1, 0)));
    const std::string before = stable_id("/dev/ttyUSB0");
    take(catalogue.port_removed(adapter("A1", 1, 0).syspath));
    take(catalogue.port_added(adapter("A1", 4, 1)));
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), before) << "neither the number nor the place matters";
}

TEST_F(APortCatalogue, tells_twins_without_a_serial_number_apart_by_their_place) {
    take(catalogue.port_added(adapter("", 1, 0)));
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), by_path(1))
        << "also while it is alone: the other one may come tomorrow";
    EXPECT_THAT(take(catalogue.port_added(adapter("", 2, 1))), ElementsAre("+/dev/ttyUSB1"))
        << "the first one is not disturbed";
}

TEST_F(APortCatalogue, does_not_trust_a_serial_number_of_the_factory) {
    take(catalogue.ports_are({adapter("0001", 1, 0)}));
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), by_path(1));
}

TEST_F(APortCatalogue, tells_twins_with_the_same_serial_number_apart_by_their_place) {
    take(catalogue.port_added(adapter("A1", 1, 0)));
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), k_by_id + "A1-if00-port0");
    EXPECT_THAT(take(catalogue.port_added(adapter("A1", 2, 1))),
                ElementsAre("-/dev/ttyUSB0", "+/dev/ttyUSB0", "+/dev/ttyUSB1"))
        << "the first one turns out to be somebody else";
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), by_path(1));
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), by_path(2));
    EXPECT_FALSE(devices["/dev/ttyUSB0"]["properties"].as_object().contains("by_id"));

    EXPECT_THAT(take(catalogue.port_removed(adapter("A1", 1, 0).syspath)),
                ElementsAre("-/dev/ttyUSB0"));
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), by_path(2)) << "it must not take over the other's name";
    take(catalogue.port_added(adapter("A1", 1, 5)));
    EXPECT_EQ(stable_id("/dev/ttyUSB5"), by_path(1));
}

// Names of the kernel move at each start; users saw the scale of one counter appear at another.
TEST_F(APortCatalogue, keeps_all_identities_over_a_hundred_random_renumberings) {
    struct Adapter {
        std::string serial;
        int usb_port;
    };
    const std::vector<Adapter> adapters{{"A1", 1}, {"A2", 2}, {"", 3}, {"", 4}};
    std::map<int, std::string> identity;  // by USB port
    std::mt19937 random{8217};
    std::vector<int> numbers{0, 1, 2, 3};
    for (int round = 0; round < 100; ++round) {
        std::shuffle(numbers.begin(), numbers.end(), random);
        std::vector<PortFacts> all;
        for (std::size_t i = 0; i < adapters.size(); ++i)
            all.push_back(adapter(adapters[i].serial, adapters[i].usb_port, numbers[i], round));
        take(catalogue.ports_are(all));
        ASSERT_EQ(devices.size(), 4u);
        for (const auto& [key, descriptor] : devices) {
            const std::string usb_path = text(descriptor.at("properties").as_object(), "usb_path");
            const auto [it, first] =
                identity.emplace(usb_path.back() - '0', text(descriptor, "stable_id"));
            EXPECT_EQ(it->second, text(descriptor, "stable_id"))
                << "round " << round << ", port " << usb_path;
        }
        ASSERT_EQ(identity.size(), 4u);
    }
}

TEST_F(APortCatalogue, names_ports_of_the_board_by_their_number) {
    take(catalogue.ports_are({onboard(0), onboard(1)}));
    EXPECT_EQ(stable_id("/dev/ttyS0"), "/dev/ttyS0") << "ports of one card share their place";
    EXPECT_EQ(stable_id("/dev/ttyS1"), "/dev/ttyS1");
}

TEST_F(APortCatalogue, never_lets_the_kernels_console_be_written_to) {
    PortFacts port = onboard(0);
    port.console = true;
    take(catalogue.port_added(port));
    EXPECT_EQ(devices["/dev/ttyS0"]["no_probe"], json::value(true));
}

TEST_F(APortCatalogue, marks_ports_of_the_no_probe_list_by_any_of_their_names) {
    links["/dev/scale"] = "/dev/ttyUSB3";
    const std::vector<std::string> names{"/dev/ttyUSB3", k_by_id + "A1-if00-port0", by_path(7),
                                         "/dev/scale", "/dev/ttyUSB*"};
    for (const std::string& name : names) {
        take(catalogue.ports_are({}));
        take(catalogue.set_rules({{name}, {}}));
        take(catalogue.ports_are({adapter("A1", 7, 3), onboard(0)}));
        EXPECT_EQ(devices["/dev/ttyUSB3"]["no_probe"], json::value(true)) << name;
        EXPECT_FALSE(devices["/dev/ttyS0"].contains("no_probe")) << name;
    }
}

TEST_F(APortCatalogue, protects_both_twins_when_the_link_could_mean_either) {
    take(catalogue.set_rules({{k_by_id + "A1-if00-port0"}, {}}));
    take(catalogue.ports_are({adapter("A1", 1, 0), adapter("A1", 2, 1)}));
    EXPECT_EQ(devices["/dev/ttyUSB0"]["no_probe"], json::value(true));
    EXPECT_EQ(devices["/dev/ttyUSB1"]["no_probe"], json::value(true));
}

TEST_F(APortCatalogue, says_anew_what_a_port_may_when_the_rules_change) {
    take(catalogue.ports_are({adapter("A1", 1, 0), onboard(0)}));
    EXPECT_THAT(take(catalogue.set_rules({{"/dev/ttyUSB0"}, {"/dev/ttyS*"}})),
                ElementsAre("-/dev/ttyS0", "+/dev/ttyUSB0"));
    EXPECT_THAT(take(catalogue.set_rules({})), ElementsAre("+/dev/ttyS0", "+/dev/ttyUSB0"));
}

TEST_F(APortCatalogue, reports_an_extra_port_by_its_configured_path) {
    EXPECT_THAT(take(catalogue.extra_ports_are({{"/run/scale0", "/dev/pts/3", 0, 0}})),
                ElementsAre("+/run/scale0"));
    const json::object expected{
        {"key", "/run/scale0"},
        {"bus", "serial"},
        {"address", "/dev/pts/3"},
        {"identifier", "/run/scale0"},
        {"stable_id", "path:/run/scale0"},
        {"connection", "serial"},
        {"open", {{"kind", "device_node"}, {"path", "/dev/pts/3"}}},
        {"properties", {{"extra_port", true}, {"real_path", "/dev/pts/3"}}},
    };
    EXPECT_EQ(devices["/run/scale0"], expected) << json::serialize(devices["/run/scale0"]);
}

TEST_F(APortCatalogue, takes_an_extra_port_that_leads_elsewhere_for_another_device) {
    take(catalogue.extra_ports_are({{"/run/scale0", "/dev/pts/3", 0, 0}}));
    EXPECT_THAT(take(catalogue.extra_ports_are({{"/run/scale0", "/dev/pts/4", 0, 0}})),
                ElementsAre("-/run/scale0", "+/run/scale0"));
    EXPECT_THAT(take(catalogue.extra_ports_are({{"/run/scale0", "/dev/pts/4", 0, 1}})),
                ElementsAre("-/run/scale0", "+/run/scale0"))
        << "the same place, but the way was cut in between";
}

TEST_F(APortCatalogue, applies_the_rules_to_extra_ports_too) {
    take(catalogue.set_rules({{"path:/run/scale0"}, {"/run/ignored"}}));
    EXPECT_THAT(take(catalogue.extra_ports_are(
                    {{"/run/scale0", "/dev/pts/3", 0, 0}, {"/run/ignored", "/dev/pts/4", 0, 0}})),
                ElementsAre("+/run/scale0"));
    EXPECT_EQ(devices["/run/scale0"]["no_probe"], json::value(true));
}

TEST_F(APortCatalogue, reports_a_port_with_two_names_once) {
    take(catalogue.ports_are({onboard(0)}));
    EXPECT_THAT(take(catalogue.extra_ports_are({{"/run/a", "/dev/ttyS0", 0, 0},
                                                {"/run/b", "/dev/pts/1", 0, 0},
                                                {"/run/c", "/dev/pts/1", 0, 0}})),
                ElementsAre("+/run/b"));
}

TEST_F(APortCatalogue, does_not_bring_back_an_ignored_port_by_another_name) {
    take(catalogue.set_rules({{}, {"/dev/ttyS0"}}));
    take(catalogue.ports_are({onboard(0)}));
    EXPECT_THAT(take(catalogue.extra_ports_are({{"/run/a", "/dev/ttyS0", 0, 0}})), IsEmpty());
}

TEST_F(APortCatalogue, lets_an_extra_port_go_with_the_port_it_leads_to) {
    take(catalogue.ports_are({adapter("A1", 1, 0)}));
    take(catalogue.extra_ports_are({{"/dev/scale", "/dev/ttyUSB0", 0, 0}}));
    EXPECT_THAT(take(catalogue.port_removed(adapter("A1", 1, 0).syspath)),
                ElementsAre("-/dev/ttyUSB0"))
        << "the link has not been seen to go yet, but must not be reported now";
}

}  // namespace
}  // namespace backplane::serial
