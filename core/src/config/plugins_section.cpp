// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "plugins".
#include <algorithm>
#include <chrono>
#include <string_view>

#include "config/config_sections.hpp"
#include "config/config_values.hpp"

namespace backplane::core::config_reading {

namespace {

constexpr std::size_t k_trusted_keys = 64;

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

void read_update(Config::Plugins::Update& wanted, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    read_section(
        node, path,
        {{"automatic", [&](Node n, Path p) { wanted.automatic = bool_value(n, p); }},
         {"jitter_s",
          [&](Node n, Path p) {
              wanted.jitter = std::chrono::seconds{number_value(n, p, 0, 3'600)};
          }},
         {"interval_h",
          [&](Node n, Path p) {
              wanted.interval = std::chrono::hours{number_value(n, p, 1, 720)};
          }},
         {"accept_expired", [&](Node n, Path p) { wanted.accept_expired = bool_value(n, p); }}});
}

}  // namespace

void read_plugins(Config::Plugins& plugins, const ConfigNode& node, const std::string& path) {
    using Node = const ConfigNode&;
    using Path = const std::string&;
    read_section(
        node, path,
        {{"trusted_keys",
          [&](Node n, Path p) {
              plugins.trusted_keys = text_list(n, p, k_trusted_keys, 128);
              for (const ConfigNode& key : n.items) {
                  if (is_public_key(key.text)) continue;
                  refuse("config.out_of_range", key.origin, p,
                         describe(key) +
                             " is not a public key: give the second line of a minisign .pub file");
              }
          }},
         {"isolation",
          [&](Node n, Path p) { plugins.isolation = choice_value(n, p, {"process"}); }},
         {"crashes", [&](Node n, Path p) { plugins.crashes = number_value(n, p, 1, 100); }},
         {"window_s",
          [&](Node n, Path p) {
              plugins.window = std::chrono::seconds{number_value(n, p, 1, 86'400)};
          }},
         {"hang_limit_s",
          [&](Node n, Path p) {
              plugins.hang_limit = std::chrono::seconds{number_value(n, p, 1, 300)};
          }},
         {"memory_mb", [&](Node n, Path p) { plugins.memory_mb = number_value(n, p, 16, 16'384); }},
         {"development", [&](Node n, Path p) { plugins.development = bool_value(n, p); }},
         {"probation_s",
          [&](Node n, Path p) {
              plugins.probation = std::chrono::seconds{number_value(n, p, 1, 86'400)};
          }},
         {"update", [&](Node n, Path p) { read_update(plugins.update, n, p); }}});
}

}  // namespace backplane::core::config_reading
