// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "identity.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace backplane::serial {

namespace {

constexpr std::size_t k_most_text = 128;

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    // Overlong forms, surrogates and what lies above U+10FFFF.
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
        (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
        return 0;
    return length;
}

bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view{"#+-.:=@_"}.find(c) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string_view file_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace

bool is_real_port(const PortFacts& facts) {
    if (facts.devnode.empty() || !facts.has_parent) return false;
    if (facts.syspath.find("/devices/virtual/") != std::string::npos) return false;
    if (facts.uart_type == 0) return false;
    // The box's own end of a USB cable that makes it a gadget: no device hangs there.
    return !file_name(facts.devnode).starts_with("ttyGS");
}

std::string as_udev_name(std::string_view text) {
    text = trimmed(text);
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (is_blank(text[i])) {
            while (is_blank(text[i])) ++i;  // ends: the text is trimmed
            out += '_';
            continue;
        }
        const std::size_t length = utf8_length(text.substr(i));
        if (length > 1) {
            out += text.substr(i, length);
            i += length;
        } else {
            out += is_plain(text[i]) ? text[i] : '_';
            ++i;
        }
    }
    return out;
}

std::string usb_id_serial(std::string_view vendor, std::string_view product,
                          std::string_view serial) {
    std::string out = as_udev_name(vendor) + '_' + as_udev_name(product);
    // udev drops a serial number with bytes that no serial number may have.
    const bool usable = std::all_of(serial.begin(), serial.end(), [](char c) {
        return !is_control(c) && (c & 0x80) == 0 && c != ',';
    });
    if (usable && !trimmed(serial).empty()) out += '_' + as_udev_name(serial);
    return out;
}

std::string by_id_link(const PortFacts& facts) {
    if (facts.id_serial.empty() || facts.usb_interface.empty()) return {};
    std::string link = "/dev/serial/by-id/usb-" + facts.id_serial + "-if" + facts.usb_interface;
    if (!facts.port_number.empty()) link += "-port" + facts.port_number;
    return link;
}

std::string by_path_link(const PortFacts& facts) {
    if (facts.id_path.empty()) return {};
    std::string link = "/dev/serial/by-path/" + facts.id_path;
    if (!facts.port_number.empty()) link += "-port" + facts.port_number;
    return link;
}

bool has_serial_number_of_its_own(const PortFacts& facts) {
    const std::string_view serial = trimmed(facts.serial);
    // udev leaves out numbers with characters that no serial number may have, so a link would not
    // tell twins apart.
    if (serial.empty() || !facts.id_serial.ends_with('_' + as_udev_name(serial))) return false;
    // What CP210x, PL2303 and copies of FTDI chips carry when nobody has programmed them.
    constexpr std::array<std::string_view, 6> k_of_the_factory{
        "0001", "1", "12345678", "123456789", "0123456789", "1234567890"};
    if (std::find(k_of_the_factory.begin(), k_of_the_factory.end(), serial) !=
        k_of_the_factory.end())
        return false;
    return serial.find_first_not_of('0') != std::string_view::npos;
}

std::string clean_text(std::string_view text) {
    text = trimmed(text);
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text.substr(i));
        const bool good = length > 1 || (length == 1 && !is_control(text[i]));
        if (out.size() + (good ? length : 1) > k_most_text) break;
        if (good)
            out += text.substr(i, length);
        else
            out += '?';
        i += length ? length : 1;
    }
    return out;
}

}  // namespace backplane::serial
