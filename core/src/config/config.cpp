// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// From files to a checked Config. The first mistake ends it: a box with half of its configuration
// is worse than one that says which line to mend.
#include "backplane/core/config.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <system_error>
#include <type_traits>

#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "config/config_node.hpp"
#include "config/suggestion.hpp"
#include "config/yaml_reader.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t k_file_bytes = 1u << 20;
constexpr std::size_t k_fragments = 256;
constexpr std::size_t k_identifier_bytes = 512;
constexpr std::size_t k_device_name_bytes = 128;
constexpr std::size_t k_url_bytes = 2048;
constexpr std::size_t k_addresses = 16;
constexpr std::size_t k_trusted_keys = 64;
constexpr std::size_t k_path_bytes = 4096;
constexpr std::size_t k_host_names = 16;
constexpr std::size_t k_host_name_bytes = 253;
constexpr std::size_t k_arguments = 32;

/// One mistake; thrown and caught inside this file only, so that the readers below stay readable.
struct Mistake {
    Unexpected<Error> error;
};

[[noreturn]] void refuse(const char* code, const ConfigOrigin& origin, const std::string& path,
                         const std::string& what) {
    throw Mistake{config_failure(code, origin, path, what)};
}

template <typename T>
T or_refuse(Result<T> result) {
    if (!result) throw Mistake{Unexpected<Error>{std::move(result).error()}};
    return std::move(result).value();
}

// --- files
// -------------------------------------------------------------------------------------------------------------

std::string reason(int error) {
    return std::generic_category().message(error);
}

/// False when there is no such file.
bool read_file(const std::string& path, const std::string& shown, std::string& out) {
    // Non-blocking: a FIFO by that name must not stop the box from starting.
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) {
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR) return false;
        refuse("config.unreadable", {path, 0}, {},
               "cannot read the configuration: " + reason(error) +
                   ": check the permissions of the file and of its folders");
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        refuse("config.unreadable", {path, 0}, {},
               "cannot read the configuration: this is not a regular file");
    }
    out.clear();
    std::array<char, 16384> piece{};
    for (;;) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            refuse("config.unreadable", {path, 0}, {},
                   "cannot read the configuration: " + reason(errno));
        }
        if (count == 0) return true;
        out.append(piece.data(), static_cast<std::size_t>(count));
        if (out.size() > k_file_bytes) {
            refuse("config.too_large", {shown, 0}, {},
                   "is larger than 1 MiB: this cannot be a configuration of the box");
        }
    }
}

/// Names of conf.d/*.yaml, sorted.
std::vector<std::string> fragment_names(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entries{folder, error};
    if (error) {
        if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
            return names;
        refuse("config.unreadable", {folder.string(), 0}, {},
               "cannot list the configuration's fragments: " + error.message() +
                   ": check the permissions of the folder");
    }
    for (const fs::directory_iterator end; entries != end;) {
        const std::string name = entries->path().filename().string();
        if (!name.starts_with('.')) {
            if (name.ends_with(".yaml")) {
                names.push_back(name);
            } else if (name.ends_with(".yml")) {
                log_warning("config", "config.fragment_ignored",
                            {{"file", entries->path().string()},
                             {"reason", "its name does not end in .yaml: rename it"}});
            }
        }
        if (names.size() > k_fragments) {
            refuse(
                "config.too_large", {folder.string(), 0}, {},
                "holds more than " + std::to_string(k_fragments) + " fragments: join some of them");
        }
        entries.increment(error);
        if (error) {
            refuse("config.unreadable", {folder.string(), 0}, {},
                   "cannot list the configuration's fragments: " + error.message());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

ConfigNode read_all(const std::string& file, bool required) {
    const fs::path path{file};
    const std::string shown = path.filename().string();
    ConfigNode top;
    top.origin = {shown, 1};
    std::string text;
    if (read_file(file, shown, text)) {
        top = or_refuse(read_yaml(text, shown));
    } else if (required) {
        refuse("config.unreadable", {file, 0}, {},
               "cannot read the configuration: there is no such file: create it, or name another "
               "with --config");
    }
    if (top.kind == ConfigNode::Kind::nothing) top.kind = ConfigNode::Kind::map;
    const fs::path folder = path.parent_path() / "conf.d";
    for (const std::string& name : fragment_names(folder)) {
        const std::string fragment = "conf.d/" + name;
        // Gone since it was listed: as if it had never been there.
        if (!read_file((folder / name).string(), fragment, text)) continue;
        merge(top, or_refuse(read_yaml(text, fragment)));
    }
    return top;
}

// --- values
// ------------------------------------------------------------------------------------------------------------

boost::json::value scalar(const ConfigNode& node, const std::string& path,
                          const std::string& needed) {
    if (node.kind != ConfigNode::Kind::scalar) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, " + needed + " is needed");
    }
    return or_refuse(to_json(node, path));
}

std::string text_value(const ConfigNode& node, const std::string& path, std::size_t most_bytes) {
    const boost::json::value value = scalar(node, path, "text");
    if (!value.is_string()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + (value.is_bool() ? " is a truth value" : " is a number") +
                   ", text is needed: put it in quotes");
    }
    if (node.text.size() > most_bytes) {
        refuse("config.out_of_range", node.origin, path,
               "is longer than " + std::to_string(most_bytes) + " bytes: make it shorter");
    }
    if (to_printable(node.text, node.text.size() * 6) != node.text) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " contains control characters: leave them out");
    }
    return node.text;
}

bool bool_value(const ConfigNode& node, const std::string& path) {
    const boost::json::value value = scalar(node, path, "true or false");
    if (!value.is_bool()) {
        refuse(
            "config.wrong_type", node.origin, path,
            describe(node) + " is neither true nor false: write one of these two, without quotes");
    }
    return value.get_bool();
}

std::uint16_t port_value(const ConfigNode& node, const std::string& path) {
    const boost::json::value value = scalar(node, path, "a port number");
    if (value.is_string()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) +
                   " is text, a port is needed: give a number from 1 to 65535, without quotes");
    }
    if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > 65535) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not a port: give a number from 1 to 65535");
    }
    return static_cast<std::uint16_t>(value.get_int64());
}

int number_value(const ConfigNode& node, const std::string& path, int least, int most) {
    const std::string range =
        "give a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    const boost::json::value value = scalar(node, path, "a number");
    if (!value.is_number()) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " is no number: " + range + ", without quotes");
    }
    if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not possible: " + range);
    }
    return static_cast<int>(value.get_int64());
}

std::string choice_value(const ConfigNode& node, const std::string& path,
                         const std::vector<std::string>& choices) {
    const std::string value = text_value(node, path, 64);
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " is not possible" + suggestion_for(value, choices));
    }
    return value;
}

std::vector<std::string> text_list(const ConfigNode& node, const std::string& path,
                                   std::size_t most_items, std::size_t most_bytes) {
    if (node.kind != ConfigNode::Kind::list) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, a list such as [a, b] is needed");
    }
    if (node.items.size() > most_items) {
        refuse("config.out_of_range", node.origin, path,
               "has more than " + std::to_string(most_items) + " entries: leave some out");
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        texts.push_back(
            text_value(node.items[i], path + "[" + std::to_string(i) + "]", most_bytes));
    }
    return texts;
}

bool is_ip_address(std::string address) {
    if (const auto scope = address.find('%');
        scope != std::string::npos && address.find(':') != std::string::npos) {
        if (scope + 1 == address.size()) return false;
        address.resize(scope);
    }
    in6_addr buffer{};
    return ::inet_pton(AF_INET, address.c_str(), &buffer) == 1 ||
           ::inet_pton(AF_INET6, address.c_str(), &buffer) == 1;
}

std::vector<std::string> addresses(const ConfigNode& node, const std::string& path) {
    std::vector<std::string> values;
    if (node.kind == ConfigNode::Kind::list) {
        values = text_list(node, path, k_addresses, 64);
    } else {
        values.push_back(text_value(node, path, 64));
    }
    if (values.empty()) {
        refuse("config.out_of_range", node.origin, path,
               "is empty: give at least one address, such as 0.0.0.0 for all of IPv4");
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (is_ip_address(values[i])) continue;
        const ConfigNode& at = node.kind == ConfigNode::Kind::list ? node.items[i] : node;
        refuse("config.out_of_range", at.origin, path,
               describe(at) +
                   " is not an IP address: give one such as 127.0.0.1, or 0.0.0.0 for all of IPv4");
    }
    return values;
}

/// http(s)://host[:port][/path], or empty.
std::string url_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    const std::string url = text_value(node, path, k_url_bytes);
    if (url.empty()) return url;
    const auto wrong = [&](const char* what) {
        refuse("config.out_of_range", node.origin, path,
               describe(node) + " " + what + ": give an address such as https://shop.example.com");
    };
    const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
    if (scheme == 0) wrong("does not begin with https:// or http://");
    if (url.find_first_of(" \"<>\\^`{|}#") != std::string::npos)
        wrong("contains characters that no address has");
    std::string authority = url.substr(scheme, url.find_first_of("/?", scheme) - scheme);
    if (authority.find('@') != std::string::npos)
        wrong("contains a user name or password, which do not belong here");
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
    if (colon != std::string::npos) {
        const std::string port = authority.substr(colon + 1);
        const bool digits =
            !port.empty() && port.size() <= 5 &&
            std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits || std::stoi(port) < 1 || std::stoi(port) > 65535)
            wrong("has a port that is not from 1 to 65535");
        authority.resize(colon);
    }
    if (authority.empty()) wrong("names no host");
    if (authority.front() == '[' &&
        (authority.back() != ']' || !is_ip_address(authority.substr(1, authority.size() - 2)))) {
        wrong("has a broken IPv6 address");
    }
    return url;
}

/// The path of a file, or empty. Whether it is there is seen by who reads it.
std::string file_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    const std::string file = text_value(node, path, k_path_bytes);
    if (!file.empty() && file.front() != '/') {
        refuse("config.out_of_range", node.origin, path,
               describe(node) +
                   " is not a whole path: give one that begins with /, such as /etc/ssl/box.pem");
    }
    return file;
}

bool is_host_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > k_host_name_bytes) return false;
    std::size_t label = 0;
    char before = '.';
    for (const char c : name) {
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '.' ? label == 0 || before == '-' : !plain && (c != '-' || label == 0))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63) return false;
        before = c;
    }
    return label > 0 && before != '-';
}

std::vector<std::string> host_names(const ConfigNode& node, const std::string& path) {
    std::vector<std::string> names = text_list(node, path, k_host_names, k_host_name_bytes);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (is_host_name(names[i]) || is_ip_address(names[i])) continue;
        refuse("config.out_of_range", node.items[i].origin, path,
               describe(node.items[i]) +
                   " is neither a host name nor an IP address: give one such as box.example.com");
    }
    return names;
}

/// A program with its arguments; empty: none.
std::vector<std::string> command_value(const ConfigNode& node, const std::string& path) {
    if (node.kind == ConfigNode::Kind::nothing) return {};
    std::vector<std::string> words = text_list(node, path, k_arguments, k_path_bytes);
    if (!words.empty() && !words.front().starts_with('/')) {
        refuse("config.out_of_range", node.items.front().origin, path,
               describe(node.items.front()) +
                   " is not the whole path of a program: give one that begins with /, such as "
                   "[/usr/bin/tunnel, up]");
    }
    return words;
}

bool is_plugin_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

/// Ed25519 public keys in base64: 32 bytes bare, or the 42 bytes of minisign (which begin with
/// "Ed").
bool is_public_key(std::string_view key) noexcept {
    const bool bare = key.size() == 44 && key.ends_with('=') && !key.ends_with("==");
    const bool minisign = key.size() == 56 && key.starts_with("RW");
    if (!bare && !minisign) return false;
    if (bare) key.remove_suffix(1);
    return std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/';
    });
}

// --- sections
// ----------------------------------------------------------------------------------------------------------

using Reader = std::function<void(const ConfigNode&, const std::string& path)>;

const std::vector<ConfigMember>& members(const ConfigNode& node, const std::string& path) {
    static const std::vector<ConfigMember> k_none;
    if (node.kind == ConfigNode::Kind::nothing) return k_none;
    if (node.kind != ConfigNode::Kind::map) {
        refuse("config.wrong_type", node.origin, path,
               describe(node) + " stands here, keys with values are needed");
    }
    return node.members;
}

void read_section(const ConfigNode& node, const std::string& path,
                  const std::vector<std::pair<std::string, Reader>>& keys) {
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = (path.empty() ? "" : path + ".") + to_printable(member.key, 80);
        const auto known = std::find_if(keys.begin(), keys.end(),
                                        [&](const auto& key) { return key.first == member.key; });
        if (known == keys.end()) {
            std::vector<std::string> names;
            for (const auto& key : keys) names.push_back(key.first);
            refuse("config.unknown_key", member.origin, below,
                   "unknown key" + suggestion_for(member.key, names));
        }
        known->second(member.value, below);
    }
}

std::map<std::string, PluginSettings> read_plugins(const ConfigNode& node,
                                                   const std::string& path) {
    std::map<std::string, PluginSettings> plugins;
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = path + "." + to_printable(member.key, 80);
        if (!is_plugin_name(member.key)) {
            refuse("config.out_of_range", member.origin, below,
                   "is not the name of a plug-in: these are 1 to 32 small letters, digits and "
                   "underscores");
        }
        PluginSettings settings;
        settings.origin = member.origin;
        for (const ConfigMember& setting : members(member.value, below)) {
            settings.values.emplace(
                setting.key,
                or_refuse(to_json(setting.value, below + "." + to_printable(setting.key, 80))));
            settings.origins.emplace(setting.key, setting.origin);
        }
        plugins.emplace(member.key, std::move(settings));
    }
    return plugins;
}

std::map<std::string, DevicePin> read_devices(const ConfigNode& node, const std::string& path) {
    std::map<std::string, DevicePin> devices;
    for (const ConfigMember& member : members(node, path)) {
        const std::string below = path + ".\"" + to_printable(member.key, 80) + "\"";
        if (member.key.empty() || member.key.size() > k_identifier_bytes ||
            to_printable(member.key, member.key.size() * 6) != member.key) {
            refuse("config.out_of_range", member.origin, below,
                   "is not an identifier of a device: copy it from \"backplane devices\"");
        }
        DevicePin pin;
        pin.origin = member.origin;
        read_section(
            member.value, below,
            {{"name",
              [&](const ConfigNode& value, const std::string& at) {
                  pin.name = text_value(value, at, k_device_name_bytes);
              }},
             {"driver",
              [&](const ConfigNode& value, const std::string& at) {
                  pin.driver = text_value(value, at, 64);
                  if (!is_plugin_name(pin.driver)) {
                      refuse(
                          "config.out_of_range", value.origin, at,
                          describe(value) +
                              " is not the name of a driver: copy it from \"backplane plugins\"");
                  }
              }},
             {"ignored", [&](const ConfigNode& value, const std::string& at) {
                  pin.ignored = bool_value(value, at);
              }}});
        devices.emplace(member.key, std::move(pin));
    }
    return devices;
}

/// Two settings of which neither means anything without the other.
void both_or_none(const ConfigNode& node, const std::string& path, const char* first,
                  const std::string& first_value, const char* second,
                  const std::string& second_value) {
    if (first_value.empty() == second_value.empty()) return;
    const char* const given = first_value.empty() ? second : first;
    const char* const missing = first_value.empty() ? first : second;
    // Where the one that is there was written.
    const auto found = std::find_if(node.members.begin(), node.members.end(),
                                    [&](const ConfigMember& m) { return m.key == given; });
    const ConfigOrigin& at = found != node.members.end() ? found->origin : node.origin;
    refuse("config.missing_key", at, path + "." + given,
           std::string("needs ") + path + "." + missing +
               " beside it: give the file of the certificate and that of its key, or neither");
}

void read_https(Config::Https& https, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    read_section(
        node, path,
        {{"enabled", [&](Node n, Path p) { https.enabled = bool_value(n, p); }},
         {"port",
          [&](Node n, Path p) {
              https.port = port_value(n, p);
              https.port_given = true;
          }},
         {"certificate", [&](Node n, Path p) { https.certificate = file_value(n, p); }},
         {"key", [&](Node n, Path p) { https.key = file_value(n, p); }},
         {"authority", [&](Node n, Path p) { https.authority = file_value(n, p); }},
         {"authority_key", [&](Node n, Path p) { https.authority_key = file_value(n, p); }},
         {"names", [&](Node n, Path p) { https.names = host_names(n, p); }}});
    both_or_none(node, path, "certificate", https.certificate, "key", https.key);
    both_or_none(node, path, "authority", https.authority, "authority_key", https.authority_key);
    if (!https.certificate.empty() && !https.authority.empty()) {
        refuse("config.out_of_range", node.origin, path,
               "has both a certificate and an authority that would make one: keep one of them");
    }
}

void read_odoo(Config::Odoo& odoo, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    Config::Odoo::RemoteDebug& debug = odoo.remote_debug;
    const Reader remote_debug = [&](Node inner, Path below) {
        read_section(inner, below,
                     {{"start", [&](Node n, Path p) { debug.start = command_value(n, p); }},
                      {"stop", [&](Node n, Path p) { debug.stop = command_value(n, p); }},
                      {"status", [&](Node n, Path p) { debug.status = command_value(n, p); }}});
        if (debug.start.empty() != debug.stop.empty()) {
            refuse("config.missing_key", inner.origin, below,
                   "needs both start and stop: what was opened must be closed again");
        }
        if (debug.start.empty() && !debug.status.empty()) {
            refuse("config.missing_key", inner.origin, below,
                   "has a status but nothing to start: give start and stop, too");
        }
    };
    read_section(node, path,
                 {{"server", [&](Node n, Path p) { odoo.server = url_value(n, p); }},
                  {"pairing_proxy", [&](Node n, Path p) { odoo.pairing_proxy = url_value(n, p); }},
                  {"certificate_service",
                   [&](Node n, Path p) { odoo.certificate_service = url_value(n, p); }},
                  {"ca_file", [&](Node n, Path p) { odoo.ca_file = file_value(n, p); }},
                  {"send_logs", [&](Node n, Path p) { odoo.send_logs = bool_value(n, p); }},
                  {"remote_debug", remote_debug}});
}

Config read_config(const ConfigNode& top) {
    Config config;
    const std::vector<std::string> levels{"error", "warning", "info", "debug"};

    const Reader http = [&](const ConfigNode& node, const std::string& path) {
        read_section(
            node, path,
            {{"address", [&](const ConfigNode& n,
                             const std::string& p) { config.http.addresses = addresses(n, p); }},
             {"port", [&](const ConfigNode& n, const std::string& p) {
                  config.http.port = port_value(n, p);
              }}});
    };
    const Reader update = [&](const ConfigNode& node, const std::string& path) {
        Config::Plugins::Update& wanted = config.plugins.update;
        read_section(
            node, path,
            {{"automatic", [&](const ConfigNode& n,
                               const std::string& p) { wanted.automatic = bool_value(n, p); }},
             {"jitter_s",
              [&](const ConfigNode& n, const std::string& p) {
                  wanted.jitter = std::chrono::seconds{number_value(n, p, 0, 3'600)};
              }},
             {"interval_h",
              [&](const ConfigNode& n, const std::string& p) {
                  wanted.interval = std::chrono::hours{number_value(n, p, 1, 720)};
              }},
             {"accept_expired", [&](const ConfigNode& n, const std::string& p) {
                  wanted.accept_expired = bool_value(n, p);
              }}});
    };
    const Reader plugins = [&](const ConfigNode& node, const std::string& path) {
        read_section(
            node, path,
            {{"trusted_keys",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.trusted_keys = text_list(n, p, k_trusted_keys, 128);
                  for (const ConfigNode& key : n.items) {
                      if (is_public_key(key.text)) continue;
                      refuse(
                          "config.out_of_range", key.origin, p,
                          describe(key) +
                              " is not a public key: give the second line of a minisign .pub file");
                  }
              }},
             {"isolation",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.isolation = choice_value(n, p, {"process"});
              }},
             {"crashes",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.crashes = number_value(n, p, 1, 100);
              }},
             {"window_s",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.window = std::chrono::seconds{number_value(n, p, 1, 86'400)};
              }},
             {"hang_limit_s",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.hang_limit = std::chrono::seconds{number_value(n, p, 1, 300)};
              }},
             {"memory_mb",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.memory_mb = number_value(n, p, 16, 16'384);
              }},
             {"development",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.development = bool_value(n, p);
              }},
             {"probation_s",
              [&](const ConfigNode& n, const std::string& p) {
                  config.plugins.probation = std::chrono::seconds{number_value(n, p, 1, 86'400)};
              }},
             {"update", update}});
    };
    const Reader log = [&](const ConfigNode& node, const std::string& path) {
        read_section(
            node, path,
            {{"level",
              [&](const ConfigNode& n, const std::string& p) {
                  config.log.level = choice_value(n, p, levels);
              }},
             {"components", [&](const ConfigNode& n, const std::string& p) {
                  for (const ConfigMember& member : members(n, p)) {
                      const std::string below = p + "." + to_printable(member.key, 80);
                      if (member.key.empty() || member.key.size() > 64) {
                          refuse("config.out_of_range", member.origin, below,
                                 "is not the name of a component: these have 1 to 64 characters");
                      }
                      config.log.components[member.key] = choice_value(member.value, below, levels);
                  }
              }}});
    };
    read_section(
        top, {},
        {{"http", http},
         {"https",
          [&](const ConfigNode& n, const std::string& p) { read_https(config.https, n, p); }},
         {"odoo", [&](const ConfigNode& n, const std::string& p) { read_odoo(config.odoo, n, p); }},
         {"interfaces", [&](const ConfigNode& n,
                            const std::string& p) { config.interfaces = read_plugins(n, p); }},
         {"drivers",
          [&](const ConfigNode& n, const std::string& p) { config.drivers = read_plugins(n, p); }},
         {"devices",
          [&](const ConfigNode& n, const std::string& p) { config.devices = read_devices(n, p); }},
         {"plugins", plugins},
         {"log", log}});
    return config;
}

}  // namespace

Result<Config> load_config(const std::string& file, bool required) {
    try {
        return read_config(read_all(file, required));
    } catch (Mistake& mistake) {
        return std::move(mistake.error);
    }
}

}  // namespace backplane::core
