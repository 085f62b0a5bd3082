// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The host as the plug-in sees it: the C structs of the ABI, and the trampolines behind their
// slots.
//
// A plug-in may call with anything, from anywhere, at any time. Each trampoline first finds out
// whether the call is on the driver thread and of a living instance; if not, it is BP_E_BAD_STATE
// and a fault of the plug-in, never undefined behaviour.
#pragma once

#include <cstdint>

#include "backplane/abi/abi.h"

namespace backplane::core::host {

struct Context;
class Instance;

/// One for each instance that ever was. It lives as long as the process, so that a call with the
/// bp_host of an instance that is gone finds something that says so.
struct Face {
    bp_host host{};
    Context* context = nullptr;
    std::uint64_t id = 0;
    Instance* instance = nullptr;  ///< null after destroy(); the driver thread's
};

/// The face is registered for ever; only `instance` changes.
Face& make_face(Context& context, std::uint64_t id, Instance* instance);

/// For bp_host_log::level, which plug-ins read without asking.
void set_face_log_level(std::int32_t level) noexcept;

}  // namespace backplane::core::host
