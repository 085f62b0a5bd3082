// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/descriptor.hpp"

#include <algorithm>
#include <utility>

namespace backplane::core {

namespace {

constexpr std::size_t k_text_limit = 512;

bool printable(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Reads text members one after the other and keeps the first thing that is wrong.
class Reader {
public:
    explicit Reader(const boost::json::object& object) : object_(object) {}

    std::string text(std::string_view member, bool required, std::size_t most = k_text_limit) {
        const auto* value = object_.if_contains(member);
        if (!value || value->is_null()) {
            if (required) complain(member, "is missing");
            return {};
        }
        if (!value->is_string()) return complain(member, "is not a text"), std::string();
        std::string out{value->get_string()};
        if (out.size() > most)
            return complain(member, "is longer than " + std::to_string(most) + " bytes"),
                   std::string();
        if (!printable(out)) return complain(member, "contains control characters"), std::string();
        if (required && out.empty()) complain(member, "is empty");
        return out;
    }
    void complain(std::string_view member, const std::string& what) {
        if (problem_.empty()) problem_ = '"' + std::string(member) + "\" " + what;
    }
    const std::string& problem() const { return problem_; }

private:
    const boost::json::object& object_;
    std::string problem_;
};

OpenSpec parse_open(Reader& outer, const boost::json::value* value) {
    OpenSpec open;
    if (!value || value->is_null()) return open;
    if (!value->is_object()) return outer.complain("open", "is not an object"), open;
    const auto& object = value->get_object();
    Reader reader{object};
    const std::string kind = reader.text("kind", true);
    if (kind == "none") {
        open.kind = OpenSpec::Kind::none;
    } else if (kind == "device_node") {
        open.kind = OpenSpec::Kind::device_node;
        open.path = reader.text("path", true, 4096);
        if (!open.path.empty() && open.path.front() != '/')
            reader.complain("path", "is not absolute");
    } else if (kind == "tcp") {
        open.kind = OpenSpec::Kind::tcp;
        open.host = reader.text("host", true, 255);
        const auto* port = object.if_contains("port");
        if (!port || !port->is_int64() || port->get_int64() < 1 || port->get_int64() > 65535)
            reader.complain("port", "is not a number from 1 to 65535");
        else
            open.port = static_cast<std::uint16_t>(port->get_int64());
    } else if (kind == "fd") {
        open.kind = OpenSpec::Kind::fd;
    } else if (reader.problem().empty()) {
        reader.complain("kind", "is \"" + kind + "\", not device_node, tcp, fd or none");
    }
    if (!reader.problem().empty()) outer.complain("open", "is wrong: " + reader.problem());
    return open;
}

}  // namespace

Result<Descriptor> parse_descriptor(boost::json::object raw) {
    Descriptor d;
    Reader reader{raw};
    d.key = reader.text("key", true, 256);
    d.bus = reader.text("bus", true, 32);
    d.address = reader.text("address", true);
    d.identifier = reader.text("identifier", true, 127);
    d.stable_id = reader.text("stable_id", false);
    d.connection = reader.text("connection", false, 32);
    d.name = reader.text("name", false);
    d.manufacturer = reader.text("manufacturer", false);
    d.model = reader.text("model", false);
    if (d.stable_id.empty()) d.stable_id = d.identifier;
    if (d.connection.empty()) d.connection = d.bus;
    if (const auto* no_probe = raw.if_contains("no_probe")) {
        if (no_probe->is_bool())
            d.no_probe = no_probe->get_bool();
        else
            reader.complain("no_probe", "is neither true nor false");
    }
    if (const auto* properties = raw.if_contains("properties")) {
        if (!properties->is_object()) {
            reader.complain("properties", "are not an object");
        } else {
            for (const auto& [name, value] : properties->get_object())
                if (value.is_object() || value.is_array())
                    reader.complain("properties", "has a member \"" + std::string(name) +
                                                      "\" that is not a plain value");
            d.properties = properties->get_object();
        }
    }
    d.open = parse_open(reader, raw.if_contains("open"));
    if (!reader.problem().empty())
        return failure("descriptor.invalid", "the descriptor's " + reader.problem());
    d.raw = std::move(raw);
    return d;
}

}  // namespace backplane::core
