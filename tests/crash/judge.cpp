// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/judge.hpp"

namespace backplane::crash {
Judge::Recovered Judge::recover(const DiskImage& image, DiskImage* after) const {
    ModelDisk disk{image};
    ModelBox model{publisher_, disk, image.hash()};
    Recovered recovered;
    if (const auto opened = model.box.open(); !opened) {
        recovered.problem = "it does not open: " + opened.error().text;
        return recovered;
    }
    recovered.summary = model.box.summary();
    for (const std::string& problem : model.box.problems())
        recovered.problem += (recovered.problem.empty() ? "" : "; ") + problem;
    model.box.close();
    DiskImage left = disk.seen();
    recovered.after = left.hash();
    if (after != nullptr) *after = std::move(left);
    return recovered;
}

std::optional<std::string> Judge::retry(const DiskImage& image, std::size_t from) const {
    ModelDisk disk{image};
    ModelBox model{publisher_, disk, image.hash()};
    if (const auto opened = model.box.open(); !opened) return opened.error().text;
    if (const auto done = go_on(model.box, from); !done) return done.error().text;
    const std::string now = model.box.summary();
    if (now != update_steps().back().then) return "it ended as " + now;
    return std::nullopt;
}

std::optional<std::string> Judge::judge(const CrashState& state) {
    const std::uint64_t hash = state.image.hash();
    DiskImage after;
    bool has_after = false;
    auto found = recovered_.find(hash);
    if (found == recovered_.end()) {
        found = recovered_.emplace(hash, recover(state.image, &after)).first;
        has_after = true;
    }
    const Recovered& recovered = found->second;
    if (!recovered.problem.empty()) return "consistency: " + recovered.problem;

    const std::size_t steps = update_steps().size();
    std::size_t from = state.reported;
    if (recovered.summary != summary_after(from)) {
        if (from == steps || recovered.summary != summary_after(from + 1)) {
            return "durability: reported as done was \"" + summary_after(from) + "\", found is \"" +
                   recovered.summary + '"';
        }
        ++from;
    }
    if (retry_ == Retry::no) return std::nullopt;
    const std::pair key{recovered.after, from};
    auto retried = retried_.find(key);
    if (retried == retried_.end()) {
        if (!has_after) (void)recover(state.image, &after);
        retried = retried_.emplace(key, retry(after, from)).first;
    }
    if (retried->second) return "retry: " + *retried->second;
    return std::nullopt;
}

}  // namespace backplane::crash
