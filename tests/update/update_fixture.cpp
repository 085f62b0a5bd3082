// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update_fixture.hpp"

#include <fstream>

namespace backplane::tests {

namespace fs = std::filesystem;

fs::path build(const std::string& folder, const std::string& name) {
    return fs::path(BP_BUILDS_DIR) / folder / (name + ".so");
}

BundleMaker::PluginOptions quickly_good() {
    BundleMaker::PluginOptions options;
    options.health.probation = 1s;
    options.health.actions = 0;
    return options;
}

AnUpdate::AnUpdate() {
    fs::create_directories(folder_ / "plugins");
    fs::create_directories(folder_ / "state/trust");
    const Bytes root = maker_.root();
    std::ofstream(folder_ / "state/trust/acme.root.json", std::ios::binary)
        .write(reinterpret_cast<const char*>(root.data()),
               static_cast<std::streamsize>(root.size()));
}

AnUpdate::~AnUpdate() {
    if (HasFailure() && box_) std::fprintf(stderr, "---- log of the box\n%s\n", log().c_str());
}

void AnUpdate::own(const std::string& folder, const std::string& name) {
    fs::copy_file(build(folder, name), folder_ / "plugins" / (name + ".so"));
}

BoxProcess& AnUpdate::start_box(const std::string& more) {
    config_ = "odoo: {server: \"" + server_.url() + "\"}\n" + more;
    if (more.find("plugins:") == std::string::npos) config_ += "plugins: {update: {jitter_s: 0}}\n";
    BoxProcess::Options options;
    options.config = config_;
    options.plugin_dir = (folder_ / "plugins").string();
    options.state_dir = folder_ / "state";
    box_ = std::make_unique<BoxProcess>(std::move(options));
    return *box_;
}

BoxProcess& AnUpdate::restart_box() {
    box_.reset();
    const std::string config = config_;
    BoxProcess::Options options;
    options.config = config;
    options.plugin_dir = (folder_ / "plugins").string();
    options.state_dir = folder_ / "state";
    box_ = std::make_unique<BoxProcess>(std::move(options));
    return *box_;
}

void AnUpdate::deliver() {
    // The box asks by itself at its start: what is delivered now is for whoever asks next.
    if (box_) wait_for_end_of_update();
    server_.handlers(maker_.zip(++release_));
}

json::object AnUpdate::report() const {
    return box_->get("/api/v1/update").json().as_object();
}

json::object AnUpdate::wait_for_end_of_update(double started_after) const {
    json::object last;
    const bool over = eventually(
        [&] {
            last = report();
            return last.at("phase").as_string() == "idle" &&
                   number_in(last, "finished").value_or(0) > 0 &&
                   number_in(last, "started").value_or(0) > started_after;
        },
        30s * k_patience);
    EXPECT_TRUE(over) << json::serialize(last);
    return last;
}

json::object AnUpdate::force() {
    EXPECT_TRUE(
        eventually([&] { return report().at("phase").as_string() == "idle"; }, 30s * k_patience));
    const double before = number_in(report(), "started").value_or(0);
    const auto answer = box_->post("/api/v1/update", R"({"force": true})");
    EXPECT_EQ(answer.status, 202) << answer.body;
    return wait_for_end_of_update(before);
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
