// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Every file in captures/: the bytes of the scale through framing and decoder, against the lines
// with "=".
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "../src/decoder.hpp"
#include "backplane/serial/framing.hpp"

namespace {

using namespace backplane::toledo8217;

struct Capture {
    std::string answers;
    std::vector<std::string> expected;
};

Capture load(const std::filesystem::path& path) {
    Capture out;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#' || line[0] == '>') continue;
        std::istringstream words(line.substr(1));
        if (line[0] == '=') {
            out.expected.push_back(line.substr(2));
        } else if (line[0] == '<') {
            for (std::string word; words >> word;)
                out.answers += static_cast<char>(std::stoi(word, nullptr, 16));
        } else {
            ADD_FAILURE() << path << ": what is this? " << line;
        }
    }
    return out;
}

std::string describe(const Decoded& decoded) {
    if (decoded.kind == Decoded::Kind::nothing) return "nothing";
    if (decoded.kind == Decoded::Kind::status)
        return std::string(to_string(decoded.reading.condition));
    std::ostringstream out;
    out.precision(12);
    out << (decoded.reading.net ? "net " : "weight ") << *decoded.reading.kilograms;
    return out.str();
}

class ACapture : public testing::TestWithParam<std::string> {};

TEST_P(ACapture, is_understood_as_it_says) {
    const Capture capture = load(std::filesystem::path(CAPTURES_DIR) / GetParam());
    ASSERT_FALSE(capture.answers.empty());
    backplane::sdk::serial::FrameBuffer buffer({&frame_length, k_stx, std::nullopt, k_max_frame});
    std::vector<std::string> understood;
    for (const char byte : capture.answers) {
        buffer.push(byte);
        if (const auto frame = buffer.take())
            if (const auto decoded = decode(*frame)) understood.push_back(describe(*decoded));
        ASSERT_FALSE(buffer.overflown());
    }
    EXPECT_EQ(understood, capture.expected);
}

INSTANTIATE_TEST_SUITE_P(OfTheScale, ACapture,
                         testing::Values("weights.txt", "status.txt", "noise.txt"));

}  // namespace
