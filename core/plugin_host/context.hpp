// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What all parts of the plug-in host share, and the one way in which they call the plug-in.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "backplane/abi/abi.h"
#include "ipc/status_page.hpp"
#include "link.hpp"

namespace backplane::core::host {

struct Context {
    boost::asio::io_context& loop;
    Link& link;
    ipc::StatusWriter status;
    std::string plugin_name;
    std::string plugin_id;
    bool is_interface = false;
    std::thread::id driver_thread = std::this_thread::get_id();
    std::uint64_t last_id = 0;

    std::uint64_t next_id() noexcept {
        return ++last_id;
    }  ///< never the same twice in this process
};

/// Notes in the status page that a call runs, and reports it when it took too long.
class CallScope {
public:
    CallScope(Context& context, ipc::PluginCall call, std::uint64_t instance) noexcept;
    ~CallScope();
    CallScope(const CallScope&) = delete;
    CallScope& operator=(const CallScope&) = delete;

private:
    Context& context_;
    const ipc::PluginCall call_;
    const std::uint64_t instance_;
    const std::chrono::nanoseconds started_;
};

/// Calls the plug-in; an exception that gets out of it is its fault, not ours.
template <typename F>
auto call_plugin(Context& context, ipc::PluginCall call, std::uint64_t instance,
                 F&& function) noexcept
    -> std::conditional_t<std::is_void_v<std::invoke_result_t<F>>, bp_status,
                          std::invoke_result_t<F>> {
    using Answer = std::invoke_result_t<F>;
    const CallScope scope{context, call, instance};
    try {
        if constexpr (std::is_void_v<Answer>) {
            std::forward<F>(function)();
            return BP_OK;
        } else {
            return std::forward<F>(function)();
        }
    } catch (...) {
        context.link.fault(
            instance, "let an exception through the C boundary in " + std::string{to_string(call)});
        if constexpr (std::is_same_v<Answer, bp_status> || std::is_void_v<Answer>) {
            return BP_E_INTERNAL;
        } else {
            return Answer{};
        }
    }
}

/// The text behind a view of the plug-in's, or nothing when it points nowhere.
inline bool view_of(bp_str text, std::string_view& out) noexcept {
    if (text.data == nullptr && text.size != 0) return false;
    out = text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size};
    return true;
}
inline bp_str abi_view(std::string_view text) noexcept {
    return {text.data(), text.size()};
}

}  // namespace backplane::core::host
