// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Whatever the line delivers, a number comes out only of exactly a weight frame. The judge below is
// written in another way than the decoder, so that both would have to be wrong in the same way.
// Also run by the unit test with seeded bytes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "../src/decoder.hpp"
#include "backplane/serial/framing.hpp"

namespace {

using backplane::sdk::serial::Framing;
namespace toledo8217 = backplane::toledo8217;

/// The weight that these bytes are, or a negative number.
double judge(std::string text) {
    if (text.size() < 3 || text.size() > toledo8217::k_max_frame) return -1;
    if (text.substr(0, 1) != "\x02" || text.substr(text.size() - 1) != "\r") return -1;
    text = text.substr(1, text.size() - 2);
    text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
    if (!text.empty() && text.back() == 'N') text.pop_back();
    if (text.find_first_not_of("0123456789.") != std::string::npos) return -1;
    const auto points = std::count(text.begin(), text.end(), '.');
    const auto digits = static_cast<long>(text.size()) - points;
    if (points != 1 || digits < 1 || digits > 7 || text.back() == '.') return -1;
    return std::strtod(text.c_str(), nullptr);  // programs start in the locale "C"
}

void require(bool condition, const char* what, const std::string& bytes) {
    if (condition) return;
    std::fprintf(stderr, "%s:", what);
    for (const char byte : bytes)
        std::fprintf(stderr, " %02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    std::fprintf(stderr, "\n");
    std::abort();
}

void check(const std::string& frame) {
    const auto decoded = toledo8217::decode(frame);
    const double expected = judge(frame);
    const bool number = decoded && decoded->reading.kilograms.has_value();
    require(number == (expected >= 0), "a number without a weight frame, or the other way round",
            frame);
    if (number) require(*decoded->reading.kilograms == expected, "a wrong number", frame);
    if (decoded && decoded->kind != toledo8217::Decoded::Kind::weight) {
        require(!number, "a status with a number", frame);
        require(decoded->reading.condition != backplane::sdk::ScaleCondition::ok,
                "a status that is ok", frame);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    check(bytes);
    // The same through the framing, as the bytes come from a line.
    backplane::sdk::serial::FrameBuffer buffer(
        {&toledo8217::frame_length, toledo8217::k_stx, std::nullopt, toledo8217::k_max_frame});
    for (const char byte : bytes) {
        buffer.push(byte);
        if (const auto frame = buffer.take()) {
            require(bytes.find(*frame) != std::string::npos, "a frame that was not sent", bytes);
            check(*frame);
        } else if (buffer.overflown()) {
            buffer.clear();
        }
    }
    return 0;
}
