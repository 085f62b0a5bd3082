// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A publisher at work: a folder, the real program, keys and builds.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "backplane/inspect/inspect.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::cli::tests {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Outcome {
    int code = -1;
    std::string out, err;
};

/// `words[0]` is looked up in PATH. Without a controlling terminal, so that nothing can wait for a person.
inline Outcome run(const backplane::tests::TemporaryFolder& folder, Words words,
                   Words environment = {}) {
    environment.push_back(std::string{"PATH="} + std::getenv("PATH"));
    std::vector<char*> argv, envp;
    for (std::string& each : words) argv.push_back(each.data());
    for (std::string& each : environment) envp.push_back(each.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    const std::string place = folder.path(), out = folder.file(".out"), err = folder.file(".err");
    const pid_t child = ::fork();
    if (child == 0) {
        ::setsid();
        ::alarm(60);
        ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
        ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        if (::chdir(place.c_str()) == 0) ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), folder.read(".out"),
            folder.read(".err")};
}

class Workshop : public testing::Test {
protected:
    Outcome backplane(Words words, Words environment = {}) const {
        words.insert(words.begin(), BP_CLI);
        return run(folder, std::move(words), std::move(environment));
    }
    /// The same, and it must succeed.
    std::string done(Words words, Words environment = {}) const {
        const Outcome outcome = backplane(std::move(words), std::move(environment));
        EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
        EXPECT_EQ(outcome.err, "");
        return outcome.out;
    }
    /// The same, and it must fail with one line.
    std::string refused(Words words, Words environment = {}) const {
        const Outcome outcome = backplane(std::move(words), std::move(environment));
        EXPECT_EQ(outcome.code, 1) << outcome.err << outcome.out;
        EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
        return outcome.err;
    }
    /// What a box says; exit code 0 and 1 are both fine, nothing else is.
    std::string verified(const std::string& path, Words trust) const {
        Words words{"bundle", "verify", path};
        words.insert(words.end(), trust.begin(), trust.end());
        const Outcome outcome = backplane(std::move(words));
        EXPECT_EQ(outcome.err, "");
        EXPECT_EQ(outcome.code, outcome.out.ends_with("A box accepts it.\n") ? 0 : 1)
            << outcome.out;
        return outcome.out;
    }

    void make_keys(const Words& names) const {
        for (const std::string& name : names) done({"bundle", "keygen", name, "--no-password"});
    }
    /// A plug-in as an author built it, under the name `file`: its name of four letters and its version of five.
    void build(const std::string& file, const std::string& name = "acme",
               const std::string& version = "1.0.0") const {
        std::ifstream source{std::string{BP_TEST_PLUGINS} + "/good.so", std::ios::binary};
        std::string bytes{std::istreambuf_iterator<char>{source}, {}};
        ASSERT_FALSE(bytes.empty());
        replace(bytes, "\"name\": \"good\"", "\"name\": \"" + name + "\"");
        replace(bytes, "\"version\": \"1.2.3\"", "\"version\": \"" + version + "\"");
        folder.write(file, bytes);
    }
    static void replace(std::string& bytes, const std::string& from, const std::string& to) {
        ASSERT_EQ(from.size(), to.size());
        const auto found = bytes.find(from);
        ASSERT_NE(found, std::string::npos) << from;
        bytes.replace(found, from.size(), to);
    }
    /// Release 1 of "acme" with acme 1.0.0 in m/, signed with root.key and release.key.
    void publish() const {
        make_keys({"root", "release"});
        publish_after_all();
    }
    /// The same with keys that are there already.
    void publish_after_all() const {
        if (!fs::exists(folder.file("release.pub"))) make_keys({"release"});
        build("acme.so");
        done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
              "--release-key", "release.pub", "--key", "root.key", "--key", "release.key",
              "acme.so"});
    }
    std::string hint(const std::string& key) const {
        const std::string text = folder.read(key + ".pub");
        const auto word = text.find("public key ");
        if (word == std::string::npos) return text;
        // The comment has it as a number: one key of sixteen begins with a zero, which is not written there.
        const std::string number = text.substr(word + 11, text.find('\n', word) - word - 11);
        return number.size() < 16 ? std::string(16 - number.size(), '0') + number : number;
    }
    std::string small_hint(const std::string& key) const {
        std::string text = hint(key);
        std::transform(text.begin(), text.end(), text.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return text;
    }
    /// Files below `place`, sorted, with a space between.
    std::string files(const std::string& place) const {
        Words names;
        for (const auto& each : fs::recursive_directory_iterator{folder.file(place)}) {
            if (each.is_regular_file())
                names.push_back(each.path().lexically_relative(folder.file(place)).string());
        }
        std::sort(names.begin(), names.end());
        std::string all;
        for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
        return all;
    }

    const std::string arch = sdk::HostFacts::of_this_machine().arch;
    const std::string plugin_file = "drivers/acme." + arch + ".so.1.0.0";
    backplane::tests::TemporaryFolder folder;
};

}  // namespace backplane::cli::tests
