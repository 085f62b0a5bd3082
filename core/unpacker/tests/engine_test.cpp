// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An engine that has archives unpacked by the process, beside one that unpacks them itself.
#include <fstream>

#include <sys/stat.h>

#include "update/tests/engine_fixture.hpp"
#include "update/unpack_process.hpp"

namespace backplane::core::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class AnEngineWithAProcess : public EngineTest {
protected:
    AnEngineWithAProcess() {
        other_setup = setup;
        other_setup.folder = folder.file("with_process");
        use({BP_UNPACK_PROGRAM, setup.policy.host.arch});
    }
    void use(const UnpackProcess& process) {
        other_setup.unpack = [process](std::span<const std::byte> zip) {
            return process.unpack(zip);
        };
        other.reset();
        auto opened = UpdateEngine::open(other_setup);
        if (!opened) throw std::runtime_error{opened.error().text};
        other = std::move(opened).value();
    }

    static std::string told(const Result<UpdateEngine::Acceptance>& answer) {
        if (!answer) return answer.error().code + ": " + answer.error().text;
        std::string out = std::to_string(answer->foreign_files) + " foreign";
        for (const auto& each : answer->bundles) {
            out += "\n" + each.bundle + " " + std::to_string(each.version) +
                   (each.accepted ? " accepted" : "") + (each.unchanged ? " unchanged" : "") + " " +
                   each.code + ": " + each.text;
        }
        for (const auto& each : answer->staged)
            out += "\nstaged " + each.name + " " + each.version + " " + each.sha256;
        for (const auto& each : answer->left_out)
            out += "\nleft out " + each.subject + " " + each.error.code + ": " + each.error.text;
        return out;
    }
    /// What both say, or how they differ.
    std::string both(const bundle::Bytes& zip) {
        const std::string etag = "\"" + std::to_string(++etag_) + "\"";
        const std::string one = told(engine->accept(zip, {etag, false}));
        const std::string two = told(other->accept(zip, {etag, false}));
        EXPECT_EQ(one, two);
        EXPECT_EQ(engine->etag(false), other->etag(false)) << one;
        return two;
    }

    UpdateEngine::Setup other_setup;
    std::unique_ptr<UpdateEngine> other;
    int etag_ = 0;
};

TEST_F(AnEngineWithAProcess, refuses_the_same_archives_in_the_same_words) {
    put("1.0.0");
    const auto good = maker.zip(1);
    EXPECT_THAT(both({}), HasSubstr("E_ZIP"));
    EXPECT_THAT(both(bytes_of("<html>Internal Server Error</html>")), HasSubstr("E_ZIP"));
    EXPECT_THAT(both({good.begin(), good.end() - 10}), HasSubstr("E_ZIP"));

    auto content = maker.files(1);
    const auto build = std::find_if(content.begin(), content.end(), [](const auto& file) {
        return file.first.find(".so.") != std::string::npos;
    });
    ASSERT_NE(build, content.end());
    const auto bytes = build->second;
    build->second.back() ^= std::byte{1};
    EXPECT_THAT(both(BundleMaker::zip_of(content)), HasSubstr("E_HASH"));
    build->second = bytes;
    build->second.push_back(std::byte{0});
    EXPECT_THAT(both(BundleMaker::zip_of(content)), HasSubstr("E_LEN"));
    content.erase(build);
    EXPECT_THAT(both(BundleMaker::zip_of(content)), HasSubstr("E_NAME"));
    content = maker.files(1);
    content.at("drivers/backplane.acme.release.json").resize(bundle::k_metadata_bytes + 1);
    EXPECT_THAT(both(BundleMaker::zip_of(content)), HasSubstr("acme"));
    EXPECT_THAT(both(BundleMaker::zip_of({{"drivers/printer.py", bytes_of("import os")}})),
                HasSubstr("1 foreign"));
}

TEST_F(AnEngineWithAProcess, takes_the_same_bundles) {
    put("1.0.0");
    auto content = maker.files(1);
    content.emplace("drivers/printer.py", bytes_of("import os"));
    const std::string first = both(BundleMaker::zip_of(content));
    EXPECT_THAT(first, HasSubstr("acme 1 accepted"));
    EXPECT_THAT(first, HasSubstr("staged acme_scale 1.0.0"));
    EXPECT_THAT(first, HasSubstr("1 foreign"));
    EXPECT_THAT(both(maker.zip(1)), HasSubstr("acme 1 accepted unchanged"));
    put("1.1.0");
    EXPECT_THAT(both(maker.zip(2)), HasSubstr("staged acme_scale 1.1.0"));
    EXPECT_THAT(both(maker.zip(1)), HasSubstr("E_ROLLBACK"));
}

TEST_F(AnEngineWithAProcess, does_not_hold_it_against_an_archive_that_the_program_is_missing) {
    put("1.0.0");
    use({"/nowhere/backplane-unpack", setup.policy.host.arch});
    const auto answer = other->accept(maker.zip(1), {"\"a\"", false});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "update.unpack");
    EXPECT_THAT(answer.error().text, HasSubstr("is backplane installed completely?"));
    EXPECT_EQ(other->etag(false), "") << "the next answer brings it again";
    use({BP_UNPACK_PROGRAM, setup.policy.host.arch});
    const auto again = other->accept(maker.zip(1), {"\"a\"", false});
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_THAT(again->staged, SizeIs(1));
}

TEST_F(AnEngineWithAProcess, remembers_an_archive_at_which_the_program_breaks) {
    const std::string program = folder.file("backplane-unpack");
    std::ofstream{program} << "#!/bin/sh\nkill -SEGV $$\n";
    ASSERT_EQ(::chmod(program.c_str(), 0700), 0);
    use({program, setup.policy.host.arch});
    put("1.0.0");
    const auto answer = other->accept(maker.zip(1), {"\"bad\"", false});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "E_ZIP");
    EXPECT_THAT(answer.error().text, HasSubstr("was killed by SIGSEGV"));
    EXPECT_EQ(other->etag(false), "\"bad\"") << "a server is not asked for it again today";
}

}  // namespace
}  // namespace backplane::core::testing
