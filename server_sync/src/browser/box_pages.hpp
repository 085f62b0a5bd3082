// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the box tells about itself to whoever asks: /iot_drivers/ping, data and download_logs.
//
// These answers are open to every page in the LAN: they hold no secret. Members of /data for what
// this box has not (a pairing code, a Six terminal) are there all the same, empty, since clients
// read them unasked.
#pragma once

#include <boost/json/object.hpp>

#include <vector>

#include "backplane/core/log.hpp"
#include "backplane/sync/browser.hpp"

namespace backplane::sync {

core::HttpResponse ping_page();
boost::json::object box_data(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices);
core::HttpResponse data_page(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices);
core::HttpResponse log_page(const std::string& hostname,
                            const std::vector<core::LogRecord>& records,
                            std::chrono::system_clock::time_point now);

}  // namespace backplane::sync
