// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "context.hpp"

namespace backplane::core::host {
namespace {
constexpr std::chrono::milliseconds k_call_budget{50};
}

CallScope::CallScope(Context& context, ipc::PluginCall call, std::uint64_t instance) noexcept
    : context_(context), call_(call), instance_(instance), started_(ipc::monotonic_now()) {
    context_.status.enter(call_, instance_, started_);
}

CallScope::~CallScope() {
    context_.status.leave();
    const auto took = ipc::monotonic_now() - started_;
    if (took <= k_call_budget) return;
    try {
        context_.link.slow_call(instance_, to_string(call_),
                                std::chrono::duration_cast<std::chrono::milliseconds>(took));
    } catch (...) {  // no memory for a remark: then without it
    }
}

}  // namespace backplane::core::host
