// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box with a keeper of certificates: real files, a real store, real OpenSSL; network and time are the test's.
#pragma once

#include <gmock/gmock.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "browser/tests/fakes.hpp"
#include "certificate/certificate.hpp"
#include "certificate/pem_pair.hpp"
#include "doubles/certificates.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {

using std::chrono::hours;
using std::chrono::minutes;

constexpr hours k_a_day{24};
constexpr const char* k_x509 = "/odoo-enterprise/iot/x509";
constexpr const char* k_date_route = "/iot/box/update_certificate_status";

inline core::TlsIdentity identity_of(const tests::Certificate& made) {
    return {made.pem(), made.private_key_pem()};
}

inline const tests::CertificateAuthority& odoo_authority() {
    static const tests::CertificateAuthority one;
    return one;
}

/// As Odoo's service gives it, for so many days from the real now.
inline core::TlsIdentity odoo_certificate(int days,
                                          const std::string& name = "*.abc.odoo-iot.com") {
    tests::CertificateWish wish;
    wish.names = {name};
    wish.addresses = {};
    wish.from = -hours{24 * 30};
    wish.until = hours{24 * days};
    return identity_of(odoo_authority().issue(wish));
}

inline std::string x509_answer(const core::TlsIdentity& identity,
                               const std::string& subject = "*.abc.odoo-iot.com") {
    return json::serialize(
        json::object{{"result", json::object{{"subject_cn", subject},
                                             {"x509_pem", identity.certificates_pem},
                                             {"private_key_pem", identity.key_pem}}}});
}

inline void write_file(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::binary | std::ios::trunc} << text;
}

class AKeeper : public ::testing::Test {
protected:
    AKeeper() {
        info.identifier = "box1";
        info.hostname = "till";
        info.ip = "192.168.1.20";
        store = SyncStore::open(loop, folder.file("odoo.db"));
        account = std::make_unique<Account>(*store, "");
    }
    ~AKeeper() override {
        keeper.reset();
        account.reset();
        store.reset();
    }

    void start() {
        keeper.reset();
        keeper = std::make_unique<CertificateKeeper>(
            CertificateKeeper::Setup{.account = *account,
                                     .store = *store,
                                     .timer = clock.timers(),
                                     .box = [this] { return info; },
                                     .lanes = lanes.maker(),
                                     .now = [this] { return now(); },
                                     .folder = certificates,
                                     .service = service,
                                     .https = https,
                                     .use =
                                         [this](core::TlsIdentity identity) {
                                             const auto taken = server->use_identity(identity);
                                             EXPECT_TRUE(taken) << taken.error().text;
                                             used.push_back(std::move(identity));
                                         }});
        keeper->begin();
    }
    /// Everything in memory is gone; the disk is not.
    void restart() {
        keeper.reset();
        lanes.run();
        start();
    }
    double now() const {
        return begun + std::chrono::duration<double>(clock.now() - FakeClock{}.now()).count() +
               skew;
    }
    void pair(const std::string& uuid = "uuid-1", const std::string& code = "M1234") {
        bool done = false;
        account->pair({.url = "https://shop.example.com",
                       .token = "token-1",
                       .db_uuid = uuid,
                       .enterprise_code = code,
                       .db_name = {}},
                      [&](const core::Result<void>&) { done = true; });
        ASSERT_TRUE(run_until(loop, [&] { return done; }));
    }
    void unpair() {
        bool done = false;
        account->unpair([&](const core::Result<void>&) { done = true; });
        ASSERT_TRUE(run_until(loop, [&] { return done; }));
    }
    /// What was asked of the store is on the disk.
    void settle() {
        bool done = false;
        store->write([](core::Database&) { return core::Result<void>{}; },
                     [&](const core::Result<void>&) { done = true; });
        ASSERT_TRUE(run_until(loop, [&] { return done; }));
    }
    void give(const core::TlsIdentity& identity) {
        lanes.succeed(x509_answer(identity), k_x509);
        settle();
    }
    std::size_t asked() const { return lanes.sent_to(k_x509).size(); }
    std::vector<std::string> dates_told() const {
        std::vector<std::string> dates;
        for (const auto& sent : lanes.sent_to(k_date_route)) {
            dates.emplace_back(json::parse(sent.request.body)
                                   .at("params")
                                   .at("ssl_certificate_end_date")
                                   .as_string());
        }
        return dates;
    }
    CertificateStatus status() const { return keeper->status(); }
    std::string in_folder(const std::string& name) const { return certificates + "/" + name; }
    CertificateFacts shown() const {
        const auto pair = check_pair(used.at(used.size() - 1), "what is shown");
        EXPECT_TRUE(pair) << pair.error().text;
        return pair ? pair->facts : CertificateFacts{};
    }

    boost::asio::io_context loop;
    backplane::tests::TemporaryFolder folder;
    FakeClock clock;
    double begun =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    double skew = 0;
    BoxInfo info;
    core::Config::Https https;
    std::string certificates = folder.file("certificates");
    std::string service = "https://www.odoo.com";
    std::unique_ptr<SyncStore> store;
    std::unique_ptr<Account> account;
    FakeLanes lanes;
    std::unique_ptr<core::HttpServer> server =
        core::HttpServer::create(loop, {}, [](const core::HttpExchangePtr&) {});
    std::vector<core::TlsIdentity> used;
    std::unique_ptr<CertificateKeeper> keeper;
};

}  // namespace backplane::sync::test
