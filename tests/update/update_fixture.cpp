// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update_fixture.hpp"

#include <cstdio>

namespace backplane::tests {

BundleMaker::PluginOptions quickly_good() {
    BundleMaker::PluginOptions options;
    options.health.probation = 1s;
    options.health.actions = 0;
    return options;
}

AnUpdate::~AnUpdate() {
    if (HasFailure() && box_) std::fprintf(stderr, "---- log of the box\n%s\n", log().c_str());
}

void AnUpdate::own(const std::string& folder, const std::string& name) {
    updatable_.own(folder, name);
}

BoxProcess& AnUpdate::start_box(const std::string& more) {
    return updatable_.start(more);
}

BoxProcess& AnUpdate::restart_box() {
    return updatable_.restart();
}

void AnUpdate::deliver() {
    // The box asks by itself at its start: what is delivered now is for whoever asks next.
    if (box_) wait_for_end_of_update();
    updatable_.deliver();
}

json::object AnUpdate::report() const {
    return updatable_.report();
}

json::object AnUpdate::wait_for_end_of_update(double started_after) const {
    return updatable_.wait_for_end(started_after);
}

json::object AnUpdate::force() {
    return updatable_.force();
}

json::object AnUpdate::plugin(const std::string& name) const {
    return box_->plugin(name);
}

json::object AnUpdate::wait_for_version(const std::string& name, const std::string& version,
                                        std::chrono::milliseconds limit) const {
    return box_->wait_for_plugin(
        name,
        [&](const json::object& plugin) { return plugin.at("version").as_string() == version; },
        limit * k_patience);
}

bool has_succeeded(const json::object& answer) {
    return text_at(answer, {"result", "status"}) == "success";
}

std::vector<std::int64_t> numbers_of(const std::vector<json::object>& events,
                                     const std::string& device) {
    std::vector<std::int64_t> out;
    for (const json::object& event : events) {
        if (text_at(event, {"device"}) != device || text_at(event, {"name"}) != "weight") continue;
        const auto n = number_in(event.at("data").as_object(), "n");
        if (n) out.push_back(static_cast<std::int64_t>(*n));
    }
    return out;
}

std::string gaps_in(const std::vector<std::int64_t>& numbers) {
    std::string out;
    for (std::size_t i = 1; i < numbers.size() && out.size() < 400; ++i)
        if (numbers[i] != numbers[i - 1] + 1)
            out += std::to_string(numbers[i - 1]) + " is followed by " +
                   std::to_string(numbers[i]) + "; ";
    return out;
}

}  // namespace backplane::tests
