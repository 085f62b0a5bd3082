// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The page of shared memory in which a plug-in host notes which function of its plug-in runs.
//
// Purpose: the daemon can name the function that hangs, or in which the process died, although the
// process does not answer any more. What the page says goes into messages and nowhere else: a
// plug-in can write anything into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/fd.hpp"
#include "backplane/core/result.hpp"

namespace backplane::core::ipc {

/// The numbers are the protocol; new ones are appended.
enum class PluginCall : std::uint32_t {
    none,
    load,
    create,
    destroy,
    start,
    stop,
    get_extension,
    probe_start,
    probe_cancel,
    action_begin,
    action_cancel,
    settings_changed,
    interrupt,
    timer,
    fd_watch,
    work_done,
    state_save,
    state_restore,
};
/// As it reads in "hung in …": "start()", "action begin()", "a timer".
std::string_view to_string(PluginCall call) noexcept;

/// The memory file for a page, sealed against growing and shrinking: a host that shrinks it would
/// crash its reader.
Result<Fd> make_status_file();

struct StatusLayout;

/// The host's side. Thread: the driver thread.
class StatusWriter {
public:
    static Result<StatusWriter> map(const Fd& file);
    StatusWriter(StatusWriter&& other) noexcept;
    StatusWriter& operator=(StatusWriter&& other) noexcept;
    StatusWriter(const StatusWriter&) = delete;
    StatusWriter& operator=(const StatusWriter&) = delete;
    ~StatusWriter();

    void enter(PluginCall call, std::uint64_t instance, std::chrono::nanoseconds now) noexcept;
    void leave() noexcept;

private:
    explicit StatusWriter(StatusLayout* page) noexcept : page_(page) {}
    StatusLayout* page_ = nullptr;
};

/// The daemon's side.
class StatusReader {
public:
    static Result<StatusReader> map(const Fd& file);
    StatusReader(StatusReader&& other) noexcept;
    StatusReader& operator=(StatusReader&& other) noexcept;
    StatusReader(const StatusReader&) = delete;
    StatusReader& operator=(const StatusReader&) = delete;
    ~StatusReader();

    /// "in action begin() of instance 7", or empty when no call runs.
    std::string place() const;
    /// How long the call has been running by what the page says, which may be nonsense; zero when
    /// none runs.
    std::chrono::nanoseconds running_for(std::chrono::nanoseconds now) const;

private:
    explicit StatusReader(const StatusLayout* page) noexcept : page_(page) {}
    const StatusLayout* page_ = nullptr;
};

/// CLOCK_MONOTONIC, the same in all processes.
std::chrono::nanoseconds monotonic_now() noexcept;

}  // namespace backplane::core::ipc
