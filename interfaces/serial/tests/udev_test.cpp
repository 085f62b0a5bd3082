// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Ports of the kernel: real libudev, real events, on the made-up /sys and /dev of umockdev.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <umockdev.h>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/matchers.hpp"
#include "serial_ports.hpp"

namespace backplane::serial {
namespace {

using namespace testkit;
using testing::ElementsAre;
using testing::IsEmpty;
namespace fs = std::filesystem;
namespace json = boost::json;

template <UdevPorts::Source source>
struct PortsFrom : SerialPorts {
    explicit PortsFrom(sdk::Host& host) : SerialPorts(host, source) {}
};

constexpr const char* k_id = "org.backplane.serial";

template <UdevPorts::Source source>
const bp_entry& entry() {
    static constexpr bp_entry k_entry{
        sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0,
        [](const bp_host* host, const char* id, bp_instance** out) noexcept -> bp_status {
            return sdk::PluginInstance<PortsFrom<source>>::create(k_id, host, id, out);
        }};
    return k_entry;
}

struct Adapter {
    std::string serial;
    int usb_port = 1;
    int number = 0;
    std::string product = "FT232R USB UART";
    /// What udevd would add; the links are the same without it.
    bool with_udev_properties = false;
};

std::string hexadecimal(const std::string& bytes) {
    constexpr const char* k_digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += k_digits[byte >> 4];
        out += k_digits[byte & 15];
    }
    return out;
}

class Testbed {
public:
    Testbed() : testbed_(umockdev_testbed_new()) {
        describe("P: /devices/pci0000:00/0000:00:14.0\nE: SUBSYSTEM=pci\n");
        describe(
            "P: /devices/pci0000:00/0000:00:14.0/usb1\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n");
    }
    ~Testbed() { g_object_unref(testbed_); }
    Testbed(const Testbed&) = delete;
    Testbed& operator=(const Testbed&) = delete;

    void describe(const std::string& description) {
        GError* error = nullptr;
        if (umockdev_testbed_add_from_string(testbed_, description.c_str(), &error)) return;
        const std::string message = error->message;
        g_error_free(error);
        throw std::runtime_error(message);
    }
    /// The device as the kernel has it, with its event; returns the path of its port.
    std::string add(const Adapter& adapter) {
        const std::string port = "1-" + std::to_string(adapter.usb_port);
        const std::string usb = "/devices/pci0000:00/0000:00:14.0/usb1/" + port;
        const std::string interface = usb + '/' + port + ":1.0";
        const std::string name = "ttyUSB" + std::to_string(adapter.number);
        const std::string tty = interface + '/' + name + "/tty/" + name;
        std::string attributes =
            "A: idVendor=0403\\n\nA: idProduct=6001\\n\nA: manufacturer=FTDI\\n\nH: product=" +
            hexadecimal(adapter.product + '\n') + "\nA: devnum=" + std::to_string(++plugged_) +
            "\\n\n";
        if (!adapter.serial.empty()) attributes += "A: serial=" + adapter.serial + "\\n\n";
        describe("P: " + usb + "\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n" + attributes);
        describe("P: " + interface +
                 "\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\nA: bInterfaceNumber=00\\n\n");
        describe("P: " + interface + '/' + name +
                 "\nE: SUBSYSTEM=usb-serial\nE: DRIVER=ftdi_sio\nA: port_number=0\\n\n"
                 "L: driver=../../../../../../../bus/usb-serial/drivers/ftdi_sio\n");
        std::string properties;
        if (adapter.with_udev_properties)
            properties = "E: ID_BUS=usb\nE: ID_SERIAL=FTDI_FT232R_USB_UART_" + adapter.serial +
                         "\nE: ID_PATH=pci-0000:00:14.0-usb-0:" + std::to_string(adapter.usb_port) +
                         ":1.0\n";
        // With a content, since without one umockdev makes a link to a pseudo terminal.
        describe("P: " + tty + "\nN: " + name + "=00\nE: SUBSYSTEM=tty\nE: DEVNAME=/dev/" + name +
                 "\nE: MAJOR=188\nE: MINOR=" + std::to_string(adapter.number) +
                 "\nA: dev=188:" + std::to_string(adapter.number) + "\\n\n" + properties);
        return "/sys" + tty;
    }
    void event(const std::string& path, const char* action) {
        umockdev_testbed_uevent(testbed_, path.c_str(), action);
    }
    void unplug(const std::string& path) {
        umockdev_testbed_uevent(testbed_, path.c_str(), "remove");
        remove(path);
    }
    /// Without an event: it was lost.
    void remove(const std::string& path) {
        const fs::path tty = path;
        const fs::path port = tty.parent_path().parent_path();
        const fs::path interface = port.parent_path();
        for (const fs::path& each : {tty, port, interface, interface.parent_path()})
            umockdev_testbed_remove_device(testbed_, each.c_str());
        // The node goes too; umockdev leaves it.
        g_autofree char* root = umockdev_testbed_get_root_dir(testbed_);
        fs::remove(fs::path(root) / "dev" / tty.filename());
    }

private:
    UMockdevTestbed* testbed_;
    int plugged_ = 1;
};

class KernelPorts : public testing::Test {
protected:
    void start(const bp_entry& with = entry<UdevPorts::Source::kernel>(),
               json::object settings = {}) {
        host = std::make_unique<FakeHost>(with, k_id);
        host->set_settings(std::move(settings));
        ASSERT_EQ(host->create(), BP_OK) << host->error();
        ASSERT_EQ(host->start(), BP_OK) << host->error();
        ASSERT_EQ(told().back(), "settled");
    }
    void TearDown() override {
        ASSERT_TRUE(host);
        host->stop();
        host->destroy();
        EXPECT_THAT(host->faults(), IsEmpty());
    }
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const BusReport& report : host->bus())
            out.push_back(report.kind == BusReport::Kind::settled ? "settled"
                          : report.kind == BusReport::Kind::added ? "+" + report.key
                                                                  : "-" + report.key);
        return out;
    }
    bool wait_for_reports(std::size_t number) {
        return host->run_until([&] { return host->bus().size() >= number; }, 30s);
    }
    std::string stable_id(const std::string& key) {
        const auto it = host->devices().find(key);
        return it == host->devices().end() ? "(gone)"
                                           : std::string(it->second.at("stable_id").as_string());
    }

    Testbed testbed;
    std::unique_ptr<FakeHost> host;
};

const std::string k_links = "/dev/serial/";

TEST_F(KernelPorts, are_reported_before_the_bus_is_settled_with_all_that_is_known) {
    testbed.add({"A1", 2, 0});
    start();
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled"));
    const json::object& device = host->devices().at("/dev/ttyUSB0");
    EXPECT_EQ(device.at("stable_id").as_string(),
              k_links + "by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port0");
    EXPECT_EQ(device.at("properties"),
              (json::value{{"vid", "0403"},
                           {"pid", "6001"},
                           {"vendor", "FTDI"},
                           {"product", "FT232R USB UART"},
                           {"serial", "A1"},
                           {"usb_path", "1-2"},
                           {"usb_interface", "00"},
                           {"driver", "ftdi_sio"},
                           {"by_id", k_links + "by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port0"},
                           {"by_path", k_links + "by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"}}))
        << json::serialize(device);
}

TEST_F(KernelPorts, come_and_go_with_the_events_of_the_kernel) {
    start();
    const std::string port = testbed.add({"A1", 1, 0});
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_EQ(told().back(), "+/dev/ttyUSB0");
    testbed.unplug(port);
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-/dev/ttyUSB0");
}

TEST_F(KernelPorts, are_the_same_device_after_a_replug_under_another_number) {
    const std::string port = testbed.add({"A1", 1, 0});
    start();
    const std::string before = stable_id("/dev/ttyUSB0");
    testbed.unplug(port);
    testbed.add({"A1", 3, 1});
    ASSERT_TRUE(wait_for_reports(4));
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled", "-/dev/ttyUSB0", "+/dev/ttyUSB1"));
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), before);
}

TEST_F(KernelPorts, are_told_apart_when_they_are_twins_without_a_serial_number) {
    testbed.add({"", 1, 0});
    testbed.add({"", 2, 1});
    start();
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), k_links + "by-path/pci-0000:00:14.0-usb-0:1:1.0-port0");
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), k_links + "by-path/pci-0000:00:14.0-usb-0:2:1.0-port0");
}

TEST_F(KernelPorts, are_told_apart_when_they_are_twins_with_the_same_serial_number) {
    testbed.add({"COPY", 1, 0});
    testbed.add({"COPY", 2, 1});
    start();
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), k_links + "by-path/pci-0000:00:14.0-usb-0:1:1.0-port0");
    EXPECT_EQ(stable_id("/dev/ttyUSB1"), k_links + "by-path/pci-0000:00:14.0-usb-0:2:1.0-port0");
}

TEST_F(KernelPorts, have_the_same_identity_with_and_without_udevd) {
    testbed.add({.serial = "A1", .usb_port = 1, .number = 0, .with_udev_properties = true});
    testbed.add({.serial = "A2", .usb_port = 2, .number = 1, .with_udev_properties = false});
    start();
    const auto property = [&](const char* key, const char* name) {
        return std::string(
            host->devices().at(key).at("properties").as_object().at(name).as_string());
    };
    EXPECT_EQ(property("/dev/ttyUSB0", "by_id"),
              k_links + "by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port0");
    EXPECT_EQ(property("/dev/ttyUSB1", "by_id"),
              k_links + "by-id/usb-FTDI_FT232R_USB_UART_A2-if00-port0");
    EXPECT_EQ(property("/dev/ttyUSB0", "by_path"),
              k_links + "by-path/pci-0000:00:14.0-usb-0:1:1.0-port0");
    EXPECT_EQ(property("/dev/ttyUSB1", "by_path"),
              k_links + "by-path/pci-0000:00:14.0-usb-0:2:1.0-port0");
}

TEST_F(KernelPorts, are_not_consoles_nor_slots_without_a_chip) {
    testbed.describe(
        "P: /devices/virtual/tty/tty1\nN: tty1\nE: SUBSYSTEM=tty\nE: DEVNAME=/dev/tty1\nE: "
        "MAJOR=4\nE: MINOR=1\n");
    testbed.describe("P: /devices/platform/serial8250\nE: SUBSYSTEM=platform\n");
    const auto uart = [&](int number, int type, const char* console) {
        const std::string name = "ttyS" + std::to_string(number);
        testbed.describe("P: /devices/platform/serial8250/tty/" + name + "\nN: " + name +
                         "\nE: SUBSYSTEM=tty\nE: DEVNAME=/dev/" + name + "\nE: MAJOR=4\nE: MINOR=" +
                         std::to_string(64 + number) + "\nA: type=" + std::to_string(type) +
                         "\\n\nA: console=" + console + "\\n\n");
    };
    uart(0, 4, "Y");
    uart(1, 4, "N");
    uart(2, 0, "N");
    start();
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyS0", "+/dev/ttyS1", "settled"));
    EXPECT_THAT(host->devices().at("/dev/ttyS0"), HasMember("no_probe", true))
        << "the kernel's console";
    EXPECT_THAT(host->devices().at("/dev/ttyS1"), HasNoMember("no_probe"));
}

TEST_F(KernelPorts, that_change_are_not_reported_twice) {
    const std::string port = testbed.add({"A1", 1, 0});
    start();
    testbed.event(port, "change");
    testbed.add({"A2", 2, 1});
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled", "+/dev/ttyUSB1"));
}

TEST_F(KernelPorts, that_are_gone_before_their_event_is_read_are_not_reported) {
    start();
    const std::string port = testbed.add({"A1", 1, 0});
    testbed.unplug(port);
    testbed.add({"A2", 2, 1});
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_THAT(told(), ElementsAre("settled", "+/dev/ttyUSB1"));
}

TEST_F(KernelPorts, survive_strange_texts_of_a_device) {
    testbed.add({.serial = "A,1", .usb_port = 1, .number = 0, .product = "\xff\xfe/../etc passwd"});
    start();
    const json::object& device = host->devices().at("/dev/ttyUSB0");
    EXPECT_THAT(device, HasMember("name",
                                  "?"
                                  "?/../etc passwd"));
    EXPECT_EQ(stable_id("/dev/ttyUSB0"), k_links + "by-path/pci-0000:00:14.0-usb-0:1:1.0-port0")
        << "a serial number with a comma is none";
}

TEST_F(KernelPorts, are_left_to_udevd_where_it_runs_until_it_is_done_with_them) {
    const std::string port =
        testbed.add({.serial = "A1", .usb_port = 1, .number = 0, .with_udev_properties = true});
    start(entry<UdevPorts::Source::udevd>());
    EXPECT_THAT(told(), ElementsAre("settled")) << "udevd has not set its rights yet";
    testbed.event(port, "add");
    ASSERT_TRUE(wait_for_reports(2));
    EXPECT_EQ(told().back(), "+/dev/ttyUSB0");
    testbed.unplug(port);
    ASSERT_TRUE(wait_for_reports(3));
    EXPECT_EQ(told().back(), "-/dev/ttyUSB0");
}

TEST_F(KernelPorts, that_are_extra_ports_too_are_reported_once_by_the_name_of_the_kernel) {
    const fs::path directory =
        fs::temp_directory_path() / ("backplane-udev-" + std::to_string(::getpid()));
    fs::create_directories(directory);
    fs::create_symlink("/dev/ttyUSB0", directory / "scale");
    fs::create_symlink("/dev/ttyUSB1", directory / "printer");
    testbed.add({"A1", 1, 0});
    start(entry<UdevPorts::Source::none>(),
          {{"extra_ports",
            json::array{(directory / "scale").string(), (directory / "printer").string()}}});
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled"));
    // inotify is first to tell of the new node.
    const std::string second = testbed.add({"A2", 2, 1});
    host->pump();
    EXPECT_EQ(host->bus().size(), 2u) << "the interface waits for what the kernel has to say";
    host->advance(3s);
    testbed.remove(second);
    host->pump();
    host->advance(3s);
    fs::remove_all(directory);
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled", "+/dev/ttyUSB1", "-/dev/ttyUSB1"));
}

TEST_F(KernelPorts, are_compared_with_all_that_is_there_when_events_are_lost) {
    const std::string first = testbed.add({"A1", 1, 0});
    start(entry<UdevPorts::Source::none>());
    testbed.remove(first);
    testbed.add({"A2", 2, 1});
    host->advance(2999ms);
    EXPECT_EQ(host->bus().size(), 2u);
    host->advance(1ms);
    EXPECT_THAT(told(), ElementsAre("+/dev/ttyUSB0", "settled", "-/dev/ttyUSB0", "+/dev/ttyUSB1"));
}

TEST_F(KernelPorts, of_the_no_probe_list_are_marked) {
    testbed.add({"A1", 1, 0});
    testbed.add({"A2", 2, 1});
    start(entry<UdevPorts::Source::kernel>(),
          {{"no_probe", {k_links + "by-id/usb-FTDI_FT232R_USB_UART_A2-if00-port0"}}});
    EXPECT_THAT(host->devices().at("/dev/ttyUSB0"), HasNoMember("no_probe"));
    EXPECT_THAT(host->devices().at("/dev/ttyUSB1"), HasMember("no_probe", true));
}

}  // namespace
}  // namespace backplane::serial

/// umockdev works by a preloaded library; the program sees to that itself, so that it can be run
/// like any other.
int main(int argc, char** argv) {
    constexpr const char* k_marker = "BACKPLANE_TEST_UMOCKDEV";
    if (!::getenv(k_marker)) {
        const char* preload = ::getenv("LD_PRELOAD");
        const char* asan = ::getenv("ASAN_OPTIONS");
        ::setenv(k_marker, "1", 1);
        ::setenv("LD_PRELOAD",
                 (std::string(preload ? preload : "") + " libumockdev-preload.so.0").c_str(), 1);
        // AddressSanitizer wants to be the first library and does not have to be.
        ::setenv("ASAN_OPTIONS",
                 (std::string(asan ? asan : "") + ":verify_asan_link_order=0").c_str(), 1);
        ::execv("/proc/self/exe", argv);
        return 127;
    }
    testing::InitGoogleMock(&argc, argv);
    return RUN_ALL_TESTS();
}
