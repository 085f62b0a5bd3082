// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "api/metrics.hpp"

#include <string_view>

namespace backplane::core {

namespace {

/// Writes families one after the other, each with its type and help, and escapes label values.
class Writer {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        suffix_ = type == "counter" ? "_total" : type == "info" ? "_info" : "";
        text_.append("# TYPE ")
            .append(name)
            .append(" ")
            .append(type)
            .append("\n# HELP ")
            .append(name)
            .append(" ");
        text_.append(help).append("\n");
    }
    void sample(std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
                const std::string& value) {
        text_.append(name_).append(suffix_);
        char open = '{';
        for (const auto& [label, content] : labels) {
            text_ += open;
            text_.append(label).append("=\"");
            for (const char c : content) {
                if (c == '\\' || c == '"') text_ += '\\';
                if (c == '\n')
                    text_.append("\\n");
                else
                    text_ += c;
            }
            text_ += '"';
            open = ',';
        }
        if (open == ',') text_ += '}';
        text_.append(" ").append(value).append("\n");
    }
    void sample(const std::string& value) { sample({}, value); }
    std::string finish(const std::string& more) && {
        return std::move(text_.append(more).append("# EOF\n"));
    }

private:
    std::string text_;
    std::string name_;
    std::string suffix_;
};

std::string number(double value) {
    std::string text = std::to_string(value);
    return text;
}

}  // namespace

Metrics::Metrics(EventRing& events)
    : subscription_(events.subscribe([this](const EventPtr& event) {
          if (event->kind == Event::Kind::action_result)
              ++actions_[{event->device_type, event->action_status}];
          else if (event->kind == Event::Kind::device_event)
              ++events_by_type_[event->device_type];
      })) {}

void Metrics::update_changed(const UpdateReport& report) {
    if (report.phase != UpdateReport::Phase::idle || report.finished <= last_finished_) return;
    last_finished_ = report.finished;
    for (const UpdateStep& step : report.steps) ++swaps_[std::string(to_string(step.state))];
}

std::string Metrics::text(const ApiContext& context) const {
    Writer out;
    out.family("backplane_build", "info", "Version of the box");
    out.sample({{"version", context.version}}, "1");
    out.family("backplane_uptime_seconds", "gauge", "Seconds since the box started");
    out.sample(number(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - context.started_at_steady)
            .count()));

    out.family("backplane_device_up", "gauge", "1 when the device is ready");
    const auto devices = context.registry.list();
    for (const DeviceInfo& device : devices)
        out.sample({{"id", device.identifier}, {"class", device.type}, {"driver", device.driver}},
                   device.state == DeviceState::ready ? "1" : "0");
    out.family("backplane_events", "counter", "Events of devices, by class");
    for (const auto& [type, count] : events_by_type_)
        out.sample({{"class", type}}, std::to_string(count));
    out.family("backplane_actions", "counter", "Actions that have ended, by class and result");
    for (const auto& [key, count] : actions_)
        out.sample({{"class", key.first}, {"result", key.second}}, std::to_string(count));
    out.family("backplane_event_ring_events", "gauge", "Events that can still be fetched");
    out.sample(std::to_string(context.events.size()));

    const auto plugins = context.registry.plugins();
    out.family("backplane_plugin_up", "gauge", "1 while the plug-in's process runs");
    for (const PluginInfo& plugin : plugins)
        out.sample({{"plugin", plugin.name}, {"version", plugin.version}},
                   plugin.state == "running" ? "1" : "0");
    out.family("backplane_plugin_starts", "counter", "Starts of the plug-in's process");
    for (const PluginInfo& plugin : plugins)
        out.sample({{"plugin", plugin.name}}, std::to_string(plugin.starts));
    out.family("backplane_plugin_crashes", "counter",
               "Ends of the plug-in's process that nobody asked for");
    for (const PluginInfo& plugin : plugins)
        out.sample({{"plugin", plugin.name}}, std::to_string(plugin.crashes));
    out.family("backplane_plugin_put_aside", "gauge", "1 when the plug-in is not started any more");
    for (const PluginInfo& plugin : plugins)
        out.sample({{"plugin", plugin.name}}, plugin.state == "put_aside" ? "1" : "0");
    out.family("backplane_plugin_slow_calls", "counter",
               "Calls into the plug-in that took longer than 50 ms");
    for (const PluginInfo& plugin : plugins)
        out.sample({{"plugin", plugin.name}}, std::to_string(plugin.slow_calls));

    if (context.updates) {
        const UpdateReport report = context.updates->report();
        out.family("backplane_update_last_contact_seconds", "gauge",
                   "Unix time at which the source of updates answered last; 0: never");
        out.sample(number(report.last_contact));
        out.family("backplane_update_result", "gauge", "1 for the result of the last update");
        for (const char* const result :
             {"updated", "unchanged", "nothing", "partly", "rejected", "failed"})
            out.sample({{"result", result}}, report.result == result ? "1" : "0");
        out.family("backplane_update_swaps", "counter",
                   "Plug-ins that an update was about, by how it ended for them");
        for (const char* const ended : {"done", "failed", "left_out"}) {
            const auto it = swaps_.find(ended);
            out.sample({{"result", ended}}, std::to_string(it == swaps_.end() ? 0 : it->second));
        }
        out.family("backplane_plugin_quarantined", "gauge",
                   "1 while the newest build of the plug-in is put away");
        for (const DeliveredPlugin& plugin : context.updates->plugins())
            out.sample({{"plugin", plugin.name}}, plugin.quarantined.empty() ? "0" : "1");
    }

    const HttpStatistics http = context.http_statistics();
    out.family("backplane_http_requests", "counter", "HTTP requests received");
    out.sample(std::to_string(http.requests));
    out.family("backplane_http_connections", "gauge", "Open HTTP connections");
    out.sample(std::to_string(http.open));
    out.family("backplane_http_waiting", "gauge",
               "HTTP requests that wait for their answer, long polls among them");
    out.sample(std::to_string(http.waiting_exchanges));
    out.family("backplane_http_refused", "counter",
               "HTTP connections and requests refused, by reason");
    out.sample({{"reason", "connections"}}, std::to_string(http.refused_total));
    out.sample({{"reason", "connections_per_address"}}, std::to_string(http.refused_per_address));
    out.sample({{"reason", "timeout"}}, std::to_string(http.timeouts));
    out.sample({{"reason", "too_large"}}, std::to_string(http.too_large));
    out.sample({{"reason", "malformed"}}, std::to_string(http.malformed));
    out.sample({{"reason", "did_not_read"}}, std::to_string(http.cut_off));
    return std::move(out).finish(context.more_metrics ? context.more_metrics() : std::string{});
}

}  // namespace backplane::core
