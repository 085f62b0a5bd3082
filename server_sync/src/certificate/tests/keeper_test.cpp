// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which certificate a box shows, and what it says when that is not Odoo's.
#include "keeper_box.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include "backplane/core/log.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

unsigned mode_of(const std::string& path) {
    struct stat facts {};
    EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
    return facts.st_mode & 0777u;
}

// ---- self-signed ----

TEST_F(AKeeper, shows_a_self_signed_certificate_of_its_own_at_once) {
    https.names = {"till.shop.example.com", "10.0.0.7"};
    start();
    ASSERT_THAT(used, SizeIs(1));
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_EQ(status().subject, "till");
    EXPECT_THAT(status().names,
                IsSupersetOf({"till", "till.local", "till.shop.example.com", "localhost",
                              "192.168.1.20", "10.0.0.7", "127.0.0.1", "::1"}));
    EXPECT_LE(shown().not_after - shown().not_before, 398 * 86'400.0) << "more is refused";
    EXPECT_GT(status().days_left, 390);
    EXPECT_FALSE(status().expires_soon);
}

TEST_F(AKeeper, keeps_its_key_for_itself) {
    start();
    EXPECT_EQ(mode_of(certificates), 0700u);
    EXPECT_EQ(mode_of(in_folder("self-signed.pem")), 0600u);
    for (const auto& entry : std::filesystem::directory_iterator(certificates))
        EXPECT_EQ(entry.path().filename(), "self-signed.pem") << "nothing is left of writing it";
}

TEST_F(AKeeper, shows_the_same_self_signed_certificate_after_a_restart) {
    start();
    restart();
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_EQ(used[0].certificates_pem, used[1].certificates_pem);
    EXPECT_EQ(used[0].key_pem, used[1].key_pem);
}

TEST_F(AKeeper, never_makes_the_same_key_for_two_boxes) {
    start();
    certificates = folder.file("of-another-box");
    start();
    EXPECT_NE(used.at(0).key_pem, used.at(1).key_pem);
}

TEST_F(AKeeper, makes_a_new_self_signed_one_for_a_new_address_and_keeps_the_old_address_in_it) {
    start();
    info.ip = "192.168.1.99";
    clock.advance(minutes{10});
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_THAT(shown().names, IsSupersetOf({"192.168.1.20", "192.168.1.99"}));
    info.ip = "192.168.1.20";
    clock.advance(k_a_day);
    EXPECT_THAT(used, SizeIs(2)) << "both addresses are in it";
}

TEST_F(AKeeper, renews_a_self_signed_one_in_time) {
    start();
    clock.advance(k_a_day * 360);
    EXPECT_THAT(used, SizeIs(1));
    clock.advance(k_a_day * 10);
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_GT(status().days_left, 380);
}

TEST_F(AKeeper, ignores_names_that_are_none) {
    https.names = {"a,IP:6.6.6.6", "", "two words", "good.example.com"};
    start();
    EXPECT_THAT(status().names, Contains("good.example.com"));
    EXPECT_THAT(status().names, ::testing::Not(Contains("6.6.6.6")));
    clock.advance(k_a_day * 3);
    EXPECT_THAT(used, SizeIs(1)) << "what cannot be in it is not missed";
}

TEST_F(AKeeper, works_without_a_place_to_write_and_says_so) {
    write_file(folder.file("a-file"), "");
    certificates = folder.file("a-file") + "/certificates";
    start();
    ASSERT_THAT(used, SizeIs(1));
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_THAT(status().text, HasSubstr("cannot write " + certificates));
    EXPECT_THAT(status().text, HasSubstr("neither full nor read-only"));
    clock.advance(k_a_day * 2);
    EXPECT_THAT(used, SizeIs(1)) << "no other one every day";
}

TEST_F(AKeeper, makes_a_new_self_signed_one_when_the_file_is_damaged) {
    start();
    write_file(in_folder("self-signed.pem"), "half a disk block");
    restart();
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_NE(used[0].key_pem, used[1].key_pem);
    restart();
    EXPECT_EQ(used.at(2).key_pem, used.at(1).key_pem);
}

// ---- of the owner ----

TEST_F(AKeeper, prefers_the_certificate_of_the_configuration_and_does_not_ask_odoo) {
    const auto own = identity_of(tests::self_signed({.until = k_a_day * 90}));
    https.certificate = folder.file("own.crt");
    https.key = folder.file("own.key");
    write_file(https.certificate, own.certificates_pem);
    write_file(https.key, own.key_pem);
    pair();
    start();
    EXPECT_EQ(status().source, "configuration");
    EXPECT_THAT(used, SizeIs(1));
    EXPECT_EQ(used.at(0).certificates_pem, own.certificates_pem);
    EXPECT_EQ(status().code, "");
    EXPECT_EQ(status().text, "");
    EXPECT_EQ(asked(), 0u);
}

TEST_F(AKeeper, gives_the_alarm_when_the_owners_certificate_ends_soon) {
    const auto own = identity_of(tests::self_signed({.until = k_a_day * 20}));
    https.certificate = folder.file("own.crt");
    https.key = folder.file("own.key");
    write_file(https.certificate, own.certificates_pem);
    write_file(https.key, own.key_pem);
    start();
    EXPECT_FALSE(status().expires_soon);
    clock.advance(k_a_day * 7);
    EXPECT_TRUE(status().expires_soon);
    EXPECT_EQ(status().days_left, 12);

    const auto next = identity_of(tests::self_signed({.until = k_a_day * 90}));
    write_file(https.certificate, next.certificates_pem);
    write_file(https.key, next.key_pem);
    clock.advance(k_a_day);
    EXPECT_FALSE(status().expires_soon);
    ASSERT_THAT(used, SizeIs(2)) << "once per change";
    EXPECT_EQ(used.at(1).certificates_pem, next.certificates_pem);
}

TEST_F(AKeeper, keeps_the_owners_certificate_while_its_files_are_being_replaced) {
    const auto own = identity_of(tests::self_signed({.until = k_a_day * 90}));
    https.certificate = folder.file("own.crt");
    https.key = folder.file("own.key");
    write_file(https.certificate, own.certificates_pem);
    write_file(https.key, own.key_pem);
    start();
    write_file(https.certificate, identity_of(tests::self_signed()).certificates_pem);
    clock.advance(k_a_day);
    EXPECT_EQ(status().source, "configuration");
    EXPECT_THAT(used, SizeIs(1));
    EXPECT_THAT(status().text, HasSubstr("its key belongs to another certificate"));
    EXPECT_THAT(status().text, HasSubstr("the one that was read before stays in use"));
}

TEST_F(AKeeper, says_what_is_wrong_with_the_owners_files_and_shows_another_one) {
    const auto own = identity_of(tests::self_signed());
    https.certificate = folder.file("own.crt");
    https.key = folder.file("missing.key");
    write_file(https.certificate, own.certificates_pem);
    start();
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_THAT(status().text, HasSubstr("cannot read " + https.key));
    write_file(https.key, identity_of(tests::self_signed()).key_pem);
    restart();
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_THAT(status().text,
                HasSubstr("the certificate of the configuration (" + https.certificate +
                          ") cannot be used: its key belongs to another"));
}

// ---- by the owner's authority ----

class AKeeperWithAnAuthority : public AKeeper {
protected:
    AKeeperWithAnAuthority() {
        https.authority = folder.file("ca.crt");
        https.authority_key = folder.file("ca.key");
        write_file(https.authority, authority.pem());
        write_file(https.authority_key, authority.private_key_pem());
    }
    tests::CertificateAuthority authority;
};

bool is_issued(const core::TlsIdentity& leaf, const std::string& authority_pem) {
    const auto certificate = read_certificate(leaf.certificates_pem, "leaf");
    const auto issuer = read_certificate(authority_pem, "authority");
    const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store{X509_STORE_new(),
                                                                        &X509_STORE_free};
    const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context{
        X509_STORE_CTX_new(), &X509_STORE_CTX_free};
    X509_STORE_add_cert(store.get(), issuer->get());
    X509_STORE_CTX_init(context.get(), store.get(), certificate->get(), nullptr);
    X509_STORE_CTX_set_default(context.get(), "ssl_server");
    return X509_verify_cert(context.get()) == 1;
}

TEST_F(AKeeperWithAnAuthority, shows_a_leaf_that_its_clients_can_verify) {
    start();
    ASSERT_THAT(used, SizeIs(1));
    EXPECT_EQ(status().source, "authority");
    EXPECT_TRUE(is_issued(used.at(0), authority.pem()));
    EXPECT_THAT(status().names, IsSupersetOf({"till", "till.local", "192.168.1.20"}));
    EXPECT_EQ(mode_of(in_folder("authority.pem")), 0600u);
    EXPECT_EQ(asked(), 0u);
}

TEST_F(AKeeperWithAnAuthority, keeps_the_leaf_until_the_box_has_another_address) {
    start();
    restart();
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_EQ(used.at(0).certificates_pem, used.at(1).certificates_pem);
    info.ip = "10.1.1.1";
    clock.advance(minutes{10});
    ASSERT_THAT(used, SizeIs(3));
    EXPECT_THAT(shown().names, Contains("10.1.1.1"));
    EXPECT_TRUE(is_issued(used.at(2), authority.pem()));
}

TEST_F(AKeeperWithAnAuthority, makes_a_new_leaf_for_a_new_authority) {
    start();
    const tests::CertificateAuthority other;
    write_file(https.authority, other.pem());
    write_file(https.authority_key, other.private_key_pem());
    clock.advance(k_a_day);
    ASSERT_THAT(used, SizeIs(2));
    EXPECT_TRUE(is_issued(used.at(1), other.pem()));
}

TEST_F(AKeeperWithAnAuthority, does_not_outlive_it_and_is_not_made_anew_every_day_because_of_that) {
    start();
    EXPECT_LE(status().days_left, 1) << "the authority of the test ends tomorrow";
    clock.advance(k_a_day * 3);
    EXPECT_THAT(used, SizeIs(1));
    EXPECT_TRUE(status().expires_soon);
    EXPECT_LT(status().days_left, 0);
}

TEST_F(AKeeperWithAnAuthority, says_why_an_authority_cannot_sign) {
    write_file(https.authority_key, tests::CertificateAuthority{}.private_key_pem());
    start();
    EXPECT_EQ(status().source, "self_signed");
    EXPECT_THAT(status().text, HasSubstr("the authority of the configuration cannot be used: its "
                                         "key belongs to another certificate"));
    const auto leaf = identity_of(authority.issue());
    write_file(https.authority, leaf.certificates_pem);
    write_file(https.authority_key, leaf.key_pem);
    restart();
    EXPECT_THAT(status().text, HasSubstr("may not sign others"));
}

TEST_F(AKeeperWithAnAuthority, still_shows_the_leaf_when_the_authoritys_key_has_been_taken_away) {
    start();
    std::filesystem::remove(https.authority_key);
    restart();
    EXPECT_EQ(status().source, "authority");
    EXPECT_THAT(status().text, HasSubstr("cannot read " + https.authority_key));
}

// ---- Odoo's ----

TEST_F(AKeeper, says_that_an_unpaired_box_gets_none) {
    start();
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_CHECK_NO_SERVER");
    EXPECT_THAT(status().text, HasSubstr("not paired with a database: pair it"));
    EXPECT_EQ(asked(), 0u);
}

TEST_F(AKeeper, says_that_a_database_without_a_contract_gets_none) {
    pair("uuid-1", "");
    start();
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL");
    EXPECT_THAT(status().text, HasSubstr("Register the database"));
    pair("", "M1234");
    EXPECT_EQ(status().code, "ERR_IOT_HTTPS_LOAD_NO_CREDENTIAL");
    EXPECT_EQ(asked(), 0u);
}

TEST_F(AKeeper, asks_as_soon_as_the_box_is_paired) {
    start();
    pair();
    ASSERT_EQ(asked(), 1u);
    const auto sent = lanes.sent_to(k_x509).at(0);
    EXPECT_EQ(sent.request.url, "https://www.odoo.com/odoo-enterprise/iot/x509");
    EXPECT_EQ(sent.request.method, "POST");
    EXPECT_EQ(sent.request.content_type, "application/json");
    EXPECT_EQ(sent.request.total, std::chrono::seconds{95});
    EXPECT_EQ(sent.header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(json::parse(sent.request.body),
              json::parse(R"({"params":{"db_uuid":"uuid-1","enterprise_code":"M1234"}})"));
}

TEST_F(AKeeper, never_asks_when_the_configuration_says_so) {
    service.clear();
    pair();
    start();
    clock.advance(k_a_day * 3);
    EXPECT_EQ(asked(), 0u);
    EXPECT_EQ(status().code, "") << "it is not wanted";
}

TEST_F(AKeeper, shows_what_odoo_gives_and_keeps_it_over_a_restart) {
    start();
    pair();
    const auto given = odoo_certificate(60);
    give(given);
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(status().subject, "*.abc.odoo-iot.com");
    EXPECT_EQ(status().code, "");
    EXPECT_EQ(status().text, "");
    EXPECT_EQ(status().not_after.size(), std::string("2026-01-31 12:00:00").size());
    ASSERT_THAT(used, SizeIs(2)) << "the self-signed one, then this";
    EXPECT_EQ(used.at(1).key_pem, given.key_pem);
    EXPECT_EQ(mode_of(in_folder("odoo.pem")), 0600u);
    EXPECT_EQ(store->value("certificate.subject"), "*.abc.odoo-iot.com");

    restart();
    EXPECT_EQ(status().source, "odoo");
    EXPECT_EQ(status().subject, "*.abc.odoo-iot.com");
    EXPECT_EQ(used.size(), 3u);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(AKeeper, has_a_name_below_odoos_domain_with_odoos_certificate_only) {
    start();
    EXPECT_EQ(keeper->domain("192.168.1.20"), "192.168.1.20");
    pair();
    give(odoo_certificate(60));
    EXPECT_EQ(keeper->domain("192.168.1.20"), "192-168-1-20.abc.odoo-iot.com");
    EXPECT_EQ(keeper->domain(""), "");
    EXPECT_EQ(keeper->domain("fe80::1"), "fe80::1");
}

TEST_F(AKeeper, takes_a_key_in_the_old_format_too) {
    const auto given = odoo_certificate(60);
    const auto key = read_key(given.key_pem, "key");
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory{BIO_new(BIO_s_mem()), &BIO_free};
    ASSERT_EQ(PEM_write_bio_PrivateKey_traditional(memory.get(), key->get(), nullptr, nullptr, 0,
                                                   nullptr, nullptr),
              1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &text);
    start();
    pair();
    give({given.certificates_pem, std::string(text, static_cast<std::size_t>(size))});
    EXPECT_EQ(status().source, "odoo");
    restart();
    EXPECT_EQ(status().source, "odoo");
}

TEST_F(AKeeper, never_writes_a_key_into_the_log_nor_into_the_status) {
    start();
    pair();
    const auto given = odoo_certificate(60);
    const std::string piece = given.key_pem.substr(60, 24);
    auto mixed = given;
    mixed.certificates_pem = odoo_certificate(60).certificates_pem;
    lanes.succeed(x509_answer(mixed), k_x509);
    EXPECT_THAT(status().text, ::testing::Not(HasSubstr(piece)));
    clock.advance(minutes{2});
    std::string cut_off = x509_answer(given);
    cut_off.resize(cut_off.size() - 20);
    lanes.succeed(cut_off, k_x509);
    EXPECT_THAT(status().text, ::testing::Not(HasSubstr(piece)));
    clock.advance(minutes{5});
    give(given);
    ASSERT_EQ(status().source, "odoo");
    const auto records = core::recent_logs();
    ASSERT_FALSE(records.empty());
    for (const auto& record : records) EXPECT_THAT(record.text(), ::testing::Not(HasSubstr(piece)));
}

}  // namespace
}  // namespace backplane::sync::test
