// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/updatable_box.hpp"

#include <boost/json/serialize.hpp>

#include <stdexcept>

namespace backplane::tests {

namespace fs = std::filesystem;

fs::path build(const std::string& folder, const std::string& name) {
    return fs::path(BP_BUILDS_DIR) / folder / (name + ".so");
}

UpdatableBox::UpdatableBox() {
    fs::create_directories(folder / "plugins");
    fs::create_directories(folder / "state/trust");
    const Bytes root = maker.root();
    folder.write("state/trust/acme.root.json",
                 {reinterpret_cast<const char*>(root.data()), root.size()});
}

void UpdatableBox::own(const std::string& from, const std::string& name) {
    fs::copy_file(build(from, name), folder / "plugins" / (name + ".so"));
}

BoxProcess& UpdatableBox::start(const std::string& more) {
    config_ = "odoo: {server: \"" + server.url() + "\"}\n" + more;
    if (more.find("plugins:") == std::string::npos) config_ += "plugins: {update: {jitter_s: 0}}\n";
    return run();
}

BoxProcess& UpdatableBox::restart() {
    box.reset();
    return run();
}

BoxProcess& UpdatableBox::run() {
    BoxProcess::Options options;
    options.config = config_;
    options.plugin_dir = (folder / "plugins").string();
    options.state_dir = folder / "state";
    box = std::make_unique<BoxProcess>(std::move(options));
    return *box;
}

void UpdatableBox::deliver() {
    server.handlers(maker.zip(++release));
}

void UpdatableBox::press_button() const {
    const auto answer = box->post("/api/v1/update", R"({"force": true})");
    if (answer.status != 202)
        throw std::runtime_error("the box does not begin an update: it answers " +
                                 std::to_string(answer.status) + ' ' + answer.body + '\n' +
                                 box->log());
}

json::object UpdatableBox::report() const {
    return box->get("/api/v1/update").json().as_object();
}

double UpdatableBox::last_start() const {
    return number_in(report(), "started").value_or(0);
}

json::object UpdatableBox::wait_for_end(double started_after,
                                        std::chrono::milliseconds look_every) const {
    json::object last;
    const auto is_over = [&] {
        last = report();
        return last.at("phase").as_string() == "idle" &&
               number_in(last, "finished").value_or(0) > 0 &&
               number_in(last, "started").value_or(0) > started_after;
    };
    if (!eventually(is_over, 30s * k_patience, look_every))
        throw std::runtime_error("the update does not end; last seen: " + json::serialize(last));
    return last;
}

json::object UpdatableBox::force() const {
    if (!eventually([this] { return report().at("phase").as_string() == "idle"; },
                    30s * k_patience))
        throw std::runtime_error("the box is at an update and does not come to its end");
    const double before = last_start();
    press_button();
    return wait_for_end(before);
}

}  // namespace backplane::tests
