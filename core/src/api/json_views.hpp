// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How devices, plug-ins, updates, events and log records look in JSON.
#pragma once

#include <boost/json/object.hpp>

#include "backplane/core/devices.hpp"
#include "backplane/core/event_ring.hpp"
#include "backplane/core/log.hpp"
#include "backplane/core/update.hpp"
#include "registry/registry.hpp"

namespace backplane::core {

boost::json::object to_json(const DeviceInfo& device);
boost::json::object to_json(const PluginInfo& plugin);
boost::json::object to_json(const DeliveredPlugin& plugin);
boost::json::object to_json(const UpdateStep& step);
boost::json::object to_json(const UpdateReport& report);
boost::json::object to_json(const Event& event);
boost::json::object to_json(const LogRecord& record);
boost::json::object to_json(const ActionOutcome& outcome);

}  // namespace backplane::core
