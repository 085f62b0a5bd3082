// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "udev_ports.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "identity.hpp"

namespace backplane::serial {

namespace {

// A hub with a dozen adapters causes some hundred events at once; each is some hundred bytes.
constexpr int k_receive_buffer = 1 << 20;
// Of one call, so that a storm of events starves nobody; the rest has its turn at once.
constexpr int k_events_at_once = 32;
constexpr auto k_poll_period = std::chrono::seconds{3};

std::string_view text(const char* value) {
    return value ? value : "";
}

std::string_view attribute(udev_device* device, const char* name) {
    return device ? text(udev_device_get_sysattr_value(device, name)) : std::string_view{};
}

std::string_view property(udev_device* device, const char* name) {
    return text(udev_device_get_property_value(device, name));
}

/// The part of a USB path that udev puts into ID_PATH: "0:1.4" of "1-1.4".
std::string_view port_chain(std::string_view usb_path) {
    const auto dash = usb_path.find('-');
    return dash == std::string_view::npos ? std::string_view{} : usb_path.substr(dash + 1);
}

/// ID_PATH where udevd has not computed it: the USB port on its controller, the controller on its
/// PCI or platform bus.
std::string id_path_from_parents(udev_device* device, std::string_view usb_path) {
    std::string path;
    if (udev_device* interface =
            udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_interface")) {
        // "1-1.4:1.0" is interface 0 of configuration 1 of the device at port 1.4 of bus 1; the
        // number of the bus is given by the order of detection and is left out.
        const std::string_view name = text(udev_device_get_sysname(interface));
        const auto colon = name.find(':');
        if (colon == std::string_view::npos || port_chain(usb_path).empty()) return {};
        path = "usb-0:" + std::string(port_chain(usb_path)) + std::string(name.substr(colon));
    }
    for (const char* bus : {"pci", "platform"})
        if (udev_device* controller =
                udev_device_get_parent_with_subsystem_devtype(device, bus, nullptr)) {
            std::string head =
                std::string(bus) + '-' + std::string(text(udev_device_get_sysname(controller)));
            path = path.empty() ? std::move(head) : std::move(head) + '-' + path;
        }
    return path;
}

/// The driver of the nearest device that has one of use to people: newer kernels put two of their
/// own in between.
std::string driver_of(udev_device* device) {
    for (udev_device* d = udev_device_get_parent(device); d; d = udev_device_get_parent(d)) {
        if (text(udev_device_get_subsystem(d)) == "serial-base") continue;
        if (const std::string_view driver = text(udev_device_get_driver(d)); !driver.empty())
            return clean_text(driver);
    }
    return {};
}

}  // namespace

UdevPorts::UdevPorts(sdk::Host& host, Listener& listener, Source source)
    : host_(host), listener_(listener), source_(source), udev_(udev_new()) {
    if (!udev_)
        throw sdk::Failure(BP_E_INTERNAL,
                           std::string("looking for serial ports: libudev cannot be used: ") +
                               std::strerror(errno));
    if (source_ == Source::automatic)
        source_ = ::access("/run/udev/control", F_OK) == 0 ? Source::udevd : Source::kernel;
    if (source_ != Source::none && listen()) return;
    poll_.emplace(host_, [this] { listener_.events_lost(); });
    poll_->start_every(k_poll_period);
}

bool UdevPorts::listen() {
    monitor_.reset(
        udev_monitor_new_from_netlink(udev_.get(), source_ == Source::udevd ? "udev" : "kernel"));
    if (monitor_) {
        udev_monitor_set_receive_buffer_size(monitor_.get(), k_receive_buffer);
        if (udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), "tty", nullptr) >= 0 &&
            udev_monitor_enable_receiving(monitor_.get()) >= 0) {
            watch_.emplace(host_, udev_monitor_get_fd(monitor_.get()), BP_FD_READ,
                           [this](std::uint32_t) { read_events(); });
            return true;
        }
    }
    host_.log_warning(
        std::string("serial ports: the system gives no events of devices (") +
        std::strerror(errno) +
        "), so they are looked for every 3 s: allow netlink sockets to find them at once");
    monitor_.reset();
    return false;
}

void UdevPorts::read_events() {
    for (int i = 0; i < k_events_at_once; ++i) {
        errno = 0;
        const Owned<udev_device> device{udev_monitor_receive_device(monitor_.get())};
        if (!device) {
            if (errno == ENOBUFS) {
                host_.log_warning(
                    "serial ports: more events of devices than could be read, looking at all ports "
                    "again");
                listener_.events_lost();
            }
            return;
        }
        const std::string_view action = text(udev_device_get_action(device.get()));
        const std::string syspath{text(udev_device_get_syspath(device.get()))};
        if (action == "remove") {
            listener_.port_removed(syspath);
        } else if (action == "add" || action == "change") {
            // It has gone again already, and what sysfs would say now is nothing: its removal is on
            // the way.
            if (::access(syspath.c_str(), F_OK) == 0) listener_.port_added(facts_of(device.get()));
        }
    }
}

std::vector<PortFacts> UdevPorts::all() const {
    std::vector<PortFacts> out;
    const Owned<udev_enumerate> list{udev_enumerate_new(udev_.get())};
    if (!list || udev_enumerate_add_match_subsystem(list.get(), "tty") < 0 ||
        udev_enumerate_scan_devices(list.get()) < 0) {
        host_.log_error("serial ports: the list of devices cannot be read from sysfs");
        return out;
    }
    udev_list_entry* entry = nullptr;
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list.get())) {
        const Owned<udev_device> device{
            udev_device_new_from_syspath(udev_.get(), udev_list_entry_get_name(entry))};
        if (!device) continue;  // gone meanwhile
        // udevd is still busy with it; its event comes when the node may be opened.
        if (source_ == Source::udevd && !udev_device_get_is_initialized(device.get())) continue;
        out.push_back(facts_of(device.get()));
    }
    return out;
}

bool UdevPorts::is_port(std::uint64_t device_number) const {
    const Owned<udev_device> device{udev_device_new_from_devnum(udev_.get(), 'c', device_number)};
    return device && text(udev_device_get_subsystem(device.get())) == "tty" &&
           is_real_port(facts_of(device.get()));
}

PortFacts UdevPorts::facts_of(udev_device* device) {
    PortFacts facts;
    facts.syspath = text(udev_device_get_syspath(device));
    facts.devnode = text(udev_device_get_devnode(device));
    facts.has_parent = udev_device_get_parent(device) != nullptr;
    facts.driver = driver_of(device);
    facts.console = attribute(device, "console").starts_with('Y');
    if (const std::string_view type = attribute(device, "type"); !type.empty()) {
        int number = 0;
        if (std::from_chars(type.data(), type.data() + type.size(), number).ec == std::errc{})
            facts.uart_type = number;
    }

    udev_device* usb = udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device");
    if (usb) {
        facts.vid = clean_text(attribute(usb, "idVendor"));
        facts.pid = clean_text(attribute(usb, "idProduct"));
        const std::string_view vendor = attribute(usb, "manufacturer");
        const std::string_view product = attribute(usb, "product");
        const std::string_view serial = attribute(usb, "serial");
        facts.vendor =
            clean_text(vendor.empty() ? property(device, "ID_VENDOR_FROM_DATABASE") : vendor);
        facts.product =
            clean_text(product.empty() ? property(device, "ID_MODEL_FROM_DATABASE") : product);
        facts.serial = clean_text(serial);
        facts.usb_path = clean_text(text(udev_device_get_sysname(usb)));
        facts.usb_generation = clean_text(attribute(usb, "devnum"));
        if (udev_device* interface =
                udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_interface"))
            facts.usb_interface = clean_text(attribute(interface, "bInterfaceNumber"));
        if (udev_device* port =
                udev_device_get_parent_with_subsystem_devtype(device, "usb-serial", nullptr))
            facts.port_number = clean_text(attribute(port, "port_number"));
        facts.id_serial = clean_text(property(device, "ID_SERIAL"));
        if (facts.id_serial.empty())
            facts.id_serial = usb_id_serial(vendor.empty() ? facts.vid : vendor,
                                            product.empty() ? facts.pid : product, serial);
    }
    facts.id_path = clean_text(property(device, "ID_PATH"));
    if (facts.id_path.empty()) facts.id_path = id_path_from_parents(device, facts.usb_path);
    return facts;
}

}  // namespace backplane::serial
