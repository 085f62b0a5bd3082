// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The inside of the inbox. inbox.cpp takes what comes and remembers it, inbox_run.cpp carries it out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actions/action_book.hpp"
#include "actions/action_request.hpp"
#include "actions/device_queue.hpp"
#include "actions/inbox.hpp"
#include "actions/once_devices.hpp"
#include "actions/server_action.hpp"
#include "server/later.hpp"

namespace backplane::sync {

/// A device that is not there so shortly after the start is waited for.
inline constexpr std::chrono::seconds k_appear{10};
inline constexpr std::size_t k_memory_body = 1u << 20;

struct Inbox::State : std::enable_shared_from_this<Inbox::State> {
    explicit State(Setup with);

    // ---- inbox.cpp ----
    void load();
    void resume(ActionRow row);
    void begin();
    void take(std::vector<Notification> notifications, std::function<void()> durable);
    InboxStatus status() const;

    /// What came at once, on its way to the disk.
    struct Frame {
        std::vector<RowChange> rows;
        std::vector<QueuedAction> actions;
        std::vector<Notification> messages;
        std::set<std::string> devices;  ///< of the actions
        SyncStore::Job job;             ///< the rows, when they are complete
        std::int64_t cursor = 0;
        std::function<void()> durable;
        unsigned failures = 0;
    };
    void take_action(Frame& frame, Notification notification);
    void take_message(Frame& frame, Notification notification);
    void add_action(Frame& frame, const ServerAction& asked, const std::string& named,
                    const std::string& id, const std::string& body, bool history);
    bool make_room(Frame& frame, std::size_t bytes);
    void write_frame();
    void frame_written();
    void frame_failed(const core::Error& error);
    void forget_server();

    // ---- inbox_run.cpp ----
    void enqueue(QueuedAction action);
    void pump(const std::string& device);
    /// False: it is not the first one's turn yet, or there is none.
    bool run_first(const std::string& device, DeviceQueue& queue);
    void prepare(const std::string& device, QueuedAction& first);
    void prepared(const std::string& device, std::int64_t number, const core::Result<void>& result,
                  std::string body);
    void run(const core::DeviceInfo& on, QueuedAction& action, bool beside);
    void over(const std::string& device, std::int64_t number, bool beside,
              const core::ActionOutcome& outcome);
    void finish(const QueuedAction& action, const core::ActionOutcome& outcome);
    void drop(const ActionRow& row);
    void drop_first(const std::string& device);
    void retry(const std::string& device, DeviceQueue& queue, std::chrono::milliseconds after);

    // ---- answers ----
    boost::json::object reply_to(const ActionRow& row, std::string_view status) const;
    void say(const ActionRow& row, std::string_view status, const std::string& message);
    void say_unsure(const ActionRow& row);

    void count_in(const ActionRow& row);
    void count_out(const ActionRow& row);

    Setup with;
    ActionBook book;
    std::shared_ptr<OnceDevices> once;
    std::map<std::string, DeviceQueue> queues;     // by identifier
    std::map<std::int64_t, QueuedAction> beside;   // running, by number
    std::map<std::int64_t, std::string> harmless;  // waiting ones and their device: first to go
    std::size_t held = 0, held_bytes = 0;          // taken and not finished
    std::vector<ActionRow> unfinished;             // of a former life, told in begin()
    std::deque<Frame> frames;                      // only the first is being written
    Later later;                                   // outcomes that the box gives itself
    bool writing = false;
    core::Subscription write_again;
    std::uint64_t epoch = 0;  // grows when the server is forgotten
    std::int64_t durable_id = 0;
    bool begun = false;
    std::chrono::steady_clock::time_point begun_at{};
    InboxStatus counts;
};

}  // namespace backplane::sync
