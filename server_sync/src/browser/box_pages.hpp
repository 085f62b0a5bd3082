// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the box tells about itself to whoever asks: /iot_drivers/ping, data and download_logs.
//
// These answers are open to every page in the LAN: they hold no secret. db_uuid and enterprise_code,
// which Odoo's box tells to everybody, stay null here. Members of /data for what this box has not (a
// Six terminal, Wi-Fi) are there all the same, empty, since clients read them unasked.
#pragma once

#include <boost/json/object.hpp>

#include <vector>

#include "backplane/core/log.hpp"
#include "backplane/sync/browser.hpp"

namespace backplane::sync {

/// What /data tells of the pairing; empty on a box without an Odoo side.
struct PairingData {
    std::string code;      ///< that a person types into Odoo; empty: none is shown
    bool expired = false;  ///< the last one is over, and there is none yet in its place
    std::string new_url;   ///< of the database, for a moment after the box was paired with it
};

core::HttpResponse ping_page();
boost::json::object box_data(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices,
                             const PairingData& pairing = {});
core::HttpResponse data_page(const BoxInfo& box, const std::vector<core::DeviceInfo>& devices,
                             const PairingData& pairing = {});
core::HttpResponse log_page(const std::string& hostname,
                            const std::vector<core::LogRecord>& records,
                            std::chrono::system_clock::time_point now);

}  // namespace backplane::sync
