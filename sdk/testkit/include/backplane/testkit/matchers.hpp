// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// GoogleMock matchers for what a FakeHost writes down, so that a failing test prints what was there
// instead.
#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <string>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include "backplane/testkit/fake_host.hpp"

namespace backplane::testkit {

inline void PrintTo(const Event& event, std::ostream* out) {
    *out << event.kind << ' ' << json::serialize(event.data);
}
inline void PrintTo(const LogLine& line, std::ostream* out) {
    *out << '<' << line.level << "> " << line.text;
}
inline void PrintTo(const DeviceReport& report, std::ostream* out) {
    *out << report.state << ": " << report.reason;
}
inline void PrintTo(const ActionResult& result, std::ostream* out) {
    *out << "status " << result.status << ' ' << json::serialize(result.value) << ' '
         << result.message;
}
inline void PrintTo(const ProbeResult& result, std::ostream* out) {
    *out << "verdict " << result.verdict << ": " << result.reason;
}
inline void PrintTo(const SavedState& state, std::ostream* out) {
    *out << "version " << state.version << ", " << state.bytes.size() << " bytes: "
         << testing::PrintToString(std::string(state.bytes.begin(), state.bytes.end()));
}

/// A JSON object with this member and value; numbers compare by value, whatever their JSON kind.
MATCHER_P2(HasMember, name, value, std::string("has ") + name) {
    const json::value wanted = json::value_from(value);
    const auto* object = [&]() -> const json::object* {
        if constexpr (std::is_same_v<std::decay_t<arg_type>, json::object>)
            return &arg;
        else
            return arg.if_object();
    }();
    const json::value* found = object ? object->if_contains(name) : nullptr;
    if (!found) {
        *result_listener << "which has no member " << name;
        return false;
    }
    *result_listener << "whose " << name << " is " << json::serialize(*found);
    if (found->is_number() && wanted.is_number())
        return found->to_number<double>() == wanted.to_number<double>();
    return *found == wanted;
}

MATCHER_P(HasNoMember, name, std::string("has no ") + name) {
    return !arg.contains(name);
}

MATCHER_P2(IsEvent, kind, data, std::string("is an event ") + kind) {
    return arg.kind == kind && testing::ExplainMatchResult(data, arg.data, result_listener);
}

/// Of an optional ActionResult, as result() answers it.
MATCHER_P(SucceededWith, value, "is a success") {
    if (!arg) {
        *result_listener << "which is not complete";
        return false;
    }
    if (result_listener->stream()) PrintTo(*arg, result_listener->stream());
    return arg->status == BP_OK && testing::ExplainMatchResult(value, arg->value, result_listener);
}

MATCHER_P2(FailedWith, status, message, "is a failure") {
    if (!arg) {
        *result_listener << "which is not complete";
        return false;
    }
    if (result_listener->stream()) PrintTo(*arg, result_listener->stream());
    return arg->status == status &&
           testing::ExplainMatchResult(message, arg->message, result_listener);
}

/// Of an optional SavedState, as quiesce() answers it; `bytes` matches them as a std::string.
MATCHER_P2(LeftState, version, bytes, "is a state") {
    if (!arg) {
        *result_listener << "which is none";
        return false;
    }
    if (result_listener->stream()) PrintTo(*arg, result_listener->stream());
    return arg->version == static_cast<std::uint32_t>(version) &&
           testing::ExplainMatchResult(bytes, std::string(arg->bytes.begin(), arg->bytes.end()),
                                       result_listener);
}

MATCHER_P2(IsReport, state, reason, "is a report of the device") {
    return arg.state == state && testing::ExplainMatchResult(reason, arg.reason, result_listener);
}

}  // namespace backplane::testkit
