// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <algorithm>
#include <utility>

#include "actions/inbox_state.hpp"
#include "backplane/core/log.hpp"
#include "browser/dialect.hpp"
#include "browser/guarded.hpp"
#include "browser/json_rpc.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::ActionOutcome;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t k_in_memory = 4;  // contents of so many per device
constexpr milliseconds k_look_for_device{500};
constexpr milliseconds k_disk_again{2'000};
constexpr milliseconds k_queue_full_again{500};
constexpr milliseconds k_queue_full_most{5'000};

std::string quoted(const ActionRow& row) {
    return row.name.empty() ? "The action" : "\"" + row.name + "\"";
}

}  // namespace

// ---- turns ----------------------------------------------------------------------------------------------------------

void Inbox::State::enqueue(QueuedAction action) {
    const auto on = with.devices.find(action.row.device);
    if (begun && on && can_act(*on) && action.marked && action.data &&
        goes_beside(on->type, action.row.name, *action.data)) {
        return run(*on, action, true);
    }
    auto& queue = queues[action.row.device];
    if (queue.items.size() >= k_in_memory || action.row.bytes > k_memory_body)
        if (!queue.items.empty()) action.data.reset();
    if (action.row.is == ActionClass::harmless)
        harmless.emplace(action.row.number, action.row.device);
    queue.items.push_back(std::move(action));
}

void Inbox::State::pump(const std::string& device) {
    if (!begun) return;
    for (;;) {
        const auto found = queues.find(device);
        if (found == queues.end()) return;
        DeviceQueue& queue = found->second;
        if (queue.items.empty() && queue.incoming == 0 && !queue.busy) {
            queues.erase(found);
            return;
        }
        if (!run_first(device, queue)) return;
    }
}

bool Inbox::State::run_first(const std::string& device, DeviceQueue& queue) {
    if (queue.busy || queue.retry || queue.items.empty()) return false;
    QueuedAction& first = queue.items.front();
    if (book.is_too_old(first.row.number)) {
        ++counts.refused;
        say(first.row, "error",
            quoted(first.row) + " for " + device +
                " has waited for more than 24 hours and was not carried out" +
                (first.repeated ? " again" : "") + ": repeat it if it is still wanted.");
        drop_first(device);
        return true;
    }
    const auto on = with.devices.find(device);
    if (!on || !can_act(*on)) {
        if (with.steady() - begun_at < k_appear) {
            retry(device, queue, k_look_for_device);
            return false;
        }
        ++counts.refused;
        with.reply(reply_to(first.row, "disconnected"));
        drop_first(device);
        return true;
    }
    if (!first.marked) {
        // It may have been unknown when the action came.
        first.row.is = class_of(on->type, first.row.name);
        first.marked = first.row.is == ActionClass::harmless;
    }
    if (!first.marked || !first.data) {
        queue.busy = true;
        prepare(device, first);
        return false;
    }
    queue.busy = queue.running = true;
    harmless.erase(first.row.number);
    run(*on, first, false);
    return false;
}

void Inbox::State::prepare(const std::string& device, QueuedAction& first) {
    auto body = std::make_shared<std::string>();
    std::vector<RowChange> changes;
    if (!first.marked) {
        changes.push_back({RowChange::What::set_state, first.row, {}});
        changes.back().row.state = ActionState::running;
    }
    const auto write = ActionBook::job(std::move(changes));
    with.store.write(
        [body, write, number = first.row.number,
         missing = !first.data](core::Database& database) -> core::Result<void> {
            if (missing) {
                auto query = database.prepare("SELECT body FROM actions WHERE number = ?1");
                if (!query) return core::Unexpected<core::Error>{query.error()};
                query->bind(1, number);
                const auto row = query->step();
                if (!row) return core::Unexpected<core::Error>{row.error()};
                *body = *row ? query->text(0) : std::string{};
            }
            return write(database);
        },
        [weak = weak_from_this(), device, number = first.row.number,
         body](const core::Result<void>& result) {
            if (const auto self = weak.lock())
                self->prepared(device, number, result, std::move(*body));
        });
}

void Inbox::State::prepared(const std::string& device, std::int64_t number,
                            const core::Result<void>& result, std::string body) {
    const auto found = queues.find(device);
    if (found == queues.end()) return;
    DeviceQueue& queue = found->second;
    if (queue.items.empty() || queue.items.front().row.number != number) return;  // forgotten
    queue.busy = false;
    QueuedAction& first = queue.items.front();
    if (!result) {
        // What cannot be marked could run twice unmarked: it waits for the disk, unless its device is gone for good.
        core::log_warning("odoo", "action.not_marked",
                          {{"device", device}, {"reason", result.error().text}});
        return retry(device, queue, k_disk_again);
    }
    first.marked = true;
    first.row.state =
        first.row.is == ActionClass::harmless ? ActionState::waiting : ActionState::running;
    book.set_state(number, first.row.state);
    if (!first.data) {
        auto parsed = parse_json(body);
        if (!parsed || !parsed->is_object()) {
            ++counts.refused;
            say(first.row, "error",
                quoted(first.row) + " for " + device +
                    " cannot be read any more from the disk of the box, and was not carried out: "
                    "repeat it.");
            drop_first(device);
            return pump(device);
        }
        first.data = std::move(parsed->get_object());
    }
    pump(device);
}

void Inbox::State::retry(const std::string& device, DeviceQueue& queue, milliseconds after) {
    queue.retry = with.timer(after, guarded("next turn", [weak = weak_from_this(), device] {
                                 const auto self = weak.lock();
                                 if (!self) return;
                                 const auto found = self->queues.find(device);
                                 if (found == self->queues.end()) return;
                                 const auto keep = std::exchange(found->second.retry, {});
                                 self->pump(device);
                             }));
}

// ---- running --------------------------------------------------------------------------------------------------------

void Inbox::State::run(const core::DeviceInfo& on, QueuedAction& action, bool on_its_own) {
    const ActionRow row = action.row;
    json::object data = *std::exchange(action.data, std::nullopt);
    if (action.repeated) data["repeated"] = true;
    if (on_its_own) beside.emplace(row.number, action);
    auto request =
        request_for(on, row.name, std::string{row.unique_id()}, row.session, std::move(data));
    auto done = [weak = weak_from_this(), device = row.device, number = row.number,
                 on_its_own](ActionOutcome outcome) {
        if (const auto self = weak.lock()) self->over(device, number, on_its_own, outcome);
    };
    if (!request) {
        // As every outcome it comes later, or a long row of bad documents would be one deep call.
        ActionOutcome outcome;
        outcome.code = request.error().code;
        outcome.message = '"' + request.error().text + "\" for " + on.identifier +
                          " is not base64: nothing was printed; print it again";
        return later([done, outcome = std::move(outcome)] { done(outcome); });
    }
    core::log_debug("odoo", "action.run", {{"device", on.identifier}, {"action", row.name}});
    std::uint64_t owner = 0;
    if (with.owners != nullptr) owner = with.owners->action_begun(on.identifier, row.session);
    with.devices.act(
        *std::move(request),
        guarded("end of an action", [weak = weak_from_this(), identifier = on.identifier, owner,
                                     done](ActionOutcome outcome) {
            if (const auto self = weak.lock(); self && self->with.owners)
                self->with.owners->action_ended(identifier, owner);
            done(std::move(outcome));
        }));
}

void Inbox::State::over(const std::string& device, std::int64_t number, bool on_its_own,
                        const ActionOutcome& outcome) {
    if (on_its_own) {
        const auto node = beside.extract(number);
        if (!node.empty()) finish(node.mapped(), outcome);
        return;
    }
    const auto found = queues.find(device);
    if (found == queues.end()) return;
    DeviceQueue& queue = found->second;
    if (queue.items.empty() || queue.items.front().row.number != number) return;
    queue.busy = queue.running = false;
    QueuedAction& first = queue.items.front();
    if (outcome.code == "action.queue_full") {
        // Others keep the device busy; nothing has happened, and the order stays.
        first.marked = first.row.is == ActionClass::harmless;
        first.data.reset();
        first.row.state = ActionState::waiting;
        book.set_state(number, ActionState::waiting);
        with.store.write(ActionBook::job({{RowChange::What::set_state, first.row, {}}}), {});
        const auto wait = k_queue_full_again * (1 << std::min(first.refusals++, 4u));
        return retry(device, queue, std::min(wait, k_queue_full_most));
    }
    const QueuedAction action = std::move(first);
    queue.items.pop_front();
    finish(action, outcome);
    pump(device);
}

void Inbox::State::finish(const QueuedAction& action, const ActionOutcome& outcome) {
    using Status = ActionOutcome::Status;
    ActionRow row = action.row;
    ++counts.finished;
    count_out(row);
    const bool good = outcome.status == Status::success || outcome.status == Status::duplicate;
    const bool unsure = is_unsure(outcome);
    if (outcome.code == "device.unknown") {
        with.reply(reply_to(row, "disconnected"));
    } else if (const auto device = with.devices.find(row.device);
               !good &&
               (outcome.code == "action.payload" || (device && reports_by_events(device->type)))) {
        // Of these no event tells that an action has ended.
        say(row, "error",
            outcome.message.empty() ? "The device could not do this (" + outcome.code + ")."
                                    : outcome.message);
    }
    // An id of the sender's is forgotten after a failure, so that a retry works; what stands for a notification stays.
    if (row.is == ActionClass::harmless) return drop(row);
    if (!good && !unsure && !row.unique_id().empty()) return drop(row);
    if (unsure && row.is == ActionClass::once) ++counts.unsure;
    row.state =
        unsure && row.is == ActionClass::repeatable ? ActionState::maybe : ActionState::done;
    book.set_state(row.number, row.state);
    with.store.write(ActionBook::job({{RowChange::What::set_state, row, {}}}), {});
}

void Inbox::State::drop(const ActionRow& row) {
    book.forget(row.number);
    with.store.write(ActionBook::job({{RowChange::What::erase, row, {}}}), {});
}

void Inbox::State::drop_first(const std::string& device) {
    auto& items = queues[device].items;
    const ActionRow row = items.front().row;
    items.pop_front();
    harmless.erase(row.number);
    count_out(row);
    drop(row);
}

// ---- answers --------------------------------------------------------------------------------------------------------

json::object Inbox::State::reply_to(const ActionRow& row, std::string_view status) const {
    return {{"session_id", row.session},
            {"iot_box_identifier", with.identifier()},
            {"device_identifier", row.device},
            {"status", status}};
}

void Inbox::State::say(const ActionRow& row, std::string_view status, const std::string& message) {
    json::object reply = reply_to(row, status);
    reply["owner"] = row.session;
    reply["result"] = message;
    reply["message"] = message;
    if (!row.name.empty()) reply["action"] = row.name;
    if (!row.unique_id().empty()) reply["action_unique_id"] = row.unique_id();
    with.reply(std::move(reply));
}

void Inbox::State::say_unsure(const ActionRow& row) {
    const auto device = with.devices.find(row.device);
    const bool is_terminal = device && device->type == "payment";
    const bool is_drawer =
        row.name.find("cash") != std::string::npos || row.name.find("drawer") != std::string::npos;
    const std::string look = is_terminal ? "look at the terminal"
                             : is_drawer ? "look at the drawer"
                                         : "look at the device";
    core::log_warning("odoo", "action.unsure", {{"device", row.device}, {"action", row.name}});
    say(row, "error",
        quoted(row) + " on " + row.device +
            " may have been carried out before the box was interrupted; it was not repeated: " +
            look + " and repeat it by hand if it was not.");
}

void Inbox::State::count_in(const ActionRow& row) {
    ++held;
    held_bytes += row.bytes;
}

void Inbox::State::count_out(const ActionRow& row) {
    held -= std::min<std::size_t>(held, 1);
    held_bytes -= std::min(held_bytes, row.bytes);
}

}  // namespace backplane::sync
