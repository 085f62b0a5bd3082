// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs connection_token_fuzz.cpp without a fuzzer: tokens of both forms and a fixed number of fixed mutations of them, so
// that the target cannot rot. With clang, link the target with -fsanitize=fuzzer instead.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int k_mutations = 2000;

std::string mutated(std::string text, std::mt19937& random) {
    const auto pick = [&random](std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{0, most}(random);
    };
    // What means something to the parser comes more often than other bytes.
    static const std::vector<std::string> k_pieces{
        "|",     "?",  "&",      "=",  "%",        "%00", "#", "://", "@",
        "[::1]", ":0", "token=", "\n", "\xC2\xA0", "%zz", "+", "%ff", "&amp;"};
    for (std::size_t i = pick(4) + 1; i > 0 && !text.empty(); --i) {
        const std::size_t at = pick(text.size() - 1);
        switch (pick(4)) {
            case 0:
                text[at] = static_cast<char>(pick(255));
                break;
            case 1:
                text.insert(at, k_pieces[pick(k_pieces.size() - 1)]);
                break;
            case 2:
                text.erase(at, pick(16) + 1);
                break;
            case 3:
                text.resize(at);
                break;
            default:
                text.insert(at, text.substr(pick(text.size() - 1), pick(64)));
                break;
        }
    }
    return text;
}

}  // namespace

int main() {
    const std::vector<std::string> corpus{
        "https://shop.example.com?token=abc&db_uuid=1b2c&enterprise_code=M12&db_name=shop",
        "http://192.168.1.5:8069/?token=a%20b&db_uuid=&enterprise_code=",
        "https://[fd00::1]:8443?token=a|b&token=second&unknown=1#here",
        "  https://shop.example.com|abc|1b2c|M12\r\n", ""};
    // NOLINTNEXTLINE: the same every time, so that a failure can be repeated
    std::mt19937 random{20261122};
    std::size_t runs = 0;
    const auto run = [&runs](const std::string& input) {
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
        ++runs;
    };
    for (const auto& good : corpus) {
        run(good);
        for (int i = 0; i < k_mutations; ++i) run(mutated(good, random));
    }
    run(std::string(5000, 'a'));
    std::printf("%zu inputs\n", runs);
    return 0;
}
