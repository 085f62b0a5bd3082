// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_keys.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "bundle_documents.hpp"
#include "bundle_files.hpp"
#include "bundle_output.hpp"
#include "password.hpp"

namespace backplane::cli {
namespace {

namespace bundle = core::bundle;

constexpr std::size_t k_key_file_bytes = 4096;

core::Unexpected<core::Error> of_file(const std::string& path, const core::Error& error) {
    return core::failure(error.code, path + ": " + error.text);
}

core::Result<std::string> new_password(const std::string& path) {
    if (const char* const given = std::getenv(k_password_variable)) {
        if (*given != '\0') return std::string{given};
        return core::failure("E_KEY", std::string{k_password_variable} +
                                          " is set, but empty: put a password into it, or give "
                                          "--no-password for a key without one");
    }
    auto first = ask_password("Password for " + path + ": ");
    if (!first) return first;
    if (first->empty()) {
        return core::failure("E_KEY",
                             "the password is empty: type one, or give --no-password for a key "
                             "that whoever reads the file can sign with");
    }
    auto second = ask_password("The same again: ");
    if (!second) return second;
    if (*first != *second) {
        return core::failure("E_KEY",
                             "the two passwords differ, and no key was made: try it once more");
    }
    return first;
}

bool is_there(const std::string& path) {
    std::error_code error;
    return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

}  // namespace

ExitCode generate_key(const std::string& out, bool without_password) {
    const std::string public_path = out + ".pub", secret_path = out + ".key";
    // Before anybody types a password twice.
    for (const std::string& path : {public_path, secret_path}) {
        if (is_there(path)) {
            return say_failure(
                {"file.exists", path + " is there already, and a key is never overwritten: "
                                       "use another name"});
        }
    }
    std::string password;
    if (!without_password) {
        auto typed = new_password(secret_path);
        if (!typed) return say_failure(typed.error());
        password = *std::move(typed);
    }
    auto key = bundle::SecretKey::generate();
    if (!key) return say_failure(key.error());
    auto text = key->file_text(password);
    if (!text) return say_failure(text.error());
    if (auto written = write_new_file(secret_path, *text, 0600); !written)
        return say_failure(written.error());
    const bundle::PublicKey public_key = key->public_key();
    if (auto written = write_new_file(public_path, public_key.file_text(), 0644); !written) {
        // Half a pair is of no use, and would be in the way of the next attempt.
        (void)remove_file(secret_path);
        return say_failure(written.error());
    }
    std::cout << "Public key:  " << public_path << "  " << name_of(public_key) << '\n'
              << "Secret key:  " << secret_path << '\n';
    if (without_password) {
        std::cout << "The secret key has no password: whoever reads the file can sign with it. "
                     "Keep it off the servers.\n";
    } else {
        std::cout << "Keep the secret key and a copy offline, away from each other. Without the "
                     "password it is lost.\n";
    }
    return finish_output(ExitCode::ok);
}

core::Result<bundle::PublicKey> load_public_key(const std::string& path) {
    auto bytes = read_file(path, k_key_file_bytes);
    if (!bytes) return core::Unexpected<core::Error>{bytes.error()};
    auto key = bundle::PublicKey::parse(text_of(*bytes));
    if (!key) return of_file(path, key.error());
    return key;
}

core::Result<bundle::SecretKey> load_secret_key(const std::string& path) {
    auto bytes = read_file(path, k_key_file_bytes);
    if (!bytes) return core::Unexpected<core::Error>{bytes.error()};
    const std::string text = text_of(*bytes);
    std::string password;
    if (bundle::SecretKey::is_encrypted(text)) {
        if (const char* const given = std::getenv(k_password_variable)) {
            password = given;
        } else {
            auto typed = ask_password("Password of " + path + ": ");
            if (!typed) return of_file(path, typed.error());
            password = *std::move(typed);
        }
    }
    auto key = bundle::SecretKey::parse(text, password);
    if (!key) return of_file(path, key.error());
    return key;
}

}  // namespace backplane::cli
