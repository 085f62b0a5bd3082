// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "../src/decoder.hpp"

#include <gmock/gmock.h>

#include <clocale>
#include <random>

#include "backplane/serial/framing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace backplane::toledo8217;
using namespace std::literals;
using backplane::sdk::ScaleCondition;
using backplane::sdk::ScaleReading;
using backplane::sdk::serial::Framing;

TEST(TheDecoder, gives_no_number_for_anything_but_a_weight_frame) {
    for (const std::string& bytes : {""s,
                                     "\x02"s,
                                     "\r"s,
                                     "\x02\r"s,
                                     "\x02 \r"s,
                                     "1.234"s,
                                     "1.234\r"s,
                                     "\x02"
                                     "1.234"s,
                                     "\x02"
                                     "1.234\r\r"s,
                                     "\x02"
                                     "1.234\n"s,
                                     " \x02"
                                     "1.234\r"s,
                                     "\x02"
                                     "-1.234\r"s,
                                     "\x02+1.234\r"s,
                                     "\x02"
                                     "1,234\r"s,
                                     "\x02"
                                     "1.2.3\r"s,
                                     "\x02.\r"s,
                                     "\x02"
                                     "1.\r"s,
                                     "\x02N\r"s,
                                     "\x02"
                                     "1.234NN\r"s,
                                     "\x02N1.234\r"s,
                                     "\x02"
                                     "1.234 \r"s,
                                     "\x02"
                                     "1 234\r"s,
                                     "\x02"
                                     "12345678\r"s,
                                     "\x02"
                                     "1e3\r"s,
                                     "\x02"
                                     "0x10\r"s,
                                     "\x02inf\r"s,
                                     "\x02nan\r"s,
                                     "\x02"
                                     "1.234kg\r"s,
                                     "\x02"
                                     "1.2\x00"
                                     "34\r"s,
                                     "\x02"
                                     "1.\xb2"
                                     "34\r"s,
                                     "\x02\x02"
                                     "1.234\r"s,
                                     "\x02?\r"s,
                                     "\x02?11\r"s}) {
        const auto decoded = decode(bytes);
        EXPECT_FALSE(decoded && decoded->reading.kilograms) << testing::PrintToString(bytes);
    }
}

TEST(TheDecoder, reads_weights_to_the_last_bit) {
    EXPECT_EQ(decode("\x02"
                     "01.234\r")
                  ->reading,
              ScaleReading::weight(1.234));
    EXPECT_EQ(decode("\x02  0.005\r")->reading, ScaleReading::weight(0.005));
    EXPECT_EQ(decode("\x02"
                     "9999.999\r")
                  ->reading,
              ScaleReading::weight(9999.999));
    EXPECT_EQ(decode("\x02"
                     "000.000\r")
                  ->reading,
              ScaleReading::weight(0));
    EXPECT_EQ(decode("\x02.500\r")->reading, ScaleReading::weight(0.5));
    EXPECT_EQ(decode("\x02"
                     "01.234N\r")
                  ->reading,
              ScaleReading::weight(1.234, true));
}

TEST(TheDecoder, takes_digits_without_a_point_for_no_weight) {
    // "000500" was once read as 500 kg: a make that sends grams does so.
    EXPECT_FALSE(
        decode("\x02"
               "000500\r"));
    EXPECT_FALSE(
        decode("\x02"
               "0000000N\r"));
}

TEST(TheDecoder, does_not_care_about_the_locale) {
    for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"}) {
        std::setlocale(LC_ALL, name);
        EXPECT_EQ(decode("\x02"
                         "01.234\r")
                      ->reading,
                  ScaleReading::weight(1.234));
    }
    std::setlocale(LC_ALL, "C");
}

TEST(TheDecoder, gives_the_reason_for_each_of_the_256_status_bytes_and_never_a_number) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const std::string frame = "\x02?"s + static_cast<char>(byte) + "\r";
        const auto decoded = decode(frame);
        ASSERT_TRUE(decoded) << byte;
        EXPECT_EQ(decoded->reading.kilograms, std::nullopt) << byte;
        const ScaleCondition expected = byte & 0x02   ? ScaleCondition::over_capacity
                                        : byte & 0x04 ? ScaleCondition::under_zero
                                        : byte & 0x08 ? ScaleCondition::not_zeroed
                                        : byte & 0x01 ? ScaleCondition::in_motion
                                        : byte & 0x40 ? ScaleCondition::fault
                                                      : ScaleCondition::ok;
        if (expected == ScaleCondition::ok)
            EXPECT_EQ(decoded->kind, Decoded::Kind::nothing) << byte;
        else
            EXPECT_EQ(decoded->reading, ScaleReading::without_weight(expected)) << byte;
        EXPECT_EQ(frame_length(frame), 4u) << byte;
        EXPECT_EQ(frame_length(frame.substr(0, 3)), Framing::k_more) << byte;
    }
}

TEST(TheDecoder, tells_weights_that_are_written_differently_apart) {
    EXPECT_EQ(decode("\x02"
                     "01.234\r")
                  ->layout,
              decode("\x02"
                     "99.876\r")
                  ->layout);
    EXPECT_NE(decode("\x02"
                     "01.234\r")
                  ->layout,
              decode("\x02"
                     "01.24\r")
                  ->layout);
    EXPECT_NE(decode("\x02"
                     "01.234\r")
                  ->layout,
              decode("\x02"
                     "0123.4\r")
                  ->layout);
}

/// Frames as a scale sends them, with one to four accidents each.
TEST(TheDecoder, survives_a_million_mutated_frames) {
    const std::vector<std::string> seeds{
        "\x02"
        "01.234\r",
        "\x02  1.234\r",
        "\x02"
        "00.500N\r",
        "\x02?\x01\r",
        "\x02  ?\r\r",
        "\x02"
        "E\rhello",
        "\x02"
        "1234567\r"};
    const std::string likely = "\x02\r0123456789.N? \xff";
    std::mt19937 random(8217);
    const auto below = [&](std::size_t limit) {
        return static_cast<std::size_t>(random() % limit);
    };
    for (int run = 0; run < 1'000'000; ++run) {
        std::string bytes = seeds[below(seeds.size())];
        if (below(4) == 0) bytes += seeds[below(seeds.size())];
        for (std::size_t accidents = 1 + below(4); accidents > 0; --accidents) {
            const std::size_t at = bytes.empty() ? 0 : below(bytes.size());
            const char byte = below(2) ? likely[below(likely.size())] : static_cast<char>(random());
            switch (below(5)) {
                case 0:
                    bytes.insert(at, 1, byte);
                    break;
                case 1:
                    bytes.erase(at, 1);
                    break;
                case 2:
                    if (!bytes.empty()) bytes[at] = byte;
                    break;
                case 3:
                    if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
                    break;
                default:
                    bytes.resize(at);
                    break;
            }
        }
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                               bytes.size());  // aborts on a fault
    }
}

}  // namespace
