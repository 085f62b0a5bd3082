// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One request to a device (or to an interface): completed exactly once, at the latest when it is destroyed.
#pragma once

#include "backplane/host.hpp"

#include <span>

namespace backplane::sdk {

using ActionId = std::uint64_t;

class Action {
public:
    Action(Host& host, const bp_action& action)
        : host_(&host),
          table_(&host.require<bp_host_actions>(BP_EXT_ACTIONS)),
          id_(action.id),
          name_(view(action.name)),
          data_(Host::parse_object(view(action.data), "data of an action")),
          payload_(action.payload.data, action.payload.size),
          deadline_(std::chrono::nanoseconds{static_cast<std::int64_t>(action.deadline_ns)}) {}
    Action(Action&& other) noexcept
        : host_(std::exchange(other.host_, nullptr)),
          table_(other.table_),
          id_(other.id_),
          name_(std::move(other.name_)),
          data_(std::move(other.data_)),
          payload_(other.payload_),
          deadline_(other.deadline_) {}
    Action& operator=(Action&& other) noexcept {
        if (this != &other) {
            drop();
            host_ = std::exchange(other.host_, nullptr);
            table_ = other.table_;
            id_ = other.id_;
            name_ = std::move(other.name_);
            data_ = std::move(other.data_);
            payload_ = other.payload_;
            deadline_ = other.deadline_;
        }
        return *this;
    }
    Action(const Action&) = delete;
    Action& operator=(const Action&) = delete;
    ~Action() { drop(); }

    ActionId id() const noexcept { return id_; }
    const std::string& name() const noexcept { return name_; }
    const json::object& data() const noexcept { return data_; }
    /// Raw bytes that came along; valid until the action is completed.
    std::span<const std::uint8_t> payload() const noexcept { return payload_; }
    /// The host cancels the action when this has passed.
    TimePoint deadline() const noexcept { return deadline_; }
    bool open() const noexcept { return host_ != nullptr; }

    void succeed(const json::value& result = nullptr) {
        complete(BP_OK, json::serialize(result), {});
    }
    /// `message` is for people.
    void fail(bp_status status, std::string_view message) { complete(status, {}, message); }

private:
    void complete(bp_status status, std::string_view result, std::string_view message) {
        if (Host* host = std::exchange(host_, nullptr))
            table_->complete(host->raw(), id_, status, view(result), view(message));
    }
    void drop() noexcept {
        if (!host_) return;
        // begin() is failing by an exception: its status is the answer, and there must not be a second one.
        if (host_->beginning_action == id_ && std::uncaught_exceptions() > 0)
            host_ = nullptr;
        else
            complete(BP_E_INTERNAL, {}, "the driver dropped the action without an answer");
    }

    Host* host_;
    const bp_host_actions* table_;
    ActionId id_ = 0;
    std::string name_;
    json::object data_;
    std::span<const std::uint8_t> payload_;
    TimePoint deadline_{};
};

}  // namespace backplane::sdk
