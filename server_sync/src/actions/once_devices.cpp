// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/once_devices.hpp"

#include <utility>

#include "actions/server_action.hpp"
#include "backplane/core/log.hpp"

namespace backplane::sync {

using core::ActionOutcome;
using core::ActionRequest;

OnceDevices::OnceDevices(SyncStore& store, core::Devices& devices, TimerFactory timer,
                         ActionBook& book)
    : store_(store), devices_(devices), later_(std::move(timer)), book_(book) {}

void OnceDevices::act_on_interface(std::string_view interface, std::string name,
                                   boost::json::object data, core::ActionDone done) {
    devices_.act_on_interface(interface, std::move(name), std::move(data), std::move(done));
}

void OnceDevices::act(ActionRequest request, core::ActionDone done) {
    const auto device = devices_.find(request.device);
    // It answers itself that there is no such device.
    if (!device) return devices_.act(std::move(request), std::move(done));
    const std::string identifier = device->identifier;
    auto waiting = std::make_shared<Waiting>();
    const ActionClass is = class_of(device->type, request.name);
    if (!request.unique_id.empty() && is != ActionClass::harmless) {
        ActionRow row;
        row.from_server = false;
        row.state = ActionState::running;
        row.is = is;
        row.device = identifier;
        row.id = ActionBook::id_of(request.unique_id);
        row.name = request.name;
        row.session = request.session;
        if (const auto known = book_.find(row.device, row.id)) {
            if (known->state != ActionState::maybe) {
                ++counters_.duplicates;
                ActionOutcome outcome;
                outcome.status = ActionOutcome::Status::duplicate;
                outcome.device = identifier;
                outcome.message = known->state == ActionState::done
                                      ? "this action was run before and is not run again"
                                      : "this action is being run already";
                return later(std::move(done), std::move(outcome));
            }
            ++counters_.repeated;
            request.data["repeated"] = true;
        }
        waiting->row = std::move(row);
    }
    const auto queue = waiting_.find(identifier);
    if (queue == waiting_.end() && !waiting->row)
        return devices_.act(std::move(request), std::move(done));
    if (queue != waiting_.end() && queue->second.size() >= k_waiting) {
        ActionOutcome outcome;
        outcome.code = "action.queue_full";
        outcome.device = identifier;
        outcome.message = identifier + " has " + std::to_string(queue->second.size()) +
                          " actions waiting for the disk of the box and takes no more: try again "
                          "when some of them are done";
        return later(std::move(done), std::move(outcome));
    }
    waiting->request = std::move(request);
    waiting->done = std::move(done);
    waiting_[identifier].push_back(waiting);
    if (waiting->row) return write_down(identifier, waiting);
    waiting->ready = true;  // after those before it
}

void OnceDevices::write_down(const std::string& device, const WaitingPtr& waiting) {
    book_.add(*waiting->row);
    auto changes = book_.expire();
    changes.push_back({RowChange::What::insert, *waiting->row, {}});
    store_.write(ActionBook::job(std::move(changes)),
                 [weak = weak_from_this(), device, waiting](const core::Result<void>& written) {
                     const auto self = weak.lock();
                     if (!self) return;
                     if (!written) {
                         // Somebody stands at the drawer: that it opens is worth more than that the box remembers it.
                         ++self->counters_.unwritten;
                         core::log_warning("odoo", "action.not_remembered",
                                           {{"device", device}, {"reason", written.error().text}});
                     }
                     waiting->ready = true;
                     self->pump(device);
                 });
}

void OnceDevices::pump(const std::string& device) {
    for (;;) {
        const auto queue = waiting_.find(device);
        if (queue == waiting_.end()) return;
        if (queue->second.empty()) {
            waiting_.erase(queue);
            return;
        }
        const WaitingPtr first = queue->second.front();
        if (!first->ready) return;
        queue->second.pop_front();
        begin(*first);
    }
}

void OnceDevices::begin(Waiting& waiting) {
    if (!waiting.row) return devices_.act(std::move(waiting.request), std::move(waiting.done));
    devices_.act(std::move(waiting.request),
                 [weak = weak_from_this(), row = *std::move(waiting.row),
                  done = std::move(waiting.done)](ActionOutcome outcome) {
                     if (const auto self = weak.lock()) self->over(row, outcome);
                     done(std::move(outcome));
                 });
}

void OnceDevices::over(const ActionRow& row, const ActionOutcome& outcome) {
    using Status = ActionOutcome::Status;
    RowChange change{RowChange::What::set_state, row, {}};
    if (outcome.status == Status::success || outcome.status == Status::duplicate) {
        change.row.state = ActionState::done;
    } else if (is_unsure(outcome)) {
        ++counters_.unsure;
        change.row.state = row.is == ActionClass::once ? ActionState::done : ActionState::maybe;
    } else {
        change.what = RowChange::What::erase;  // so that a retry works
    }
    if (change.what == RowChange::What::erase)
        book_.forget(row.number);
    else
        book_.set_state(row.number, change.row.state);
    store_.write(ActionBook::job({std::move(change)}), {});
}

void OnceDevices::later(core::ActionDone done, ActionOutcome outcome) {
    later_([done = std::move(done), outcome = std::move(outcome)] { done(outcome); });
}

}  // namespace backplane::sync
