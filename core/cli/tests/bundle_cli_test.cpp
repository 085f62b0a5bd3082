// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle` as publishers use it, with the real program, real keys and real plug-ins.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <elf.h>
#include <pty.h>
#include <sys/stat.h>

#include <cstddef>

#include "bundle_workshop.hpp"
#include "util/sha256.hpp"

namespace backplane::cli::tests {
namespace {

namespace json = boost::json;

const std::string k_release = "m/drivers/backplane.acme.release.json";

// --- keys ---

using AKeyPair = Workshop;

TEST_F(AKeyPair, is_never_overwritten) {
    make_keys({"root"});
    const std::string before = folder.read("root.key");
    EXPECT_THAT(refused({"bundle", "keygen", "root", "--no-password"}),
                HasSubstr("root.pub is there already, and a key is never overwritten"));
    fs::remove(folder.file("root.pub"));
    EXPECT_THAT(refused({"bundle", "keygen", "root", "--no-password"}),
                HasSubstr("root.key is there already"));
    EXPECT_EQ(folder.read("root.key"), before);
    EXPECT_EQ(files("."), ".err .out root.key");
}

TEST_F(AKeyPair, has_a_password_unless_its_maker_says_that_it_needs_none) {
    EXPECT_THAT(refused({"bundle", "keygen", "root"}),
                HasSubstr("put it into BACKPLANE_KEY_PASSWORD"));
    EXPECT_THAT(refused({"bundle", "keygen", "root"}, {"BACKPLANE_KEY_PASSWORD="}),
                HasSubstr("is set, but empty"));
    EXPECT_EQ(files("."), ".err .out");
}

TEST_F(AKeyPair, has_a_secret_that_only_its_owner_reads) {
    make_keys({"root"});
    struct stat facts {};
    ASSERT_EQ(::stat(folder.file("root.key").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(AKeyPair, signs_with_the_right_password_only) {
    publish();
    done({"bundle", "keygen", "other"}, {"BACKPLANE_KEY_PASSWORD=open sesame"});
    done({"bundle", "root", "--bundle", "acme", "--out", "m", "--release-key", "other.pub"});
    EXPECT_THAT(
        refused({"bundle", "sign", "m", "--key", "other.key"}, {"BACKPLANE_KEY_PASSWORD=wrong"}),
        AllOf(StartsWith("backplane: E_KEY: other.key: "), HasSubstr("password")));
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "other.key"}),
                HasSubstr("there is no terminal to type it on"));
    EXPECT_THAT(
        done({"bundle", "sign", "m", "--key", "other.key"}, {"BACKPLANE_KEY_PASSWORD=open sesame"}),
        HasSubstr("signed drivers/backplane.acme.release.json with " + hint("other")));
}

/// The program on a terminal, with somebody who types when asked.
struct Typed {
    int code = -1;
    std::string shown;
};
Typed type(const backplane::tests::TemporaryFolder& folder, const Words& words,
           const Words& lines) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
        std::vector<std::string> copy{BP_CLI};
        copy.insert(copy.end(), words.begin(), words.end());
        std::vector<char*> argv;
        for (std::string& each : copy) argv.push_back(each.data());
        argv.push_back(nullptr);
        ::alarm(60);
        ::unsetenv("BACKPLANE_KEY_PASSWORD");
        if (::chdir(folder.path().c_str()) == 0) ::execv(BP_CLI, argv.data());
        ::_exit(127);
    }
    Typed typed;
    std::size_t answered = 0, from = 0;
    char buffer[512];
    for (ssize_t count = 0; (count = ::read(terminal, buffer, sizeof buffer)) > 0;) {
        typed.shown.append(buffer, static_cast<std::size_t>(count));
        // A prompt ends with ": " or "] " and waits.
        const auto tail = std::string_view{typed.shown}.substr(from);
        if (answered < lines.size() && (tail.ends_with(": ") || tail.ends_with("] "))) {
            const std::string line = lines[answered++] + "\n";
            from = typed.shown.size();
            if (::write(terminal, line.data(), line.size()) < 0) break;
        }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(terminal);
    typed.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return typed;
}

TEST_F(AKeyPair, has_a_password_that_is_typed_twice_and_never_shown) {
    const Typed differ = type(folder, {"bundle", "keygen", "root"}, {"sesame one", "sesame two"});
    EXPECT_EQ(differ.code, 1) << differ.shown;
    EXPECT_THAT(differ.shown, HasSubstr("the two passwords differ, and no key was made"));
    EXPECT_FALSE(fs::exists(folder.file("root.key")));
    const Typed made = type(folder, {"bundle", "keygen", "root"}, {"sesame", "sesame"});
    EXPECT_EQ(made.code, 0) << made.shown;
    EXPECT_THAT(made.shown, Not(HasSubstr("sesame")));
    EXPECT_THAT(differ.shown, Not(HasSubstr("sesame")));
    ASSERT_TRUE(fs::exists(folder.file("root.key")));
    make_keys({"release"});
    build("acme.so");
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
          "--release-key", "release.pub", "acme.so"});
    const Typed signed_by = type(folder, {"bundle", "sign", "m", "--key", "root.key"}, {"sesame"});
    EXPECT_EQ(signed_by.code, 0) << signed_by.shown;
    EXPECT_THAT(signed_by.shown, HasSubstr("signed drivers/backplane.acme.root.1.json"));
}

TEST_F(AKeyPair, leaves_the_terminal_as_it_was_when_ctrl_c_ends_the_question) {
    const Typed ended = type(folder, {"bundle", "keygen", "root"}, {"\x03"});
    EXPECT_EQ(ended.code, 128 + SIGINT) << ended.shown;
    EXPECT_FALSE(fs::exists(folder.file("root.key")));
}

// --- create ---

using ANewRelease = Workshop;

TEST_F(ANewRelease, lies_in_the_folder_as_a_server_carries_it) {
    publish();
    EXPECT_EQ(files("m"), plugin_file + " drivers/backplane.acme.release.json" +
                              " drivers/backplane.acme.release.json." + small_hint("release") +
                              ".minisig drivers/backplane.acme.root.1.json" +
                              " drivers/backplane.acme.root.1.json." + small_hint("root") +
                              ".minisig");
    EXPECT_EQ(folder.read("m/" + plugin_file), folder.read("acme.so"));
    EXPECT_EQ(verified("m", {"--key", "root.pub"}),
              "On " + arch + ":\n  bundle acme 1: accepted, signed by " + hint("release") +
                  " (release of acme)\n  driver acme 1.0.0: would be installed\n"
                  "A box accepts it.\n");
}

TEST_F(ANewRelease, is_refused_with_the_file_that_is_at_fault) {
    make_keys({"root"});
    const Words create{"bundle", "create",     "--bundle", "acme",          "--out",
                       "m",      "--root-key", "root.pub", "--release-key", "root.pub"};
    const auto with = [&](const Words& more) {
        Words words = create;
        words.insert(words.end(), more.begin(), more.end());
        return refused(words);
    };
    const std::string plugins = BP_TEST_PLUGINS;
    EXPECT_THAT(with({plugins + "/rpath.so"}),
                AllOf(StartsWith("backplane: E_ELF: " + plugins + "/rpath.so: "),
                      HasSubstr("/opt/somewhere")));
    EXPECT_THAT(with({plugins + "/no_note.so"}), StartsWith("backplane: E_NOTE: "));
    folder.write("text.so", "#!/bin/sh\n");
    EXPECT_THAT(with({"text.so"}), StartsWith("backplane: E_ELF: text.so: "));
    EXPECT_THAT(with({"absent.so"}),
                HasSubstr("cannot read absent.so: No such file or directory: check the path"));
    EXPECT_THAT(with({folder.path()}), HasSubstr("Is a directory"));
    build("acme.so");
    build("same.so");
    EXPECT_THAT(with({"acme.so", "same.so"}),
                HasSubstr("acme.so, same.so: there are two builds of acme 1.0.0 for " + arch));
    // Nothing is left that would be in the way of the next attempt.
    EXPECT_FALSE(fs::exists(folder.file("m")));
}

TEST_F(ANewRelease, needs_to_know_who_may_sign_it) {
    build("acme.so");
    make_keys({"root", "release"});
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so"}),
                HasSubstr("E_ROOT: the folder m has no root of the bundle acme"));
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key",
                         "root.pub", "acme.so"}),
                HasSubstr("the role of release has none: give public key files with "
                          "--release-key"));
    EXPECT_THAT(
        refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
                 "--release-key", "release.pub", "--release-threshold", "2", "acme.so"}),
        HasSubstr("E_THRESHOLD: the role of release has 1 keys, but its threshold is 2"));
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key",
                         "root.key", "--release-key", "release.pub", "acme.so"}),
                StartsWith("backplane: E_KEY: root.key: "));
    publish_after_all();
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key",
                         "release.pub", "acme.so"}),
                HasSubstr("has root 1 already, and it says which keys may sign"));
}

TEST_F(ANewRelease, takes_builds_for_several_architectures) {
    make_keys({"root", "release"});
    build("acme.so");
    std::string other = folder.read("acme.so");
    const std::string other_arch =
        arch == "aarch64-linux-gnu" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
    const Elf64_Half machine = arch == "aarch64-linux-gnu" ? EM_X86_64 : EM_AARCH64;
    // The notes of both have the same length; the file names do not matter.
    std::ifstream source{std::string{BP_TEST_PLUGINS} + "/other_arch.so", std::ios::binary};
    other.assign(std::istreambuf_iterator<char>{source}, {});
    other.replace(offsetof(Elf64_Ehdr, e_machine), sizeof machine,
                  reinterpret_cast<const char*>(&machine), sizeof machine);
    replace(other, "\"name\": \"good\"", "\"name\": \"acme\"");
    replace(other, "\"version\": \"1.2.3\"", "\"version\": \"1.0.0\"");
    folder.write("other.so", other);
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
          "--release-key", "release.pub", "--key", "root.key", "--key", "release.key", "acme.so",
          "other.so"});
    const std::string out = verified("m", {"--key", "root.pub"});
    EXPECT_THAT(out, AllOf(HasSubstr("On " + arch + ":"), HasSubstr("On " + other_arch + ":"),
                           HasSubstr("A box accepts it.")));
    EXPECT_THAT(files("m"), HasSubstr("drivers/acme." + other_arch + ".so.1.0.0"));
    EXPECT_THAT(verified("m", {"--key", "root.pub", "--arch", "riscv64-linux-gnu"}),
                HasSubstr("REFUSED, E_ARCH"));
}

TEST_F(ANewRelease, has_a_higher_number_and_removes_what_it_no_longer_lists) {
    publish();
    folder.write("m/drivers/other_driver.py", "import this\n");
    folder.write("m/drivers/volt." + arch + ".so.1.0.0", "of another bundle");
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--version", "1",
                         "acme.so"}),
                HasSubstr("E_ROLLBACK: --version is 1, but the folder has version 1 already"));
    build("acme.so", "acme", "1.1.0");
    const std::string out = done({"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so"});
    EXPECT_THAT(out, HasSubstr("wrote drivers/backplane.acme.release.json: version 2"));
    EXPECT_THAT(out, HasSubstr("removed " + plugin_file + ", which belongs to an earlier version"));
    EXPECT_THAT(out, HasSubstr("removed drivers/backplane.acme.release.json." +
                               small_hint("release") + ".minisig"));
    EXPECT_EQ(files("m"), "drivers/acme." + arch + ".so.1.1.0 drivers/backplane.acme.release.json" +
                              " drivers/backplane.acme.root.1.json" +
                              " drivers/backplane.acme.root.1.json." + small_hint("root") +
                              ".minisig drivers/other_driver.py drivers/volt." + arch +
                              ".so.1.0.0");
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("REJECTED, E_SIG"));
    done({"bundle", "sign", "m", "--key", "release.key"});
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("driver acme 1.1.0: would be"));
}

TEST_F(ANewRelease, tells_when_the_same_version_has_other_content) {
    publish();
    folder.write("acme.so", folder.read("acme.so") + std::string(8, '\0'));
    EXPECT_THAT(done({"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so"}),
                HasSubstr("has other content than before under the same version"));
}

TEST_F(ANewRelease, keeps_builds_withdrawn) {
    publish();
    const std::string old = folder.read("acme.so");
    const std::string sha = core::sha256_hex(std::as_bytes(std::span{old}));
    EXPECT_THAT(
        refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--withdraw",
                 sha + "=loses weights", "acme.so"}),
        HasSubstr("E_HASH: the build of acme 1.0.0 for " + arch + " is withdrawn (loses weights)"));
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--withdraw",
                         "123=short", "acme.so"}),
                HasSubstr("64 lower-case hex digits"));
    build("new.so", "acme", "1.1.0");
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--withdraw",
          sha + "=loses weights", "new.so"});
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so"}),
                HasSubstr("is withdrawn"));
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "new.so"});
    EXPECT_THAT(done({"bundle", "inspect", "m"}), HasSubstr("withdrawn: " + sha));
}

TEST_F(ANewRelease, says_what_each_option_must_look_like) {
    publish();
    const auto with = [&](const Words& more) {
        Words words{"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so"};
        words.insert(words.end(), more.begin(), more.end());
        return refused(words);
    };
    EXPECT_THAT(with({"--floor", "acme=2.0.0"}),
                HasSubstr("E_FLOOR: --floor says that acme below 2.0.0 may not run, but this "
                          "bundle brings 1.0.0"));
    EXPECT_THAT(with({"--floor", "volt=1.0.0"}),
                HasSubstr("--floor names the plug-in \"volt\", but the files given are of acme"));
    EXPECT_THAT(with({"--probation", "acme=long"}), HasSubstr("NAME=SECONDS, at most a day"));
    EXPECT_THAT(with({"--probation", "acme=86401"}), HasSubstr("NAME=SECONDS, at most a day"));
    EXPECT_THAT(with({"--actions", "acme=1001"}), HasSubstr("NAME=COUNT, at most 1,000"));
    EXPECT_THAT(with({"--note", "acme=faster"}), HasSubstr("NAME=LANGUAGE:TEXT"));
    EXPECT_THAT(with({"--expires", "2028-02-30"}), HasSubstr("a day such as 2028-01-01"));
    EXPECT_THAT(with({"--expires", "2001-01-01"}), HasSubstr("E_EXPIRED: it would expire on "
                                                             "2001-01-01"));
    EXPECT_THAT(with({"--min-host", "new"}), HasSubstr("\"1.2.3\""));
    EXPECT_THAT(with({"--vendor", "volt"}), HasSubstr("E_DELEG: root 1 of acme has no delegation "
                                                      "\"volt\""));
    EXPECT_EQ(backplane({"bundle", "create", "--bundle", "acme", "--out", "m", "acme.so", "--floor",
                         "acme"})
                  .code,
              2);
}

TEST_F(ANewRelease, carries_what_its_options_say) {
    publish();
    done({"bundle",      "create",
          "--bundle",    "acme",
          "--out",       "m",
          "--version",   "7",
          "--min-host",  "0.1.0",
          "--floor",     "acme=0.9.0",
          "--probation", "acme=60",
          "--actions",   "acme=3",
          "--note",      "acme=en:Faster",
          "--issued",    "2026-01-01T10:30:00Z",
          "--expires",   "2028-01-01",
          "acme.so"});
    const json::value document = json::parse(folder.read(k_release));
    EXPECT_EQ(document.at("version"), 7);
    EXPECT_EQ(document.at("issued"), "2026-01-01T10:30:00Z");
    EXPECT_EQ(document.at("expires"), "2028-01-01T00:00:00Z");
    EXPECT_EQ(document.at("min_host"), "0.1.0");
    const json::value& plugin = document.at("drivers").at(0);
    EXPECT_EQ(plugin.at("floor"), "0.9.0");
    EXPECT_EQ(plugin.at("health").at("probation_s"), 60);
    EXPECT_EQ(plugin.at("health").at("actions"), 3);
    EXPECT_EQ(plugin.at("notes").at("en"), "Faster");
}

// --- sign ---

using ASignedFolder = Workshop;

TEST_F(ASignedFolder, tells_which_signatures_are_missing_and_whose) {
    make_keys({"root", "one", "two", "three", "stranger"});
    build("acme.so");
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
          "--release-key", "one.pub", "--release-key", "two.pub", "--release-key", "three.pub",
          "acme.so"});
    const std::string first =
        done({"bundle", "sign", "m", "--key", "root.key", "--key", "one.key"});
    EXPECT_THAT(first, HasSubstr("2 of the release keys of root 1  1 "));
    EXPECT_THAT(first, AllOf(HasSubstr(hint("two")), HasSubstr(hint("three"))));
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "stranger.key"}),
                HasSubstr("E_SIG: the key " + hint("stranger") +
                          " in stranger.key has no role in any document here"));
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "one.key", "--zip", "b.zip"}),
                HasSubstr("no zip was written, for boxes would refuse it"));
    EXPECT_FALSE(fs::exists(folder.file("b.zip")));
    const std::string second = done({"bundle", "sign", "m", "--key", "two.key", "--zip", "b.zip"});
    EXPECT_THAT(second, HasSubstr("All signatures are there.\nwrote b.zip (6 files, "));
    EXPECT_THAT(verified("b.zip", {"--key", "root.pub"}), HasSubstr("A box accepts it."));
    EXPECT_THAT(done({"bundle", "sign", "m", "--key", "two.key"}), HasSubstr("already"));
}

TEST_F(ASignedFolder, is_no_longer_signed_when_a_document_changes) {
    publish();
    std::string text = folder.read(k_release);
    replace(text, "\"version\": 1,", "\"version\": 2,");
    folder.write(k_release, text);
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("REJECTED, E_SIG"));
    EXPECT_THAT(done({"bundle", "inspect", "m"}),
                HasSubstr("it does not fit: the document was changed after it was signed"));
    EXPECT_THAT(done({"bundle", "sign", "m", "--key", "release.key"}),
                HasSubstr("All signatures are there."));
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("bundle acme 2: accepted"));
}

TEST_F(ASignedFolder, must_be_one_with_documents) {
    make_keys({"root"});
    EXPECT_THAT(refused({"bundle", "sign", "nowhere", "--key", "root.key"}),
                HasSubstr("the folder nowhere has no documents of a bundle"));
    publish_after_all();
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "root.key", "--bundle", "volt"}),
                HasSubstr("no documents of the bundle volt"));
    folder.write(k_release, "{\"_type\": \"release\", \"_type\": \"root\"}");
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "root.key"}),
                StartsWith("backplane: E_TYPE: drivers/backplane.acme.release.json: "));
}

// --- verify and inspect ---

using AVerification = Workshop;

TEST_F(AVerification, says_what_a_box_would_say) {
    publish();
    const Words trust{"--key", "root.pub"};
    EXPECT_THAT(verified("m", {"--trust-dir", "nothing"}), HasSubstr("REJECTED, E_ROOT"));
    EXPECT_THAT(verified("m", {"--key", "release.pub"}), HasSubstr("REJECTED, E_ROOT"));
    EXPECT_THAT(verified("m", {"--root", "m/drivers/backplane.acme.root.1.json"}),
                HasSubstr("A box accepts it."));
    EXPECT_THAT(verified("m", {"--development"}),
                HasSubstr("Development mode: only boxes that are switched to it"));
    EXPECT_THAT(verified("m", {"--key", "root.pub", "--now", "2040-01-01"}),
                HasSubstr("REJECTED, E_EXPIRED"));
    EXPECT_EQ(refused({"bundle", "verify", "m", "--key", "root.pub", "--glibc", "new"}),
              "backplane: E_TYPE: --glibc is \"new\", but must be a version such as 2.36\n");
    std::string bytes = folder.read("m/" + plugin_file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    folder.write("m/" + plugin_file, bytes);
    EXPECT_THAT(verified("m", trust),
                HasSubstr("REJECTED, E_HASH: the build of acme 1.0.0 has the SHA-256 "));
    folder.write("m/" + plugin_file, bytes + "more");
    EXPECT_THAT(verified("m", trust), HasSubstr("REJECTED, E_LEN: "));
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--min-host", "99.0.0", "--key",
          "release.key", "acme.so"});
    EXPECT_THAT(verified("m", trust), HasSubstr("REJECTED, E_HOST"));
    EXPECT_THAT(verified("m", {"--key", "root.pub", "--host-version", "99.0.0"}),
                HasSubstr("A box accepts it."));
}

TEST_F(AVerification, tells_when_a_box_is_too_old_for_a_plugin) {
    make_keys({"root", "release"});
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
          "--release-key", "release.pub", "--key", "root.key", "--key", "release.key",
          std::string{BP_TEST_PLUGINS} + "/abi_minor.so"});
    EXPECT_THAT(verified("m", {"--key", "root.pub"}),
                AllOf(HasSubstr("REFUSED, E_ABI"), HasSubstr("A box does not accept all of it.")));
}

TEST_F(AVerification, finds_names_that_no_server_or_box_carries) {
    publish();
    folder.write("m/drivers/acme.so", folder.read("acme.so"));
    folder.write("m/drivers/Acme." + arch + ".so.2.0.0", "capital");
    fs::create_directories(folder.file("m/lib"));
    folder.write("m/lib/helper.py", "import this\n");
    const std::string out = verified("m", {"--key", "root.pub"});
    EXPECT_THAT(out, HasSubstr("E_NAME: drivers/acme.so: other boxes would load a file whose name "
                               "ends in .so as a library of their own"));
    EXPECT_THAT(out, HasSubstr("E_NAME: drivers/Acme." + arch +
                               ".so.2.0.0: this looks like a "
                               "file of a bundle"));
    EXPECT_THAT(out, Not(HasSubstr("helper.py")));
    EXPECT_THAT(out, HasSubstr("A box does not accept all of it."));
}

TEST_F(AVerification, of_nothing_is_no_success) {
    fs::create_directories(folder.file("m/drivers"));
    folder.write("m/drivers/stock.py", "import this\n");
    EXPECT_THAT(
        verified("m", {"--development"}),
        HasSubstr("there is no bundle in it: a box would keep what it has (1 other files)"));
    folder.write("b.zip", "PK, but no zip");
    EXPECT_THAT(refused({"bundle", "verify", "b.zip", "--development"}),
                StartsWith("backplane: E_ZIP: "));
    EXPECT_THAT(refused({"bundle", "inspect", "m"}), HasSubstr("there is no bundle in m (1 other"));
}

TEST_F(AVerification, is_there_for_scripts_too) {
    publish();
    const json::value good =
        json::parse(done({"bundle", "verify", "m", "--key", "root.pub", "--json"}));
    EXPECT_EQ(good.at("good"), true);
    EXPECT_EQ(good.at("machines").at(0).at("bundles").at(0).at("plugins").at(0).at("name"), "acme");
    const Outcome bad = backplane({"bundle", "verify", "m", "--trust-dir", "none", "--json"});
    EXPECT_EQ(bad.code, 1);
    EXPECT_EQ(json::parse(bad.out).at("machines").at(0).at("rejected").at(0).at("code"), "E_ROOT");
    const json::value shown = json::parse(done({"bundle", "inspect", "m", "--json"}));
    const json::value& acme = shown.at("bundles").at(0);
    EXPECT_EQ(acme.at("bundle"), "acme");
    EXPECT_EQ(acme.at("roots").at(0).at("needs").at(0).at("met"), true);
    EXPECT_EQ(acme.at("release").at("signatures").at(0).at("key").as_string(), hint("release"));
    EXPECT_EQ(acme.at("release").at("plugins").at(0).at("builds").at(0).at("as_listed"), true);
}

}  // namespace
}  // namespace backplane::cli::tests
