// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/signers.hpp"

#include <algorithm>

namespace backplane::core::bundle {
namespace {

/// Empty: it fits.
std::string problem_of(const FileSource& files, const std::string& name, const PublicKey& key,
                       std::span<const std::byte> bytes, std::vector<std::byte>& content) {
    auto file = files.read(name, k_signature_bytes);
    if (!file) return file.error().text;
    const auto signature = Signature::parse(
        std::string_view{reinterpret_cast<const char*>(file->data()), file->size()});
    if (!signature) return signature.error().text;
    if (auto fits = verify(key, *signature, bytes); !fits) return fits.error().text;
    content = *std::move(file);
    return {};
}

}  // namespace

std::string Signers::text() const {
    std::string out;
    for (const auto& key : keys) out += (out.empty() ? "" : ", ") + key.hint_text();
    return out;
}

Signers signers_of(const FileSource& files, const std::string& document,
                   std::span<const std::byte> bytes, const Role& role,
                   const std::map<std::string, PublicKey>& keys) {
    Signers signers;
    const auto& names = files.names();
    for (const auto& id : role.key_ids) {
        const auto key = keys.find(id);
        if (key == keys.end()) continue;
        const auto name = signature_name(document, key->second);
        if (!std::binary_search(names.begin(), names.end(), name)) continue;
        std::vector<std::byte> content;
        const auto problem = problem_of(files, name, key->second, bytes, content);
        if (problem.empty()) {
            signers.keys.push_back(key->second);
            signers.files.emplace(name, std::move(content));
        } else {
            signers.trouble += "; the one of " + key->second.hint_text() + ": " + problem;
        }
    }
    return signers;
}

std::string shortage(const Signers& signers, const Role& role, std::string_view role_name) {
    std::string text = "needs the signatures of " + std::to_string(role.threshold) + " of " +
                       std::to_string(role.key_ids.size()) + " " + std::string{role_name} +
                       " keys, but ";
    text += signers.keys.empty()
                ? "none is there and fits"
                : "only " + std::to_string(signers.keys.size()) + " fits (" + signers.text() + ")";
    return text + signers.trouble;
}

}  // namespace backplane::core::bundle
