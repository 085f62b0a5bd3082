// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Callbacks that do nothing once their owner has gone. Thread: one; the owner's.
#pragma once

#include <memory>
#include <utility>

namespace backplane::core {

class Alive {
public:
    /// `call`, as long as this object lives.
    template <typename Call>
    auto guard(Call call) const {
        return [owner = std::weak_ptr<const int>(token_),
                call = std::move(call)](auto&&... arguments) mutable {
            if (!owner.expired()) call(std::forward<decltype(arguments)>(arguments)...);
        };
    }

private:
    std::shared_ptr<const int> token_ = std::make_shared<const int>(0);
};

}  // namespace backplane::core
