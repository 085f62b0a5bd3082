// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How bad is it when an action happens twice? That decides what is remembered of it, and what follows a crash.
#pragma once

#include <string_view>

namespace backplane::sync {

enum class ActionClass {
    harmless,    ///< asking a scale, a picture, a status: run again, nobody remembers
    repeatable,  ///< a receipt, a label: rather twice than never, but the second one says so
    once,  ///< a drawer, a payment, a fiscal record: rather never than twice, and that is told
};
std::string_view to_string(ActionClass action) noexcept;

/// By the type of the device and the name of the action ("" is the default action). What is not known is `repeatable`.
ActionClass class_of(std::string_view device_type, std::string_view action) noexcept;

}  // namespace backplane::sync
