// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "update/trust_folder.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "bundle/archive.hpp"
#include "bundle/metadata.hpp"
#include "store/durable_files.hpp"

namespace backplane::core {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t k_files = 256;
constexpr std::size_t k_key_bytes = 4096;
constexpr std::size_t k_bare_key_characters = 44;

void add_root(TrustFolder& trust, const std::string& path, bundle::Bytes bytes) {
    const auto root = bundle::parse_root(bytes);
    if (!root) {
        trust.problems.push_back("the root " + path + " is not used: " + root.error().text);
        return;
    }
    const auto [known, fresh] = trust.roots.try_emplace(root->bundle, bytes);
    if (fresh) return;
    // The newer one: the older one's successors are all in a bundle, but it may have been withdrawn.
    const auto other = bundle::parse_root(known->second);
    const bool newer = other && other->version < root->version;
    if (newer) known->second = std::move(bytes);
    trust.problems.push_back("there are several roots of bundle " + root->bundle + ", " + path +
                             " is " + (newer ? "the newest of them and used" : "not used") +
                             ": remove all but one");
}

void add_key(TrustFolder& trust, const std::string& path, const bundle::Bytes& bytes) {
    std::string text(bytes.size(), '\0');
    std::transform(bytes.begin(), bytes.end(), text.begin(),
                   [](std::byte byte) { return static_cast<char>(byte); });
    auto key = bundle::PublicKey::parse(text);
    if (key) {
        trust.keys.push_back(*key);
    } else {
        trust.problems.push_back("the key " + path + " is not used: " + key.error().text);
    }
}

}  // namespace

TrustFolder read_trust_folder(const std::string& folder) {
    TrustFolder trust;
    std::error_code error;
    std::vector<std::string> paths;
    for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (name.ends_with(".root.json") || name.ends_with(".pub"))
            paths.push_back(it->path().string());
    }
    if (error && error != std::errc::no_such_file_or_directory)
        trust.problems.push_back("cannot read the folder of trusted roots and keys " + folder +
                                 ": " + error.message() + ": check its permissions");
    std::sort(paths.begin(), paths.end());
    if (paths.size() > k_files) {
        trust.problems.push_back("there are " + std::to_string(paths.size()) +
                                 " roots and keys in " + folder + ", only the first " +
                                 std::to_string(k_files) + " are used: remove some");
        paths.resize(k_files);
    }
    const auto files = DurableFiles::posix();
    for (const std::string& path : paths) {
        const bool is_root = path.ends_with(".root.json");
        auto bytes = files->read(path, is_root ? bundle::k_metadata_bytes : k_key_bytes);
        if (!bytes) {
            trust.problems.push_back(std::string(is_root ? "the root " : "the key ") + path +
                                     " is not used: " + bytes.error().text);
        } else if (is_root) {
            add_root(trust, path, std::move(*bytes));
        } else {
            add_key(trust, path, *bytes);
        }
    }
    return trust;
}

Result<bundle::PublicKey> parse_trusted_key(const std::string& text) {
    if (text.size() != k_bare_key_characters) return bundle::PublicKey::parse(text);
    // 44 characters are 33 bytes, the last of which is padding.
    std::array<unsigned char, 33> bytes{};
    const int count =
        EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size()));
    bundle::PublicKey key;
    if (count != static_cast<int>(bytes.size()) || !text.ends_with('=') || text.ends_with("=="))
        return failure("E_KEY", "\"" + text +
                                    "\" is not a public key: give the second line of a minisign "
                                    ".pub file");
    std::copy_n(bytes.begin(), key.key.size(), key.key.begin());
    return key;
}

}  // namespace backplane::core
