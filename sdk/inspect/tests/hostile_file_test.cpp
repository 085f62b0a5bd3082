// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Files that were cut, changed or made up: the inspector says no and touches nothing that is not
// there (the sanitizer build sees to that, since each attempt lies in memory of exactly its size).
#include <gmock/gmock.h>

#include <elf.h>

#include <cstring>
#include <random>
#include <utility>

#include "test_plugins.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace backplane::sdk {
namespace {

using testing::codes;
using ::testing::HasSubstr;
using testing::read_plugin;

/// A copy in memory of its own, so that a sanitizer sees a read one byte behind it.
std::vector<std::byte> exact_copy(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

void put(std::vector<std::byte>& file, std::size_t offset, std::uint64_t value, std::size_t width) {
    ASSERT_LE(offset + width, file.size());
    for (std::size_t i = 0; i < width; ++i)
        file[offset + i] = static_cast<std::byte>(value >> (8 * i));
}

template <typename T>
T get(const std::vector<std::byte>& file, std::size_t offset) {
    T value{};
    if (offset + sizeof value <= file.size())
        std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

/// Offset of the first program header of a type in the 64-bit file.
std::size_t segment(const std::vector<std::byte>& file, std::uint32_t type) {
    const auto header = get<Elf64_Ehdr>(file, 0);
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const auto at = static_cast<std::size_t>(header.e_phoff) + i * sizeof(Elf64_Phdr);
        if (get<Elf64_Phdr>(file, at).p_type == type) return at;
    }
    ADD_FAILURE() << "no segment of type " << type;
    return 0;
}

/// Offset of the value of a dynamic entry in the 64-bit file.
std::size_t dynamic_value(const std::vector<std::byte>& file, std::int64_t tag) {
    const auto table = get<Elf64_Phdr>(file, segment(file, PT_DYNAMIC));
    for (std::size_t at = table.p_offset; at < table.p_offset + table.p_filesz;
         at += sizeof(Elf64_Dyn)) {
        if (get<Elf64_Dyn>(file, at).d_tag == tag) return at + 8;
    }
    ADD_FAILURE() << "no dynamic entry " << tag;
    return 0;
}

class AHostileFile : public ::testing::Test {
protected:
    void SetUp() override {
        good_ = read_plugin("good");
        ASSERT_GT(good_.size(), sizeof(Elf64_Ehdr));
    }
    Inspection look(const std::vector<std::byte>& file) const { return inspect(file, host_); }

    const HostFacts host_ = HostFacts::of_this_machine();
    std::vector<std::byte> good_;
};

TEST_F(AHostileFile, is_refused_wherever_it_was_cut) {
    for (std::size_t size = 0; size < good_.size(); size += size < 4'096 ? 1 : 97) {
        const auto cut = exact_copy(std::span(good_).first(size));
        const auto result = look(cut);
        ASSERT_FALSE(result.ok()) << "cut at " << size;
        ASSERT_FALSE(result.findings.front().text.empty());
    }
}

TEST_F(AHostileFile, is_survived_with_random_bytes_anywhere) {
    std::mt19937 random(20'240'229);
    for (const char* name : {"good", "inspect_real"}) {
        auto file = read_plugin(name);
        // Headers, notes and symbols lie in front, so that is where half of the changes go.
        for (int round = 0; round < 3'000; ++round) {
            std::vector<std::pair<std::size_t, std::byte>> before;
            const auto changes = 1 + random() % 12;
            for (unsigned i = 0; i < changes; ++i) {
                const auto range =
                    random() % 2 == 0 ? std::min<std::size_t>(4'096, file.size()) : file.size();
                const auto at = random() % range;
                before.emplace_back(at, file[at]);
                file[at] = static_cast<std::byte>(random());
            }
            const auto result = look(file);
            for (const auto& finding : result.findings) {
                ASSERT_FALSE(finding.text.empty());
                ASSERT_LT(finding.text.size(), 2'000u);
            }
            ASSERT_LE(result.findings.size(), 40u);
            for (auto change = before.rbegin(); change != before.rend(); ++change) {
                file[change->first] = change->second;
            }
        }
    }
}

TEST_F(AHostileFile, is_survived_by_the_fuzz_target_too) {
    std::mt19937 random(7);
    std::vector<std::uint8_t> input(good_.size() + 1);
    for (int round = 0; round < 300; ++round) {
        input[0] = static_cast<std::uint8_t>(round % 2 * 2);
        std::memcpy(input.data() + 1, good_.data(), good_.size());
        input[1 + random() % 2'048] = static_cast<std::uint8_t>(random());
        EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
    }
    std::string json =
        "\x01{\"schema\":1,\"kind\":\"driver\",\"match\":[{\"bus\":\"usb\"}],\"abi\":{\"major\":1}"
        "}";
    for (int round = 0; round < 2'000; ++round) {
        auto text = json;
        text[1 + random() % (text.size() - 1)] = static_cast<char>(random());
        EXPECT_EQ(
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()),
            0);
    }
    EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0);
}

TEST_F(AHostileFile, is_refused_when_empty) {
    EXPECT_EQ(codes(look({})), "elf.not_elf");
    EXPECT_THAT(look({}).text(), HasSubstr("no plug-in: check what was downloaded"));
}

TEST_F(AHostileFile, is_refused_when_it_is_a_web_page) {
    const std::string page = "<!DOCTYPE html><title>404 Not Found</title>";
    const auto bytes = std::as_bytes(std::span(page));

    EXPECT_EQ(codes(inspect(bytes, host_)), "elf.not_elf");
}

TEST_F(AHostileFile, is_refused_by_size_alone) {
    const std::vector<std::byte> file(k_max_plugin_size + 1);

    EXPECT_EQ(codes(look(file)), "file.too_large");
    EXPECT_THAT(look(file).text(), HasSubstr("a plug-in may have 32"));
}

TEST_F(AHostileFile, is_refused_when_big_endian) {
    put(good_, EI_DATA, ELFDATA2MSB, 1);

    EXPECT_EQ(codes(look(good_)), "elf.machine");
    EXPECT_THAT(look(good_).text(), HasSubstr("big-endian"));
}

TEST_F(AHostileFile, is_refused_when_its_machine_is_unknown) {
    put(good_, 18, 9'999, 2);

    EXPECT_THAT(look(good_).text(), HasSubstr("machine number 9999"));
    EXPECT_TRUE(look(good_).has("elf.machine"));
}

TEST_F(AHostileFile, says_that_it_is_damaged_and_keeps_its_name) {
    put(good_, dynamic_value(good_, DT_STRTAB), 0x7fff'ffff'ffff'0000, 8);
    const auto result = look(good_);

    EXPECT_EQ(codes(result), "elf.malformed");
    EXPECT_THAT(result.text(), HasSubstr("plug-in com.example.good 1.2.3 is damaged"));
    EXPECT_THAT(result.text(), HasSubstr("download or build it again"));
}

TEST_F(AHostileFile, is_refused_when_its_tables_point_behind_the_end) {
    for (const auto tag : {DT_STRTAB, DT_SYMTAB, DT_GNU_HASH, DT_VERDEF, DT_VERSYM}) {
        for (const auto value : {0xffff'ffff'ffff'ffffULL, 0x7fff'ffffULL, 0x1'0000'0000ULL}) {
            auto file = good_;
            put(file, dynamic_value(file, tag), value, 8);
            EXPECT_EQ(codes(look(file)), "elf.malformed") << "tag " << tag << " value " << value;
        }
    }
}

TEST_F(AHostileFile, is_refused_when_its_parts_overlap) {
    const auto first = segment(good_, PT_LOAD);
    put(good_, first + 40, 0x10'0000, 8);  // p_memsz reaches into the next one

    EXPECT_EQ(codes(look(good_)), "elf.malformed");
    EXPECT_THAT(look(good_).text(), HasSubstr("overlap"));
}

TEST_F(AHostileFile, is_refused_when_sizes_overflow) {
    const auto first = segment(good_, PT_LOAD);
    put(good_, first + 40, 0xffff'ffff'ffff'ffff, 8);
    EXPECT_FALSE(look(good_).ok());
    put(good_, first + 32, 0xffff'ffff'ffff'ffff, 8);
    EXPECT_FALSE(look(good_).ok());
    put(good_, first + 8, 0xffff'ffff'ffff'fff0, 8);
    EXPECT_FALSE(look(good_).ok());
}

TEST_F(AHostileFile, is_refused_when_code_can_be_written) {
    put(good_, segment(good_, PT_LOAD) + 4, PF_R | PF_W | PF_X, 4);

    EXPECT_EQ(codes(look(good_)), "link.writable_code");
}

TEST_F(AHostileFile, is_refused_when_it_does_not_speak_of_its_stack) {
    put(good_, segment(good_, PT_GNU_STACK), PT_NULL, 4);

    EXPECT_EQ(codes(look(good_)), "link.executable_stack");
}

TEST_F(AHostileFile, does_not_bring_control_characters_into_our_sentences) {
    auto file = read_plugin("foreign_library");
    const std::string name = "libforeign.so.3";
    const auto bytes = std::as_bytes(std::span(name));
    const auto at = std::search(file.begin(), file.end(), bytes.begin(), bytes.end());
    ASSERT_NE(at, file.end());
    std::memcpy(&*at, "\x1b[31m\n\"evil\xff", 12);

    const auto text = look(file).text();
    EXPECT_THAT(text, HasSubstr("\"?[31m??evil?"));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST_F(AHostileFile, is_refused_when_its_chain_of_symbols_has_no_end) {
    const auto table = get<Elf64_Phdr>(good_, segment(good_, PT_LOAD));
    const auto hash = get<std::uint64_t>(good_, dynamic_value(good_, DT_GNU_HASH));
    ASSERT_LT(hash, table.p_filesz);  // the first part lies in the file as it does in memory
    put(good_, hash, 0xffff'ffff, 4);

    EXPECT_EQ(codes(look(good_)), "elf.malformed");
}

}  // namespace
}  // namespace backplane::sdk
