// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who is trusted: rotation of keys, vendors, the owner's folder, and signatures of the stock minisign program.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "bundle_workshop.hpp"

namespace backplane::cli::tests {
namespace {

namespace json = boost::json;

const std::string k_root_1 = "m/drivers/backplane.acme.root.1.json";
const std::string k_root_2 = "m/drivers/backplane.acme.root.2.json";

// --- rotation ---

class ARotation : public Workshop {
protected:
    void SetUp() override {
        publish();
        folder.write("trusted.json", folder.read(k_root_1));
        make_keys({"root2", "release2"});
    }
    /// As a box that has known root 1 since it was made.
    std::string old_box() const { return verified("m", {"--root", "trusted.json"}); }
    void rotate(const Words& more) const {
        Words words{"bundle", "root", "--bundle", "acme", "--out", "m"};
        words.insert(words.end(), more.begin(), more.end());
        done(words);
    }
};

TEST_F(ARotation, needs_the_keys_before_and_the_keys_after) {
    rotate({"--root-key", "root2.pub", "--key", "root2.key"});
    EXPECT_THAT(old_box(), AllOf(HasSubstr("REJECTED, E_THRESHOLD"), HasSubstr("previous root")));
    EXPECT_THAT(
        done({"bundle", "sign", "m", "--key", "root.key"}),
        AllOf(HasSubstr("backplane.acme.root.1.json is signed with " + hint("root") + " already"),
              HasSubstr("signed drivers/backplane.acme.root.2.json with " + hint("root")),
              HasSubstr("All signatures are there.")));
    EXPECT_THAT(old_box(), HasSubstr("bundle acme 1: accepted"));
    fs::remove(folder.file(k_root_2 + "." + small_hint("root2") + ".minisig"));
    EXPECT_THAT(old_box(), HasSubstr("REJECTED, E_THRESHOLD"));
}

TEST_F(ARotation, ends_the_power_of_a_stolen_release_key) {
    rotate({"--release-key", "release2.pub", "--version-floor", "5", "--key", "root.key"});
    EXPECT_THAT(old_box(), HasSubstr("REJECTED, E_SIG"));
    EXPECT_THAT(refused({"bundle", "sign", "m", "--key", "release.key"}).substr(0, 17),
                "backplane: E_SIG:");
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "m", "--version", "2",
                         "acme.so"}),
                HasSubstr("root 2 allows no release below 5"));
    EXPECT_THAT(done({"bundle", "create", "--bundle", "acme", "--out", "m", "--key", "release2.key",
                      "acme.so"}),
                HasSubstr("version 5, root 2"));
    EXPECT_THAT(old_box(), HasSubstr("bundle acme 5: accepted, signed by " + hint("release2")));
}

TEST_F(ARotation, forbids_the_releases_before_when_release_keys_change) {
    build("acme.so", "acme", "1.1.0");
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--version", "4", "acme.so"});
    const Words change{"bundle", "root",          "--bundle",    "acme",          "--out",
                       "m",      "--release-key", "release.pub", "--release-key", "release2.pub",
                       "--key",  "root.key"};
    EXPECT_THAT(done(change), HasSubstr("take releases from 4 on"));
    EXPECT_EQ(json::parse(folder.read(k_root_2)).at("version_floor"), 4);
    done({"bundle", "sign", "m", "--key", "release.key"});
    EXPECT_THAT(old_box(), HasSubstr("bundle acme 4: accepted"));
}

TEST_F(ARotation, may_go_over_several_roots_but_not_over_a_gap) {
    rotate({"--root-key", "root2.pub", "--key", "root.key", "--key", "root2.key"});
    rotate({"--expires", "2039-01-01", "--key", "root2.key"});
    EXPECT_THAT(old_box(), HasSubstr("bundle acme 1: accepted"));
    for (const std::string key : {"root", "root2"})
        fs::remove(folder.file(k_root_2 + "." + small_hint(key) + ".minisig"));
    fs::remove(folder.file(k_root_2));
    EXPECT_THAT(old_box(), HasSubstr("REJECTED, E_ROOTVER"));
}

TEST_F(ARotation, moves_into_a_new_folder_with_all_earlier_roots) {
    rotate({"--root-key", "root2.pub", "--key", "root.key", "--key", "root2.key"});
    done({"bundle", "create", "--bundle", "acme", "--out", "fresh", "--root", "m", "--key",
          "release.key", "acme.so"});
    EXPECT_THAT(verified("fresh", {"--root", "trusted.json"}), HasSubstr("A box accepts it."));
    // One that says something else under the same number is not mixed in.
    std::string text = folder.read("trusted.json");
    replace(text, "\"version_floor\": 0", "\"version_floor\": 1");
    folder.write("trusted.json", text);
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "acme", "--out", "fresh", "--root",
                         "trusted.json", "acme.so"}),
                HasSubstr("E_ROOTVER: the folder has another root 1 of acme than trusted.json"));
    EXPECT_THAT(refused({"bundle", "create", "--bundle", "volt", "--out", "fresh", "--root", "m",
                         "acme.so"}),
                HasSubstr("the folder m has no root of the bundle volt"));
}

// --- vendors ---

using AVendor = Workshop;

TEST_F(AVendor, delivers_within_its_delegation_and_no_further) {
    publish();
    make_keys({"volt"});
    const Words vendor{"bundle", "create", "--bundle", "acme", "--vendor", "volt", "--out", "m"};
    const auto with = [&](const Words& more) {
        Words words = vendor;
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    EXPECT_THAT(refused({"bundle", "root", "--bundle", "acme", "--out", "m", "--delegate-key",
                         "volt=volt.pub"}),
                HasSubstr("there is no delegation \"volt\" for --delegate-key"));
    done({"bundle", "root", "--bundle", "acme", "--out", "m", "--delegate", "volt=vo",
          "--delegate-key", "volt=volt.pub", "--delegate-cap", "volt=hid", "--key", "root.key"});
    EXPECT_THAT(refused(with({"acme.so"})),
                HasSubstr("covers names that begin with \"vo\", but the plug-in is called acme"));
    build("volt.so", "volt");
    EXPECT_THAT(refused(with({"volt.so"})),
                HasSubstr("asks for the permission \"serial\", which the delegation \"volt\" does "
                          "not allow"));
    done({"bundle", "root", "--bundle", "acme", "--out", "m", "--delegate-cap", "volt=serial",
          "--key", "root.key"});
    done(with({"volt.so", "--key", "volt.key"}));
    const std::string out = verified("m", {"--key", "root.pub"});
    EXPECT_THAT(out, AllOf(HasSubstr("driver acme 1.0.0: would be installed"),
                           HasSubstr("driver volt 1.0.0: would be installed"),
                           HasSubstr("A box accepts it.")));
    done({"bundle", "root", "--bundle", "acme", "--out", "m", "--drop-delegate", "volt", "--key",
          "root.key"});
    EXPECT_THAT(verified("m", {"--key", "root.pub"}),
                Not(HasSubstr("driver volt 1.0.0: would be installed")));
}

// --- the owner's folder ---

using AnOwner = Workshop;

TEST_F(AnOwner, is_asked_before_somebody_is_trusted) {
    publish();
    EXPECT_THAT(backplane({"trust", "add", "root.pub", "--trust-dir", "trust"}).err,
                HasSubstr("nothing was changed: answer y on a terminal, or give --yes"));
    EXPECT_FALSE(fs::exists(folder.file("trust")));
    EXPECT_THAT(done({"trust", "list", "--trust-dir", "trust"}),
                HasSubstr("The owner has added nobody in trust"));
}

TEST_F(AnOwner, trusts_a_key_or_a_root_and_takes_it_back) {
    publish();
    const std::string shown = done({"trust", "add", "root.pub", "--trust-dir", "trust", "--yes"});
    EXPECT_THAT(shown, AllOf(HasSubstr("fingerprint "), HasSubstr(hint("root")),
                             HasSubstr("backplane update --force")));
    EXPECT_EQ(files("trust"), small_hint("root") + ".pub");
    EXPECT_THAT(verified("m", {"--trust-dir", "trust"}), HasSubstr("A box accepts it."));
    fs::permissions(folder.file("trust"), fs::perms{0700});
    done({"trust", "--trust-dir", "trust", "add", k_root_1, "--yes"});
    EXPECT_EQ(fs::status(folder.file("trust")).permissions(), fs::perms{0755})
        << "backplaned is another user";
    EXPECT_EQ(fs::status(folder.file("trust/acme.root.json")).permissions(), fs::perms{0644});
    EXPECT_THAT(files("trust"),
                AllOf(HasSubstr(small_hint("root") + ".pub"), HasSubstr("acme.root.json")));
    EXPECT_EQ(folder.read("trust/acme.root.json"), folder.read(k_root_1));
    EXPECT_THAT(
        done({"trust", "list", "--trust-dir", "trust"}),
        AllOf(HasSubstr("acme  "), HasSubstr("root 1, expires "), HasSubstr(small_hint("root"))));
    const json::value list = json::parse(done({"trust", "list", "--trust-dir", "trust", "--json"}));
    EXPECT_EQ(list.at("roots").at(0).at("bundle"), "acme");
    EXPECT_EQ(list.at("keys").at(0).at("hint").as_string(), hint("root"));

    EXPECT_THAT(refused({"trust", "remove", "volt", "--trust-dir", "trust", "--yes"}),
                HasSubstr("there is no \"volt\" in trust: see \"backplane trust list\""));
    EXPECT_THAT(backplane({"trust", "remove", "acme", "--trust-dir", "trust"}).err,
                HasSubstr("nothing was changed"));
    done({"trust", "remove", "acme", "--trust-dir", "trust", "--yes"});
    done({"trust", "remove", hint("root"), "--trust-dir", "trust", "--yes"});
    EXPECT_EQ(files("trust"), "");
    EXPECT_THAT(verified("m", {"--trust-dir", "trust"}), HasSubstr("REJECTED, E_ROOT"));
}

TEST_F(AnOwner, can_add_a_key_as_it_stands_on_a_page) {
    make_keys({"root"});
    const std::string file = folder.read("root.pub");
    const std::string line = file.substr(file.find('\n') + 1, 56);
    done({"trust", "add", line, "--trust-dir", "trust", "--yes"});
    EXPECT_THAT(folder.read("trust/" + small_hint("root") + ".pub"), HasSubstr(line));
    EXPECT_THAT(refused({"trust", "add", "root.pib", "--trust-dir", "trust", "--yes"}),
                HasSubstr("\"root.pib\" is neither a file nor a public key"));
    EXPECT_THAT(refused({"trust", "add", "root.key", "--trust-dir", "trust", "--yes"}),
                StartsWith("backplane: E_KEY: root.key: "));
}

TEST_F(AnOwner, does_not_go_back_to_an_older_root) {
    publish();
    folder.write("old.json", folder.read(k_root_1));
    done({"bundle", "root", "--bundle", "acme", "--out", "m", "--key", "root.key"});
    done({"trust", "add", k_root_2, "--trust-dir", "trust", "--yes"});
    EXPECT_THAT(refused({"trust", "add", "old.json", "--trust-dir", "trust", "--yes"}),
                HasSubstr("E_ROOTVER: this box trusts root 2 of acme, and the file has the older "
                          "root 1"));
    EXPECT_EQ(folder.read("trust/acme.root.json"), folder.read(k_root_2));
    folder.write("trust/acme.root.json", "{}");
    EXPECT_THAT(refused({"trust", "list", "--trust-dir", "trust"}),
                StartsWith("backplane: E_TYPE: trust/acme.root.json: "));
}

// --- the stock program of the Debian package "minisign" ---

class StockMinisign : public Workshop {
protected:
    Outcome minisign(Words words) const {
        words.insert(words.begin(), "minisign");
        return run(folder, std::move(words));
    }
};

TEST_F(StockMinisign, accepts_our_signatures_and_our_keys) {
    publish();
    const std::string document = "m/drivers/backplane.acme.release.json";
    const std::string signature = document + "." + small_hint("release") + ".minisig";
    const Outcome good = minisign({"-V", "-p", "release.pub", "-m", document, "-x", signature});
    EXPECT_EQ(good.code, 0) << good.err;
    EXPECT_THAT(good.out, HasSubstr("backplane.acme.release.json version 1, signed "));
    EXPECT_NE(minisign({"-V", "-p", "root.pub", "-m", document, "-x", signature}).code, 0);
    const Outcome made =
        minisign({"-S", "-W", "-s", "release.key", "-m", document, "-x", signature});
    EXPECT_EQ(made.code, 0) << made.err;
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("A box accepts it."));
}

TEST_F(StockMinisign, makes_keys_and_signatures_that_we_accept) {
    for (const std::string name : {"root", "release"}) {
        const Outcome made = minisign({"-G", "-W", "-p", name + ".pub", "-s", name + ".key"});
        ASSERT_EQ(made.code, 0) << made.err;
    }
    build("acme.so");
    done({"bundle", "create", "--bundle", "acme", "--out", "m", "--root-key", "root.pub",
          "--release-key", "release.pub", "acme.so"});
    const std::map<std::string, std::string> documents{
        {"root", k_root_1}, {"release", "m/drivers/backplane.acme.release.json"}};
    // The legacy form, of the bytes themselves, is as good as the usual one.
    for (const Words& form : {Words{}, Words{"-l"}}) {
        for (const auto& [key, document] : documents) {
            Words words{"-S", "-W",     "-s", key + ".key",
                        "-m", document, "-x", document + "." + small_hint(key) + ".minisig"};
            words.insert(words.begin() + 1, form.begin(), form.end());
            const Outcome made = minisign(words);
            ASSERT_EQ(made.code, 0) << made.err;
        }
        EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("A box accepts it."));
        EXPECT_THAT(done({"bundle", "sign", "m", "--key", "release.key"}),
                    HasSubstr("All signatures are there."));
    }
}

TEST_F(StockMinisign, has_a_name_for_its_signature_that_no_box_looks_for_which_we_tell) {
    publish();
    const std::string document = "m/drivers/backplane.acme.release.json";
    fs::rename(folder.file(document + "." + small_hint("release") + ".minisig"),
               folder.file(document + ".minisig"));
    EXPECT_THAT(verified("m", {"--key", "root.pub"}), HasSubstr("REJECTED, E_SIG"));
    EXPECT_THAT(done({"bundle", "inspect", "m"}),
                HasSubstr("no box looks for it under this name: call it "
                          "drivers/backplane.acme.release.json." +
                          small_hint("release") + ".minisig"));
}

}  // namespace
}  // namespace backplane::cli::tests
