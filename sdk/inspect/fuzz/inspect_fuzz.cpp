// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Any bytes: the inspector must come back, with a finding for everything that is not a plug-in.
// Seeds: the plug-ins of any build. The first byte chooses whether the rest is a whole file or the
// JSON of a note.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backplane/inspect/inspect.hpp"
#include "json_text.hpp"
#include "note_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace backplane::sdk;
    if (size == 0) return 0;
    if (data[0] % 2 == 1) {
        std::string problem;
        const auto json =
            parse_object({reinterpret_cast<const char*>(data) + 1, size - 1}, problem);
        if (!json && problem.empty()) std::abort();
        Problems problems;
        if (json) read_note(*json, problems);
        return 0;
    }
    static const HostFacts host = HostFacts::of_this_machine();
    const auto result = inspect(std::as_bytes(std::span(data, size)).subspan(1), host);
    // What is accepted has a note; what is refused says why.
    if (result.ok() != result.note.has_value() && result.ok()) std::abort();
    if (std::any_of(result.findings.begin(), result.findings.end(), [](const Finding& finding) {
            return finding.code.empty() || finding.text.empty();
        })) {
        std::abort();
    }
    return 0;
}
