// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "odoo_fixture.hpp"

#include <fstream>
#include <sstream>

namespace backplane::tests {

namespace fs = std::filesystem;

ABoxAndOdoo::ABoxAndOdoo() {
    fs::create_directories(folder_ / "state");
}

ABoxAndOdoo::~ABoxAndOdoo() {
    if (HasFailure() && box_)
        std::fprintf(stderr, "---- log of the box\n%s\n", box_->log().c_str());
}

BoxProcess& ABoxAndOdoo::start_box(const std::string& odoo, const std::string& more) {
    const std::string file = (folder_ / "ledger").string();
    config_ = "plugins: {update: {jitter_s: 0}}\ndrivers:\n";
    for (const char* type : {"printer", "payment", "camera"})
        config_ += std::string("  ledger_") + type + ": {file: \"" + file + "\"}\n";
    if (!odoo.empty()) config_ += "odoo: {" + odoo + "}\n";
    config_ += more;
    run();
    return *box_;
}

void ABoxAndOdoo::run() {
    BoxProcess::Options options;
    options.config = config_;
    options.plugin_dir = BP_LEDGER_PLUGINS;
    options.state_dir = folder_ / "state";
    box_ = std::make_unique<BoxProcess>(std::move(options));
}

void ABoxAndOdoo::restart() {
    box_.reset();
    run();
}

void ABoxAndOdoo::crash_and_restart() {
    box_->kill();
    restart();
}

void ABoxAndOdoo::pair() {
    for (const char* device : {"ledger_printer", "ledger_payment", "ledger_camera"})
        box_->wait_for_state(device, "ready");
    const HttpAnswer answer = post("/api/v1/odoo/pair", {{"token", odoo_.connection_token()}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_TRUE(odoo_.wait_for_box_connected()) << json::serialize(odoo_status());
    // What comes first to a box that was never on this bus counts as older than the pairing.
    odoo_.broadcast("simple_notification", json::object{});
    wait_for_status([](const json::object& all) {
        return number_in(all.at("bus").as_object(), "notifications").value_or(0) >= 1;
    });
    ASSERT_TRUE(odoo_.wait_for_registration(
        [](const json::object& box) { return box.at("devices").as_object().size() >= 3; }));
}

HttpAnswer ABoxAndOdoo::post(const std::string& path, const json::object& body) const {
    return box_->post(path, json::serialize(body));
}

json::object ABoxAndOdoo::odoo_status() const {
    return box_->get("/api/v1/odoo").json().as_object();
}

json::object ABoxAndOdoo::wait_for_status(const std::function<bool(const json::object&)>& right,
                                          std::chrono::milliseconds limit) const {
    json::object last;
    EXPECT_TRUE(eventually(
        [&] {
            last = odoo_status();
            return right(last);
        },
        limit * k_patience))
        << json::serialize(last);
    return last;
}

std::vector<LedgerLine> ABoxAndOdoo::ledger() const {
    std::vector<LedgerLine> out;
    std::ifstream file{folder_ / "ledger"};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string repeated;
        LedgerLine entry;
        words >> entry.device >> entry.n >> repeated;
        entry.repeated = repeated == "repeated";
        out.push_back(std::move(entry));
    }
    return out;
}

bool ABoxAndOdoo::wait_for_ledger(std::size_t lines, std::chrono::milliseconds limit) const {
    return eventually([&] { return ledger().size() >= lines; }, limit * k_patience);
}

std::string ABoxAndOdoo::identifier() const {
    return std::string(box_->get("/iot_drivers/data").json().at("identifier").as_string());
}

bool is_reply_to(const json::object& reply, std::string_view device, std::string_view status) {
    return text_at(reply, {"device_identifier"}) == device && text_at(reply, {"status"}) == status;
}

}  // namespace backplane::tests
