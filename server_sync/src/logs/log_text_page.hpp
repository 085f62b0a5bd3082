// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The log as one text: how a line looks, and GET /iot_drivers/iot_logs (protocol page, 2.3).
//
// Pure functions; any thread. Records come redacted out of the log.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "backplane/core/log.hpp"

namespace backplane::sync {

/// "2026-01-31 12:00:00,123 warning serial: port.busy port=/dev/ttyUSB0" (UTC), one line without its end.
std::string log_line(const core::LogRecord& record);

/// {"status": "success", "logs": text}. Of a long log the end: at most `most_bytes`, whole lines.
boost::json::object log_text_answer(const std::vector<core::LogRecord>& records,
                                    std::size_t most_bytes = 1u << 20);

}  // namespace backplane::sync
