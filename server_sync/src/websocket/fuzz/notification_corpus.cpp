// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Frames of each kind for notification_fuzz.cpp.
#include "bundle/fuzz/run_corpus.hpp"

int main() {
    return backplane::core::bundle::fuzz::run_corpus(
        {R"([{"id":17,"message":{"type":"iot_action","payload":{"iot_identifiers":["b0c5"],)"
         R"("device_identifiers":["lp0"],"session_id":"u1","action":"print_receipt",)"
         R"("receipt":"/9j/4AAQ","action_unique_id":"7f3c"}}}])",
         R"([{"id":1,"message":{"type":"bundle_changed","payload":{"server_version":"19.0"}}},)"
         R"({"id":2,"message":{"type":"server_clear","payload":{"iot_identifiers":[4711]}}}])",
         R"([{"id":3,"message":{"type":"x","payload":"\"]\\u00e4\ud83d\ude00"}},{"id":4},null,[[]]])",
         R"({"jsonrpc":"2.0","id":null,"result":{"channels":["c"],"notifications":[{"id":4}]}})",
         "[]", " [ 1 , \"a\" , {} ] "},
        4'000);
}
