// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

class AConfiguration : public testing::Test {
protected:
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((folder / name).parent_path());
        std::ofstream{folder / name, std::ios::binary} << text;
    }
    Result<Config> load(bool required = true) const {
        return load_config((folder / "backplane.yaml").string(), required);
    }
    Result<Config> load_text(const std::string& text) const {
        write("backplane.yaml", text);
        return load();
    }
    std::string error_of(const std::string& text) const {
        const auto result = load_text(text);
        return result ? "no error" : result.error().text;
    }

    backplane::tests::TemporaryFolder folder;
};

TEST_F(AConfiguration, says_which_key_is_unknown_and_what_was_meant) {
    EXPECT_EQ(error_of("http:\n  port: 80\n  adress: 127.0.0.1\n"),
              "backplane.yaml:3: http.adress: unknown key: did you mean \"address\"?");
    EXPECT_EQ(error_of("# one\n\nhtpt: {}\n"),
              "backplane.yaml:3: htpt: unknown key: did you mean \"http\"?");
    EXPECT_EQ(error_of("http: {zzzzzzzz: 1}\n"),
              "backplane.yaml:1: http.zzzzzzzz: unknown key: known here are address, port, "
              "standard_port");
    EXPECT_EQ(
        error_of("devices:\n  \"/dev/ttyUSB0\":\n    drivr: x\n"),
        "backplane.yaml:3: devices.\"/dev/ttyUSB0\".drivr: unknown key: did you mean \"driver\"?");
    EXPECT_EQ(load_text("htpt: {}").error().code, "config.unknown_key");
}

TEST_F(AConfiguration, refuses_what_is_not_a_port) {
    const std::string advice = " is not a port: give a number from 1 to 65535";
    EXPECT_EQ(error_of("\n\n\n\n\nhttp:\n  port: 99999\n"),
              "backplane.yaml:7: http.port: 99999" + advice);
    for (const char* port : {"0", "-1", "65536", "8069.0", "true", "1e3"}) {
        EXPECT_EQ(error_of(std::string{"http: {port: "} + port + "}"),
                  "backplane.yaml:1: http.port: " + (port + advice));
    }
    EXPECT_EQ(error_of("http: {port: \"80\"}"),
              "backplane.yaml:1: http.port: \"80\" is text, a port is needed: give a number from 1 "
              "to 65535, without quotes");
    EXPECT_EQ(error_of("http: {port: [80]}"),
              "backplane.yaml:1: http.port: a list stands here, a port number is needed");
    EXPECT_THAT(error_of("http:\n  port:\n"),
                HasSubstr(": http.port: nothing stands here, a port number is needed"));
    EXPECT_THAT(error_of("http: {port: 99999999999999999999}"),
                HasSubstr("is a number that cannot be kept"));
}

TEST_F(AConfiguration, refuses_a_key_that_stands_twice) {
    const auto result = load_text("http:\n  port: 80\nlog:\n  level: info\nhttp:\n  port: 81\n");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "config.duplicate_key");
    EXPECT_EQ(
        result.error().text,
        "backplane.yaml:5: the key \"http\" stands here twice, first in line 1: keep one of them");
    EXPECT_THAT(error_of("drivers: {x: {a: 1, a: 2}}"), HasSubstr("\"a\" stands here twice"));
}

TEST_F(AConfiguration, names_the_line_of_broken_yaml) {
    EXPECT_THAT(error_of("http:\n  port: 80\n   address: ::\n"),
                MatchesRegex("backplane.yaml:3: is not valid YAML .*"));
    EXPECT_THAT(error_of("http: {port: 80\n"), HasSubstr("backplane.yaml:"));
    EXPECT_THAT(error_of("odoo:\n  server: 'https://a\n\n\n\n"),
                MatchesRegex("backplane.yaml:2: is not complete YAML: a quote or bracket opened "
                             "here or below is never closed"));
    EXPECT_THAT(error_of("odoo:\n  server: \"https://a\nlog: {}\n"),
                MatchesRegex("backplane.yaml:[12]: is not complete YAML.*"));
    EXPECT_THAT(error_of("http:\n\tport: 80\n"), HasSubstr("a tab or wrong indentation"));
    EXPECT_THAT(error_of("a: b: c\n"), HasSubstr("backplane.yaml:1: is not valid YAML"));
    EXPECT_THAT(error_of("log: {}\n}\n"), HasSubstr("backplane.yaml:2: is not valid YAML"));
    EXPECT_EQ(load_text("a: b: c\n").error().code, "config.broken_yaml");
}

TEST_F(AConfiguration, refuses_what_is_yaml_but_not_a_configuration) {
    EXPECT_EQ(error_of("- http\n"),
              "backplane.yaml:1: a list stands where keys such as \"http:\" are needed");
    EXPECT_EQ(error_of("http\n"),
              "backplane.yaml:1: http stands where keys such as \"http:\" are needed");
    EXPECT_THAT(error_of("log: {}\n---\nlog: {}\n"), HasSubstr("a second document begins here"));
    EXPECT_THAT(error_of("log: &a {}\n"), HasSubstr("anchors"));
    EXPECT_THAT(error_of("drivers: {x: {a: *b}}\n"), HasSubstr("backplane.yaml:1: "));
    EXPECT_THAT(error_of("http: {port: !!int 80}\n"),
                HasSubstr("the tag \"tag:yaml.org,2002:int\" is not used here"));
    EXPECT_THAT(error_of("? [a, b]\n: c\n"), HasSubstr("a key must be text, not a list or a map"));
    EXPECT_THAT(error_of("~: c\n"), HasSubstr("a key is missing here"));
    EXPECT_THAT(error_of("http: 8069\n"),
                HasSubstr("backplane.yaml:1: http: 8069 stands here, keys with values are needed"));
    EXPECT_THAT(error_of(std::string("log: {}\n\0", 9)),
                HasSubstr("backplane.yaml:2: contains a control character"));
    EXPECT_THAT(error_of("log: {}\n# caf\xE9\n"), HasSubstr("backplane.yaml:2: is not UTF-8 text"));
}

TEST_F(AConfiguration, does_not_expand_a_bomb_of_aliases) {
    std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c < 'j'; ++c) {
        const std::string before(1, static_cast<char>(c - 1));
        bomb += std::string(1, c) + ": &" + c + " [*" + before + ", *" + before + ", *" + before +
                ", *" + before + "]\n";
    }
    EXPECT_THAT(error_of(bomb), HasSubstr("backplane.yaml:1: anchors"));
}

TEST_F(AConfiguration, refuses_what_is_nested_too_deeply) {
    std::string deep = "drivers:\n x:\n";
    for (int i = 2; i < 20; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    EXPECT_EQ(error_of(deep + std::string(20, ' ') + "a: 1\n"),
              "backplane.yaml:17: is nested more than 16 levels deep");
    EXPECT_THAT(
        error_of("drivers: {x: {a: " + std::string(100, '[') + std::string(100, ']') + "}}"),
        HasSubstr("is nested more than 16 levels deep"));
    EXPECT_EQ(load_text(deep + std::string(20, ' ') + "a: 1\n").error().code, "config.too_deep");
}

TEST_F(AConfiguration, ends_quickly_whatever_fills_its_megabyte) {
    const auto start = std::chrono::steady_clock::now();
    for (const char* piece : {"[", "{", "- ", "? ", "[,", "{a: ", "a: b\n", "\"\\", "!", "&a ",
                              "- - -\n", "# \n", "|\n", "'", "a:\n "}) {
        std::string text;
        while (text.size() + 8 < (1u << 20)) text += piece;
        EXPECT_FALSE(load_text(text).has_value() && std::string{piece} != "# \n") << piece;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{60});
}

TEST_F(AConfiguration, refuses_a_file_larger_than_one_mebibyte) {
    const auto result = load_text(std::string((1u << 20) + 1, '#'));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "config.too_large");
    EXPECT_EQ(result.error().text,
              "backplane.yaml: is larger than 1 MiB: this cannot be a configuration of the box");
}

TEST_F(AConfiguration, refuses_a_file_that_is_not_a_file) {
    fs::create_directory(folder / "backplane.yaml");
    EXPECT_THAT(load().error().text, HasSubstr("this is not a regular file"));
    fs::remove(folder / "backplane.yaml");
    ASSERT_EQ(::mkfifo((folder / "backplane.yaml").c_str(), 0600), 0);
    EXPECT_THAT(load().error().text, HasSubstr("this is not a regular file"));
}

TEST_F(AConfiguration, says_what_to_do_when_its_file_cannot_be_opened) {
    fs::create_symlink("backplane.yaml", folder / "backplane.yaml");
    const auto result = load(false);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "config.unreadable");
    EXPECT_EQ(result.error().text,
              (folder / "backplane.yaml").string() +
                  ": cannot read the configuration: Too many levels of symbolic links: check the "
                  "permissions of the file and of its folders");
}

TEST_F(AConfiguration, is_the_default_without_a_file_unless_one_is_required) {
    const auto config = load(false);
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->http.port, 8069);
    EXPECT_TRUE(config->http.standard_port);
    EXPECT_THAT(config->http.addresses, ElementsAre("0.0.0.0", "::"));
    EXPECT_EQ(config->odoo.pairing_proxy, "https://iot-proxy.odoo.com");
    EXPECT_EQ(config->log.level, "info");
    EXPECT_THAT(load(true).error().text,
                HasSubstr("there is no such file: create it, or name another with --config"));
}

TEST_F(AConfiguration, can_leave_the_standard_port_to_others) {
    EXPECT_FALSE(load_text("http: {standard_port: false}")->http.standard_port);
}

TEST_F(AConfiguration, is_the_default_when_its_file_says_nothing) {
    for (const char* text : {"", "\n", "# nothing\n", "---\n",
                             "http:\nodoo:\nlog:\n  components:\ndrivers:\n", "{}"}) {
        const auto config = load_text(text);
        ASSERT_TRUE(config) << text << config.error().text;
        EXPECT_EQ(config->http.port, 8069);
        EXPECT_TRUE(config->drivers.empty());
    }
}

TEST_F(AConfiguration, holds_everything_that_the_file_says) {
    const auto config = load_text(R"(
http: {address: 127.0.0.1, port: 80}
odoo: {server: https://shop.example.com, pairing_proxy: "http://[::1]:8080/x"}
interfaces:
  serial: {extra_ports: [/run/backplane/scale0], no_probe: [/dev/ttyAMA10]}
drivers:
  toledo8217:
    poll: continuous
    baud: 9600
devices:
  "/dev/serial/by-id/usb-FTDI-if00": {name: "Counter 1", driver: toledo8217}
  /dev/ttyS0: {ignored: true}
  /dev/ttyS1:
plugins:
  trusted_keys: [RWQqN2opkzMJLZTG4fhJA29Y5xBoZRIivgWtewasyPhjCf5lrR8QhR4K]
  isolation: process
  crashes: 3
  window_s: 120
  hang_limit_s: 10
  memory_mb: 512
  development: true
  probation_s: 30
  update: {automatic: false, jitter_s: 0, interval_h: 6, accept_expired: true}
log: {level: warning, components: {http: debug, toledo8217: error}}
)");
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_THAT(config->http.addresses, ElementsAre("127.0.0.1"));
    EXPECT_EQ(config->http.port, 80);
    EXPECT_EQ(config->odoo.server, "https://shop.example.com");
    EXPECT_EQ(config->odoo.pairing_proxy, "http://[::1]:8080/x");
    EXPECT_EQ(config->interfaces.at("serial").values,
              (boost::json::object{{"extra_ports", {"/run/backplane/scale0"}},
                                   {"no_probe", {"/dev/ttyAMA10"}}}));
    EXPECT_EQ(config->plugins.crashes, 3);
    EXPECT_EQ(config->plugins.window, std::chrono::seconds{120});
    EXPECT_EQ(config->plugins.hang_limit, std::chrono::seconds{10});
    EXPECT_EQ(config->plugins.memory_mb, 512);
    EXPECT_TRUE(config->plugins.development);
    EXPECT_EQ(config->plugins.probation, std::chrono::seconds{30});
    EXPECT_FALSE(config->plugins.update.automatic);
    EXPECT_EQ(config->plugins.update.jitter, std::chrono::seconds{0});
    EXPECT_EQ(config->plugins.update.interval, std::chrono::hours{6});
    EXPECT_TRUE(config->plugins.update.accept_expired);
    const PluginSettings& toledo = config->drivers.at("toledo8217");
    EXPECT_EQ(toledo.values, (boost::json::object{{"poll", "continuous"}, {"baud", 9600}}));
    EXPECT_EQ(toledo.origin.text(), "backplane.yaml:7");
    EXPECT_EQ(toledo.origins.at("baud").text(), "backplane.yaml:9");
    const DevicePin& counter = config->devices.at("/dev/serial/by-id/usb-FTDI-if00");
    EXPECT_EQ(counter.name, "Counter 1");
    EXPECT_EQ(counter.driver, "toledo8217");
    EXPECT_FALSE(counter.ignored);
    EXPECT_EQ(counter.origin.line, 11);
    EXPECT_TRUE(config->devices.at("/dev/ttyS0").ignored);
    EXPECT_FALSE(config->devices.at("/dev/ttyS1").ignored);
    EXPECT_EQ(config->plugins.trusted_keys.size(), 1u);
    EXPECT_EQ(config->log.level, "warning");
    EXPECT_EQ(config->log.components.at("http"), "debug");
}

TEST_F(AConfiguration, reads_the_settings_of_plug_ins_by_the_core_schema_of_yaml_1_2) {
    const auto config = load_text(
        "drivers:\n  x:\n    a: [1, -7, +3, 010, 0o17, 0x1F, 18446744073709551615]\n    b: [1.5, "
        "-.5, 2., 1e3, +4E-2]\n"
        "    c: [true, False, null, ~, ]\n    d: [yes, \"1\", 'true', 1.2.3, 0x, 1_000, 12:30, -, "
        "\"\"]\n    e:\n"
        "    f: [[1, 2],\n        [3]]\n    g: {h: |\n    }\n");
    EXPECT_FALSE(config) << "a literal block cannot stand in braces";
    const auto good = load_text(
        "drivers:\n  x:\n    a: [1, -7, +3, 010, 0o17, 0x1F, 18446744073709551615]\n    b: [1.5, "
        "-.5, 2., 1e3, +4E-2]\n"
        "    c: [true, False, null, ~]\n    d: [yes, \"1\", 'true', 1.2.3, 0x, 1_000, 12:30, "
        "\"\"]\n    e:\n"
        "    f: [[1, 2],\n        [3]]\n    g: |\n      12\n    h: {i: {j: k}}\n");
    ASSERT_TRUE(good) << good.error().text;
    const boost::json::object& x = good->drivers.at("x").values;
    EXPECT_EQ(x.at("a"), (boost::json::array{1, -7, 3, 10, 15, 31, 18446744073709551615u}));
    EXPECT_EQ(x.at("b"), (boost::json::array{1.5, -.5, 2., 1000., 0.04}));
    EXPECT_EQ(x.at("c"), (boost::json::array{true, false, nullptr, nullptr}));
    EXPECT_EQ(x.at("d"),
              (boost::json::array{"yes", "1", "true", "1.2.3", "0x", "1_000", "12:30", ""}));
    EXPECT_TRUE(x.at("e").is_null());
    EXPECT_EQ(x.at("f"), (boost::json::array{boost::json::array{1, 2}, boost::json::array{3}}));
    EXPECT_EQ(x.at("g"), "12\n");
    EXPECT_EQ(x.at("h"), (boost::json::object{{"i", {{"j", "k"}}}}));
}

TEST_F(AConfiguration, refuses_numbers_that_json_cannot_hold) {
    for (const char* number : {".inf", "-.INF", ".nan", "1e999", "18446744073709551616",
                               "-9223372036854775809", "0xFFFFFFFFFFFFFFFFF"}) {
        EXPECT_EQ(error_of("drivers:\n  x: {a: " + std::string{number} + "}"),
                  "backplane.yaml:2: drivers.x.a: " + std::string{number} +
                      " is a number that cannot be kept: give a smaller one, or put it in quotes "
                      "if it is meant as text");
    }
}

TEST_F(AConfiguration, merges_the_fragments_key_by_key_in_the_order_of_their_names) {
    write("backplane.yaml",
          "http: {address: [127.0.0.1, \"::1\"], port: 80}\ndrivers: {scale: {a: 1, b: {c: 2, d: "
          "3}, e: [1, 2]}}\n"
          "devices: {/dev/ttyS0: {name: One}}\n");
    write("conf.d/20-last.yaml", "http: {port: 82}\n");
    write("conf.d/10-shop.yaml",
          "\nhttp:\n  port: 81\n  address: [0.0.0.0]\n"
          "drivers:\n  scale: {b: {c: 9}, e: [7]}\n  more:\n    x: true\n"
          "devices: {/dev/ttyS0: {ignored: true}}\nlog:\n");
    write("conf.d/.hidden.yaml", "nonsense: 1\n");
    write("conf.d/README", "nonsense");
    const auto config = load();
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->http.port, 82);
    EXPECT_THAT(config->http.addresses, ElementsAre("0.0.0.0"));
    EXPECT_EQ(
        config->drivers.at("scale").values,
        (boost::json::object{{"a", 1}, {"b", {{"c", 9}, {"d", 3}}}, {"e", boost::json::array{7}}}));
    EXPECT_EQ(config->drivers.at("scale").origins.at("e").text(), "conf.d/10-shop.yaml:6");
    EXPECT_EQ(config->drivers.at("scale").origins.at("a").text(), "backplane.yaml:2");
    EXPECT_EQ(config->drivers.at("more").origins.at("x").text(), "conf.d/10-shop.yaml:8");
    EXPECT_EQ(config->devices.at("/dev/ttyS0").name, "One");
    EXPECT_TRUE(config->devices.at("/dev/ttyS0").ignored);
}

TEST_F(AConfiguration, names_the_fragment_that_is_wrong) {
    write("backplane.yaml", "http: {port: 80}\n");
    write("conf.d/10-shop.yaml", "\nhttp: {port: 0}\n");
    EXPECT_EQ(load().error().text,
              "conf.d/10-shop.yaml:2: http.port: 0 is not a port: give a number from 1 to 65535");
    write("conf.d/10-shop.yaml", "http: 5\n");
    EXPECT_EQ(load().error().text,
              "conf.d/10-shop.yaml:1: http: 5 stands here, keys with values are needed");
    write("conf.d/10-shop.yaml", "http: {\n");
    EXPECT_THAT(load().error().text, HasSubstr("conf.d/10-shop.yaml:1: is not"));
}

TEST_F(AConfiguration, uses_fragments_without_a_main_file) {
    write("conf.d/10-shop.yaml", "http: {port: 81}\n");
    const auto config = load(false);
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->http.port, 81);
}

TEST_F(AConfiguration, bounds_the_number_of_fragments) {
    for (int i = 0; i < 257; ++i) write("conf.d/" + std::to_string(i) + ".yaml", "");
    EXPECT_THAT(load(false).error().text,
                HasSubstr("holds more than 256 fragments: join some of them"));
}

TEST_F(AConfiguration, checks_each_value_of_its_own) {
    const std::vector<std::pair<const char*, const char*>> wrong{
        {"http: {address: localhost}",
         "localhost is not an IP address: give one such as 127.0.0.1"},
        {"http: {address: []}", "is empty: give at least one address"},
        {"http: {address: [127.0.0.1, 5]}",
         "http.address[1]: 5 is a number, text is needed: put it in quotes"},
        {"odoo: {server: shop.example.com}", "does not begin with https:// or http://"},
        {"odoo: {server: \"https://\"}", "names no host"},
        {"odoo: {server: \"https://a b\"}", "contains characters that no address has"},
        {"odoo: {server: \"https://me:pw@a\"}", "which do not belong here"},
        {"odoo: {server: \"https://a:99999/\"}", "has a port that is not from 1 to 65535"},
        {"odoo: {server: \"https://[zz]/\"}", "has a broken IPv6 address"},
        {"odoo: {server: \"https://a\\tb\"}", "contains control characters"},
        {"https: {port: 0}", "https.port: 0 is not a port: give a number from 1 to 65535"},
        {"https: {enabled: on}", "https.enabled: on is neither true nor false"},
        {"https: {cert: /a}", "https.cert: unknown key: did you mean"},
        {"https: {certificate: box.pem, key: /k}",
         "https.certificate: box.pem is not a whole path: give one that begins with /"},
        {"https: {key: \"/a\\tb\"}", "contains control characters"},
        {"https: {names: box.example.com}", "a list such as [a, b] is needed"},
        {"https: {names: [box.example.com, \"*.example.com\"]}",
         "\"*.example.com\" is neither a host name nor an IP address"},
        {"https: {names: [a_b]}", "a_b is neither a host name"},
        {"https: {names: [-a.b]}", "is neither a host name"},
        {"https: {names: [a..b]}", "is neither a host name"},
        {"https: {names: [a-.b]}", "is neither a host name"},
        {"https: {names: [\"\"]}", "is neither a host name"},
        {"odoo: {certificate_service: www.odoo.com}", "does not begin with https:// or http://"},
        {"odoo: {ca_file: ca.pem}", "odoo.ca_file: ca.pem is not a whole path"},
        {"odoo: {send_logs: 0}", "odoo.send_logs: 0 is neither true nor false"},
        {"odoo: {remote_debug: true}", "true stands here, keys with values are needed"},
        {"odoo: {remote_debug: {start: /bin/true}}", "a list such as [a, b] is needed"},
        {"odoo: {remote_debug: {start: [tunnel, up], stop: [/bin/true]}}",
         "odoo.remote_debug.start: tunnel is not the whole path of a program"},
        {"odoo: {remote_debug: {start: [/bin/true]}}",
         "odoo.remote_debug: needs both start and stop: what was opened must be closed again"},
        {"odoo: {remote_debug: {status: [/bin/true]}}", "has a status but nothing to start"},
        {"odoo: {remote_debug: {begin: []}}", "odoo.remote_debug.begin: unknown key"},
        {"plugins: {isolation: thread}", "thread is not possible: known here are process"},
        {"plugins: {crashes: 0}",
         "plugins.crashes: 0 is not possible: give a whole number from 1 to 100"},
        {"plugins: {crashes: 2.5}", "2.5 is not possible: give a whole number from 1 to 100"},
        {"plugins: {hang_limit_s: \"4\"}", "is no number: give a whole number from 1 to 300"},
        {"plugins: {hang_limit_s: 301}", "301 is not possible"},
        {"plugins: {window_s: -1}", "-1 is not possible: give a whole number from 1 to 86400"},
        {"plugins: {memory_mb: 8}", "8 is not possible: give a whole number from 16 to 16384"},
        {"plugins: {development: 1}", "1 is neither true nor false"},
        {"plugins: {probation_s: 0}", "0 is not possible: give a whole number from 1 to 86400"},
        {"plugins: {update: {automatic: no}}",
         "plugins.update.automatic: no is neither true nor false"},
        {"plugins: {update: {jitter_s: 3601}}", "3601 is not possible"},
        {"plugins: {update: {interval_h: 0}}",
         "0 is not possible: give a whole number from 1 to 720"},
        {"plugins: {update: {auto: true}}", "plugins.update.auto: unknown key"},
        {"plugins: {update: off}", "off stands here, keys with values are needed"},
        {"plugins: {memory: 8}", "plugins.memory: unknown key"},
        {"plugins: {trusted_keys: [abc]}", "abc is not a public key"},
        {"plugins: {trusted_keys: abc}", "a list such as [a, b] is needed"},
        {"log: {level: warn}", "warn is not possible: did you mean \"warning\"?"},
        {"log: {level: INFO}", "INFO is not possible: did you mean \"info\"?"},
        {"log: {components: {http: loud}}", "log.components.http: loud is not possible"},
        {"drivers: {Big: {}}", "drivers.Big: is not the name of a plug-in"},
        {"drivers: {x: 5}", "drivers.x: 5 stands here, keys with values are needed"},
        {"devices: {\"\": {}}", "is not an identifier of a device"},
        {"devices: {a: {name: 5}}", "5 is a number, text is needed: put it in quotes"},
        {"devices: {a: {name: yes, ignored: yes}}", "yes is neither true nor false"},
        {"devices: {a: {driver: \"../x\"}}", "\"../x\" is not the name of a driver"},
    };
    for (const auto& [text, error] : wrong) EXPECT_THAT(error_of(text), HasSubstr(error)) << text;
    EXPECT_THAT(error_of("devices: {a: {name: " + std::string(129, 'x') + "}}"),
                HasSubstr("is longer than 128 bytes"));
}

TEST_F(AConfiguration, wants_a_certificate_and_its_key_together) {
    EXPECT_EQ(
        error_of("https:\n  port: 8443\n  certificate: /etc/box.pem\n"),
        "backplane.yaml:3: https.certificate: needs https.key beside it: give the file of the "
        "certificate and that of its key, or neither");
    EXPECT_EQ(
        error_of("https: {key: /etc/box.key}"),
        "backplane.yaml:1: https.key: needs https.certificate beside it: give the file of the "
        "certificate and that of its key, or neither");
    EXPECT_THAT(error_of("https: {authority: /etc/ca.pem, authority_key: \"\"}"),
                HasSubstr("https.authority: needs https.authority_key beside it"));
    EXPECT_THAT(error_of("https: {authority_key: /etc/ca.key}"),
                HasSubstr("https.authority_key: needs https.authority beside it"));
    EXPECT_EQ(error_of("https: {certificate: /a, key: /b, authority: /c, authority_key: /d}"),
              "backplane.yaml:1: https: has both a certificate and an authority that would make "
              "one: keep one of them");
    EXPECT_EQ(load_text("https: {key: /etc/box.key}").error().code, "config.missing_key");
}

TEST_F(AConfiguration, completes_a_certificate_in_a_fragment) {
    write("backplane.yaml", "https: {certificate: /etc/box.pem}\n");
    write("conf.d/10-key.yaml", "https: {key: /etc/box.key}\n");
    const auto config = load();
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->https.certificate, "/etc/box.pem");
    EXPECT_EQ(config->https.key, "/etc/box.key");
}

TEST_F(AConfiguration, reads_everything_of_https_and_of_the_server_side) {
    const auto config = load_text(
        "https:\n  enabled: false\n  port: 8443\n  authority: /etc/ca.pem\n"
        "  authority_key: /etc/ca.key\n  names: [box.example.com, 192.168.1.20, \"fe80::1\"]\n"
        "odoo:\n  certificate_service: \"\"\n  ca_file: /etc/own.pem\n  send_logs: false\n"
        "  remote_debug: {start: [/usr/bin/tunnel, up, \"--key={token}\"], stop: "
        "[/usr/bin/tunnel, down], status: [/usr/bin/tunnel, status]}\n");
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_FALSE(config->https.enabled);
    EXPECT_EQ(config->https.port, 8443);
    EXPECT_TRUE(config->https.port_given);
    EXPECT_EQ(config->https.authority, "/etc/ca.pem");
    EXPECT_EQ(config->https.authority_key, "/etc/ca.key");
    EXPECT_THAT(config->https.names, ElementsAre("box.example.com", "192.168.1.20", "fe80::1"));
    EXPECT_EQ(config->odoo.certificate_service, "");
    EXPECT_EQ(config->odoo.ca_file, "/etc/own.pem");
    EXPECT_FALSE(config->odoo.send_logs);
    EXPECT_THAT(config->odoo.remote_debug.start,
                ElementsAre("/usr/bin/tunnel", "up", "--key={token}"));
    EXPECT_THAT(config->odoo.remote_debug.stop, ElementsAre("/usr/bin/tunnel", "down"));
    EXPECT_THAT(config->odoo.remote_debug.status, ElementsAre("/usr/bin/tunnel", "status"));
}

TEST_F(AConfiguration, has_https_and_no_remote_help_unless_told_otherwise) {
    const auto config = load_text("https:\nodoo: {remote_debug: , ca_file: }\n");
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_TRUE(config->https.enabled);
    EXPECT_EQ(config->https.port, 443);
    EXPECT_FALSE(config->https.port_given);
    EXPECT_EQ(config->https.certificate, "");
    EXPECT_EQ(config->odoo.certificate_service, "https://www.odoo.com");
    EXPECT_TRUE(config->odoo.send_logs);
    EXPECT_TRUE(config->odoo.remote_debug.start.empty());
}

TEST_F(AConfiguration, keeps_errors_on_one_line) {
    EXPECT_EQ(error_of("http: {\"a\\nb\\e[2J\": 1}").find('\n'), std::string::npos);
    EXPECT_THAT(error_of("log: {level: \"a\\nb\\e[2J\"}"), HasSubstr("\"a\\nb\\x1b[2J\""));
}

TEST_F(AConfiguration, is_as_its_reference_page_shows_it) {
    std::ifstream page{BP_CONFIGURATION_PAGE};
    ASSERT_TRUE(page.is_open()) << BP_CONFIGURATION_PAGE;
    std::string line, block;
    int blocks = 0;
    bool inside = false;
    while (std::getline(page, line)) {
        if (line == "```yaml") {
            inside = true;
            block.clear();
        } else if (line == "```" && inside) {
            inside = false;
            ++blocks;
            const auto config = load_text(block);
            EXPECT_TRUE(config) << config.error().text << '\n' << block;
        } else if (inside) {
            block += line + '\n';
        }
    }
    EXPECT_GE(blocks, 5);
}

}  // namespace
}  // namespace backplane::core
