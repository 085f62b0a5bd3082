// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "http" and "https".
#include <algorithm>

#include "config/config_sections.hpp"
#include "config/config_values.hpp"
#include "config/network_values.hpp"

namespace backplane::core::config_reading {

namespace {

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

}  // namespace

void read_http(Config::Http& http, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    read_section(
        node, path,
        {{"address", [&](Node n, Path p) { http.addresses = addresses(n, p); }},
         {"port", [&](Node n, Path p) { http.port = port_value(n, p); }},
         {"standard_port", [&](Node n, Path p) { http.standard_port = bool_value(n, p); }}});
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

}  // namespace backplane::core::config_reading
