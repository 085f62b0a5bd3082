// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/trust_chain.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "bundle/signers.hpp"

namespace backplane::core::bundle {
namespace {

/// First sight of a bundle looks at so many of its roots.
constexpr std::size_t k_candidates = 64;

class Walk {
public:
    Walk(const FileSource& files, const std::string& bundle, const DocumentNames& documents,
         const Policy& policy)
        : files_(files), bundle_(bundle), documents_(documents), policy_(policy) {}

    TrustChain from_known(const Bytes& known) {
        auto root = parse_root(known);
        if (!root) {
            fail("E_ROOT", "the root of the bundle \"" + bundle_ +
                               "\" that is stored on this box cannot be read (" +
                               root.error().text + "): remove it and trust the bundle again");
            return std::move(chain_);
        }
        if (root->bundle != bundle_) {
            fail("E_ROOT", "the root that this box has for the bundle \"" + bundle_ +
                               "\" is that of \"" + root->bundle +
                               "\": put the root of each bundle where it belongs");
            return std::move(chain_);
        }
        keep_known(*root, known);
        walk_up();
        return std::move(chain_);
    }

    /// Nothing is known: an enrolled key, or a box in development mode, may begin to trust.
    TrustChain from_first_sight() {
        std::optional<Error> reason;
        std::size_t looked_at = 0;
        for (const auto version : documents_.roots) {
            if (++looked_at > k_candidates) break;
            if (begin_with(version, reason)) {
                walk_up();
                return std::move(chain_);
            }
        }
        if (reason) {
            chain_.error = std::move(reason);
        } else {
            fail("E_ROOT",
                 "this box does not know who may sign the bundle \"" + bundle_ +
                     "\" and no key that its owner has enrolled has signed it: add the vendor's "
                     "key with \"backplane trust add\", or ask the vendor for a root for this box");
        }
        return std::move(chain_);
    }

private:
    void fail(std::string code, std::string text) {
        chain_.error = Error{std::move(code), std::move(text)};
    }

    std::string subject(std::uint64_t version) const {
        return "root " + std::to_string(version) + " of the bundle \"" + bundle_ + "\"";
    }

    void accept(Root root, Bytes bytes, const Signers& signers) {
        chain_.documents[root_name(bundle_, root.version)] = bytes;
        for (const auto& [name, content] : signers.files) chain_.documents[name] = content;
        chain_.root = std::move(root);
        chain_.bytes = std::move(bytes);
    }

    void keep_known(const Root& root, const Bytes& known) {
        // Its signatures are worth keeping when the archive has them; that it is trusted does not depend on them.
        accept(root, known,
               signers_of(files_, root_name(bundle_, root.version), known, root.root, root.keys));
    }

    /// False: not this one. `reason` says why when it was nearly trusted.
    bool begin_with(std::uint64_t version, std::optional<Error>& reason) {
        const auto name = root_name(bundle_, version);
        auto bytes = files_.read(name, k_metadata_bytes);
        if (!bytes) {
            if (!reason) reason = bytes.error();
            return false;
        }
        const auto enrolled = enrolled_signers(name, *bytes);
        if (enrolled.empty() && !policy_.development) return false;
        auto root = parse_root(*bytes);
        if (!root) {
            if (!reason) reason = root.error();
            return false;
        }
        const bool belongs = std::any_of(enrolled.begin(), enrolled.end(), [&](const auto& id) {
            return root->root.key_ids.contains(id);
        });
        if (!belongs && !policy_.development) return false;
        const auto signers = signers_of(files_, name, *bytes, root->root, root->keys);
        if (auto wrong = check(*root, version, signers)) {
            if (!reason) reason = std::move(wrong);
            return false;
        }
        accept(*std::move(root), *std::move(bytes), signers);
        chain_.advanced = true;
        return true;
    }

    std::vector<std::string> enrolled_signers(const std::string& name, const Bytes& bytes) const {
        Role role;
        std::map<std::string, PublicKey> keys;
        for (const auto& key : policy_.enrolled) {
            role.key_ids.insert(key.id());
            keys.emplace(key.id(), key);
        }
        std::vector<std::string> ids;
        for (const auto& key : signers_of(files_, name, bytes, role, keys).keys)
            ids.push_back(key.id());
        return ids;
    }

    /// Whether the root in the file for `version` is that, and is signed as it says itself.
    std::optional<Error> check(const Root& root, std::uint64_t version,
                               const Signers& signers) const {
        if (root.bundle != bundle_) {
            return Error{"E_ROOT", "the file of " + subject(version) + " holds the root of \"" +
                                       root.bundle + "\": ask the vendor for a correct bundle"};
        }
        if (root.version != version) {
            return Error{"E_ROOTVER", "the file of " + subject(version) + " holds version " +
                                          std::to_string(root.version) +
                                          ": ask the vendor for a correct bundle"};
        }
        if (!signers.meet(root.root)) {
            return Error{"E_THRESHOLD", subject(version) + " " +
                                            shortage(signers, root.root, "of its own root") +
                                            ": ask the vendor to sign it with enough of its keys"};
        }
        return std::nullopt;
    }

    void walk_up() {
        for (unsigned hop = 0; !chain_.error; ++hop) {
            const auto next = chain_.root->version + 1;
            if (!documents_.roots.contains(next)) return finish();
            if (hop == k_root_hops) {
                return fail("E_ROOTVER", "the bundle \"" + bundle_ + "\" brings more than " +
                                             std::to_string(k_root_hops) +
                                             " new roots, and this box takes so many at a time: "
                                             "start the update again");
            }
            step_to(next);
        }
    }

    void step_to(std::uint64_t next) {
        const auto name = root_name(bundle_, next);
        auto bytes = files_.read(name, k_metadata_bytes);
        if (!bytes) {
            chain_.error = bytes.error();
            return;
        }
        const Root& before = *chain_.root;
        const auto old_signers = signers_of(files_, name, *bytes, before.root, before.keys);
        if (!old_signers.meet(before.root)) {
            return fail("E_THRESHOLD",
                        subject(next) + " " +
                            shortage(old_signers, before.root, "of the previous root") +
                            ": ask the vendor to sign it with the keys of root " +
                            std::to_string(before.version) + " too");
        }
        auto root = parse_root(*bytes);
        if (!root) {
            chain_.error = root.error();
            return;
        }
        auto signers = signers_of(files_, name, *bytes, root->root, root->keys);
        if (auto wrong = check(*root, next, signers)) {
            chain_.error = std::move(wrong);
            return;
        }
        if (root->release.key_ids != before.release.key_ids) chain_.resets_version = true;
        for (const auto& [file, content] : old_signers.files) signers.files[file] = content;
        accept(*std::move(root), *std::move(bytes), signers);
        chain_.advanced = true;
    }

    void finish() {
        const Root& root = *chain_.root;
        // A gap would make a withheld revocation look like a bundle without one.
        if (!documents_.roots.empty() && *documents_.roots.rbegin() > root.version) {
            return fail("E_ROOTVER", "the bundle \"" + bundle_ + "\" brings root " +
                                         std::to_string(*documents_.roots.rbegin()) +
                                         ", but not root " + std::to_string(root.version + 1) +
                                         " that leads there from root " +
                                         std::to_string(root.version) +
                                         ": ask the vendor for a bundle with all its roots");
        }
        if (policy_.now > root.expires && !policy_.accept_expired) {
            return fail("E_EXPIRED", subject(root.version) + " was valid until " +
                                         time_text(root.expires) + ", and it is " +
                                         time_text(policy_.now) +
                                         ": check the clock of this box, or ask the vendor for a "
                                         "bundle with a new root");
        }
    }

    const FileSource& files_;
    const std::string& bundle_;
    const DocumentNames& documents_;
    const Policy& policy_;
    TrustChain chain_;
};

}  // namespace

TrustChain walk_trust_chain(const FileSource& files, const std::string& bundle,
                            const DocumentNames& documents, const Bytes* known,
                            const Policy& policy) {
    Walk walk{files, bundle, documents, policy};
    return known != nullptr ? walk.from_known(*known) : walk.from_first_sight();
}

std::string time_text(Time time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d UTC",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()));
    return text.data();
}

}  // namespace backplane::core::bundle
