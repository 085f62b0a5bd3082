// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/inbox.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include "actions/inbox_state.hpp"
#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

namespace json = boost::json;
using core::Result;

namespace {

constexpr std::size_t k_most_actions = 10'000;
constexpr std::size_t k_most_bytes = 256u << 20;
constexpr std::size_t k_most_frames = 32;  // more than one only while the disk does not answer
constexpr std::string_view k_cursor = "server.last_notification";
constexpr std::chrono::milliseconds k_write_again{1'000};
constexpr std::chrono::milliseconds k_write_again_most{30'000};

std::int64_t number_in(const std::string& text) noexcept {
    std::int64_t number = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), number);
    return std::max<std::int64_t>(number, 0);
}

}  // namespace

// ---- the beginning --------------------------------------------------------------------------------------------------

Inbox::State::State(Setup setup)
    : with(std::move(setup)),
      book(with.now, with.steady),
      once(std::make_shared<OnceDevices>(with.store, with.devices, with.timer, book)),
      later(with.timer) {}

void Inbox::State::load() {
    durable_id = number_in(with.store.value(k_cursor));
    auto rows = book.load(with.store);
    if (!rows) {
        core::log_error("odoo", "inbox.not_read", {{"reason", rows.error().text}});
    } else {
        for (ActionRow& row : *rows)
            if (row.state == ActionState::waiting || row.state == ActionState::running)
                resume(std::move(row));
    }
    with.store.on_forget_server(
        [](core::Database& database) {
            return database.execute("DELETE FROM actions WHERE origin = 0");
        },
        [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->forget_server();
        });
}

void Inbox::State::resume(ActionRow row) {
    const bool may_have_run = row.state == ActionState::running;
    if (may_have_run && (row.is == ActionClass::once || !row.from_server)) {
        // Answered in begin(), when there is somebody who sends answers.
        unfinished.push_back(std::move(row));
        return;
    }
    QueuedAction action;
    action.repeated = may_have_run && row.is != ActionClass::harmless;
    action.marked = may_have_run || row.is == ActionClass::harmless;
    action.row = std::move(row);
    count_in(action.row);
    enqueue(std::move(action));
}

void Inbox::State::begin() {
    if (std::exchange(begun, true)) return;
    begun_at = with.steady();
    std::vector<RowChange> changes;
    for (ActionRow& row : std::exchange(unfinished, {})) {
        if (row.is == ActionClass::once) {
            say_unsure(row);
            ++counts.unsure;
            row.state = ActionState::done;
        } else {
            // A browser that asks again gets its receipt, and the receipt says that it may be the second.
            row.state = ActionState::maybe;
        }
        book.set_state(row.number, row.state);
        changes.push_back({RowChange::What::set_state, std::move(row), {}});
    }
    for (const auto& [device, queue] : queues)
        for (const QueuedAction& action : queue.items) counts.repeated += action.repeated ? 1 : 0;
    if (!changes.empty()) with.store.write(ActionBook::job(std::move(changes)), {});
    std::vector<std::string> names;
    for (const auto& [device, queue] : queues) names.push_back(device);
    for (const auto& device : names) pump(device);
}

// ---- what comes -----------------------------------------------------------------------------------------------------

void Inbox::State::take(std::vector<Notification> notifications, std::function<void()> durable) {
    // Not taken is not lost: the server sends again what the box does not confirm.
    if (frames.size() >= k_most_frames) return;
    const std::string identifier = with.identifier();
    Frame frame;
    frame.durable = std::move(durable);
    for (Notification& one : notifications) {
        frame.cursor = std::max(frame.cursor, one.id);
        if (one.type.empty() || !is_for_box(one, identifier)) continue;
        if (one.type == "iot_action")
            take_action(frame, std::move(one));
        else
            take_message(frame, std::move(one));
    }
    for (const QueuedAction& action : frame.actions) ++queues[action.row.device].incoming;
    frames.push_back(std::move(frame));
    write_frame();
}

void Inbox::State::take_message(Frame& frame, Notification notification) {
    ActionRow row;
    row.state = ActionState::done;
    row.is = ActionClass::harmless;
    row.id = ActionBook::id_of(notification.id,
                               notification.type + "\n" + json::serialize(notification.payload));
    if (book.find(row.device, row.id)) {
        ++counts.duplicates;
        return;
    }
    book.add(row);
    frame.rows.push_back({RowChange::What::insert, std::move(row), {}});
    frame.messages.push_back(std::move(notification));
}

void Inbox::State::take_action(Frame& frame, Notification notification) {
    const std::int64_t number = notification.id;
    auto asked = read_server_action(std::move(notification.payload));
    if (!asked) {
        ++counts.refused;
        core::log_warning(
            "odoo", "action.not_understood",
            {{"notification", std::to_string(number)}, {"reason", asked.error().text}});
        return;
    }
    const std::string body = json::serialize(asked->data);
    const std::string id = asked->unique_id.empty() ? ActionBook::id_of(number, body)
                                                    : ActionBook::id_of(asked->unique_id);
    for (const std::string& device : asked->devices)
        add_action(frame, *asked, device, id, body, notification.history);
}

void Inbox::State::add_action(Frame& frame, const ServerAction& asked, const std::string& named,
                              const std::string& id, const std::string& body, bool history) {
    const auto device = with.devices.find(named);
    QueuedAction action;
    ActionRow& row = action.row;
    row.device = device ? device->identifier : named;
    row.id = id;
    row.name = asked.name;
    row.session = asked.session;
    row.bytes = body.size();
    row.is = class_of(device ? device->type : "", asked.name);
    if (const auto known = book.find(row.device, row.id)) {
        if (known->state != ActionState::maybe) {
            ++counts.duplicates;
            core::log_info("odoo", "action.duplicate",
                           {{"device", row.device}, {"action", row.name}});
            return;
        }
        action.repeated = true;
    } else if (history && row.is != ActionClass::harmless) {
        // The server tells its past to a box that has lost its memory, or to the successor of a broken one.
        action.repeated = true;
    }
    const bool appears_later = !begun || with.steady() - begun_at < k_appear;
    if ((!device || !can_act(*device)) && !appears_later) {
        ++counts.refused;
        with.reply(reply_to(row, "disconnected"));
        return;
    }
    if (history && row.is == ActionClass::once) {
        ++counts.unsure;
        say_unsure(row);
        return;
    }
    if (!make_room(frame, body.size())) {
        ++counts.refused;
        say(row, "error",
            "The box has " + std::to_string(held) +
                " actions waiting and takes no more. This one was not carried out: repeat it when "
                "the devices have caught up.");
        return;
    }
    if (action.repeated) ++counts.repeated;
    const auto queue = queues.find(row.device);
    const bool idle =
        begun && frames.empty() && !frame.devices.contains(row.device) &&
        (queue == queues.end() || (queue->second.items.empty() && queue->second.incoming == 0));
    const bool at_once =
        idle || (device && begun && goes_beside(device->type, asked.name, asked.data));
    action.marked = row.is == ActionClass::harmless || (at_once && device && can_act(*device));
    row.state = action.marked && row.is != ActionClass::harmless ? ActionState::running
                                                                 : ActionState::waiting;
    if (at_once || body.size() <= k_memory_body) action.data = asked.data;
    book.add(row);
    count_in(row);
    ++counts.accepted;
    frame.devices.insert(row.device);
    frame.rows.push_back({RowChange::What::insert, row, body});
    frame.actions.push_back(std::move(action));
}

bool Inbox::State::make_room(Frame& frame, std::size_t bytes) {
    while (held >= k_most_actions || held_bytes + bytes > k_most_bytes) {
        if (harmless.empty()) return false;
        const auto [number, device] = *harmless.begin();
        harmless.erase(harmless.begin());
        auto& items = queues[device].items;
        const auto at = std::find_if(items.begin(), items.end(),
                                     [n = number](const auto& one) { return one.row.number == n; });
        if (at == items.end() || (at == items.begin() && queues[device].busy)) continue;
        const ActionRow row = at->row;
        items.erase(at);
        ++counts.refused;
        say(row, "error",
            "The box had too many actions waiting, so this question to the device was left out: "
            "ask again.");
        count_out(row);
        book.forget(row.number);
        frame.rows.push_back({RowChange::What::erase, row, {}});
    }
    return true;
}

void Inbox::State::write_frame() {
    if (writing || frames.empty()) return;
    writing = true;
    Frame& frame = frames.front();
    std::map<std::string, std::optional<std::string>> values;
    if (frame.cursor > durable_id) values[std::string{k_cursor}] = std::to_string(frame.cursor);
    if (!frame.job) {
        for (auto& change : book.expire()) frame.rows.push_back(std::move(change));
        frame.job = ActionBook::job(std::exchange(frame.rows, {}));
    }
    with.store.write(
        frame.job,
        [weak = weak_from_this(), at = epoch](const Result<void>& written) {
            const auto self = weak.lock();
            if (!self || self->epoch != at) return;
            self->writing = false;
            if (written)
                self->frame_written();
            else
                self->frame_failed(written.error());
        },
        std::move(values));
}

void Inbox::State::frame_written() {
    Frame frame = std::move(frames.front());
    frames.pop_front();
    durable_id = std::max(durable_id, frame.cursor);
    std::vector<std::string> devices;
    for (QueuedAction& action : frame.actions) {
        --queues[action.row.device].incoming;
        devices.push_back(action.row.device);
        enqueue(std::move(action));
    }
    const auto keep = shared_from_this();
    for (const std::string& device : devices) pump(device);
    for (const Notification& message : frame.messages)
        guarded("message of the server", with.message)(message);
    if (frame.durable) guarded("notifications are durable", frame.durable)();
    write_frame();
}

void Inbox::State::frame_failed(const core::Error& error) {
    Frame& frame = frames.front();
    const auto wait =
        std::min(k_write_again * (1 << std::min(frame.failures, 5u)), k_write_again_most);
    if (++frame.failures == 1)
        core::log_error("odoo", "inbox.not_written",
                        {{"reason", error.text},
                         {"effect", "nothing more is taken from the server until it can be"}});
    write_again = with.timer(wait, guarded("writing down notifications", [weak = weak_from_this()] {
                                 if (const auto self = weak.lock()) self->write_frame();
                             }));
}

void Inbox::State::forget_server() {
    ++epoch;
    durable_id = 0;
    writing = false;
    write_again.reset();
    for (const Frame& frame : std::exchange(frames, {}))
        for (const QueuedAction& action : frame.actions) {
            --queues[action.row.device].incoming;
            count_out(action.row);
        }
    harmless.clear();
    for (auto& [device, queue] : queues) {
        // What has begun is seen to its end; its row is gone.
        while (queue.items.size() > (queue.running ? 1u : 0u)) {
            count_out(queue.items.back().row);
            queue.items.pop_back();
        }
        queue.busy = queue.running;
    }
    std::erase_if(queues, [](const auto& entry) { return entry.second.items.empty(); });
    book.forget_server();
    std::erase_if(unfinished, [](const ActionRow& row) { return row.from_server; });
}

InboxStatus Inbox::State::status() const {
    InboxStatus out = counts;
    out.running = beside.size();
    for (const auto& [device, queue] : queues) out.running += queue.running ? 1 : 0;
    out.waiting = held - std::min(held, out.running);
    out.waiting_bytes = held_bytes;
    const auto& browsers = once->counters();
    out.duplicates += browsers.duplicates;
    out.repeated += browsers.repeated;
    out.unsure += browsers.unsure;
    out.unwritten = browsers.unwritten;
    return out;
}

// ---- the outside ----------------------------------------------------------------------------------------------------

Inbox::Inbox(Setup setup) : state_(std::make_shared<State>(std::move(setup))) {
    state_->load();
}

Inbox::~Inbox() = default;

void Inbox::begin() {
    state_->begin();
}

void Inbox::take(std::vector<Notification> notifications, std::function<void()> durable) {
    state_->take(std::move(notifications), std::move(durable));
}

std::int64_t Inbox::last_id() const noexcept {
    return state_->durable_id;
}

core::Devices& Inbox::devices() noexcept {
    return *state_->once;
}

InboxStatus Inbox::status() const {
    return state_->status();
}

}  // namespace backplane::sync
