// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Those who want to hear of a change, in the order in which they asked. A listener may end its own or
// another subscription, subscribe, and destroy the owner of this list while it is called.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "backplane/core/subscription.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

class Listeners {
public:
    core::Subscription add(std::function<void()> listener) {
        auto entry = std::make_shared<Entry>(Entry{std::move(listener)});
        entries_->push_back(entry);
        return core::Subscription([weak = std::weak_ptr(entries_), entry] {
            entry->ended = true;
            if (const auto entries = weak.lock()) std::erase(*entries, entry);
        });
    }

    void tell(const char* what) const {
        // Of those that are there now; who has ended meanwhile is not called any more.
        for (const auto& entry : std::vector(*entries_))
            if (!entry->ended && entry->call) guarded(what, std::ref(entry->call))();
    }

private:
    struct Entry {
        std::function<void()> call;
        bool ended = false;
    };
    std::shared_ptr<std::vector<std::shared_ptr<Entry>>> entries_ =
        std::make_shared<std::vector<std::shared_ptr<Entry>>>();
};

}  // namespace backplane::sync
