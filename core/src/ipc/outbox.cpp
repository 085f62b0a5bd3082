// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/outbox.hpp"

namespace backplane::core::ipc {

Outbox::Outcome Outbox::push(OutgoingFrame frame, Importance importance) {
    const std::lock_guard lock{mutex_};
    if (gone_) return Outcome::gone;
    Outcome outcome = Outcome::waiting;
    if (waiting_.empty()) {
        switch (send_frame(socket_, frame)) {
            case Sent::sent:
                return Outcome::sent;
            case Sent::blocked:
                break;
            case Sent::starved:
                outcome = Outcome::starved;
                break;
            case Sent::gone:
            case Sent::failed:
                gone_ = true;
                return Outcome::gone;
        }
    }
    const std::size_t after = waiting_bytes_ + frame.bytes();
    if (importance == Importance::droppable &&
        (after > limits_.droppable_bytes || waiting_.size() >= limits_.droppable_frames)) {
        // One large frame on its own may wait: it is over the limit for the queue, not over the
        // limit for a frame.
        if (!waiting_.empty()) return Outcome::full;
    }
    if (importance != Importance::droppable && after > limits_.bytes && !waiting_.empty())
        return Outcome::full;
    waiting_bytes_ = after;
    if (importance == Importance::urgent) {
        waiting_.push_front(std::move(frame));
    } else {
        waiting_.push_back(std::move(frame));
    }
    return outcome;
}

Outbox::Outcome Outbox::send_waiting() {
    while (!waiting_.empty()) {
        switch (send_frame(socket_, waiting_.front())) {
            case Sent::sent:
                waiting_bytes_ -= waiting_.front().bytes();
                waiting_.pop_front();
                break;
            case Sent::blocked:
                return Outcome::waiting;
            case Sent::starved:
                return Outcome::starved;
            case Sent::gone:
            case Sent::failed:
                gone_ = true;
                waiting_.clear();
                waiting_bytes_ = 0;
                return Outcome::gone;
        }
    }
    return Outcome::sent;
}

Outbox::Outcome Outbox::flush() {
    const std::lock_guard lock{mutex_};
    return gone_ ? Outcome::gone : send_waiting();
}

std::size_t Outbox::waiting_bytes() const {
    const std::lock_guard lock{mutex_};
    return waiting_bytes_;
}

}  // namespace backplane::core::ipc
