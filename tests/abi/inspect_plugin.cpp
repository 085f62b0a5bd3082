// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Says why the box would refuse a plug-in; exit status 0 when it would not.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>

#include "backplane/inspect/inspect.hpp"

int main(int argc, char** argv) {
    try {
        if (argc != 2) {
            std::fprintf(stderr, "usage: %s plugin.so\n", argv[0]);
            return 2;
        }
        std::ifstream file(argv[1], std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>()};
        using backplane::sdk::HostFacts;
        const auto host = HostFacts::of_this_machine();
        const auto result = backplane::sdk::inspect(std::as_bytes(std::span(bytes)), host);
        for (const auto& finding : result.findings) {
            std::fprintf(stderr, "%s: %s: %s\n", argv[1], finding.code.c_str(),
                         finding.text.c_str());
        }
        return result.ok() ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
        return 2;
    }
}
