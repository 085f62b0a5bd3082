// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A well-behaved driver: what the host must make possible.
#include <atomic>
#include <set>
#include <utility>

#include <unistd.h>

#include "kit.hpp"

namespace {

class Echo {
public:
    explicit Echo(kit::HostApi host) : host_(host) {}

    bp_status created() { return BP_OK; }
    bp_status start() {
        host_.device->describe(host_.host, kit::str(R"({"name":"Echo","type":"scale"})"));
        host_.device->report(host_.host, BP_DEVICE_READY, kit::str("it echoes"));
        if (const int fd = host_.device->fd(host_.host); fd >= 0) {
            host_.fd->watch(host_.host, fd, BP_FD_READ, &Echo::readable, this, &watch_);
        }
        return BP_OK;
    }
    void stop() {
        if (watch_ != 0) host_.fd->unwatch(host_.host, watch_);
        if (timer_ != 0) host_.timer->cancel(host_.host, timer_);
        for (const auto id : waiting_) host_.complete(id, BP_E_CANCELLED, {}, "stopped");
    }
    bp_status probe() {
        const bool mine = kit::view(host_.device->descriptor(host_.host)).find("\"echo\"") !=
                          std::string_view::npos;
        return host_.probe->finish(host_.host, mine ? BP_PROBE_CLAIM : BP_PROBE_NO_MATCH,
                                   kit::str(mine ? "it answered" : "it is something else"));
    }
    void cancel_probe() {}
    void interrupt() {}

    bp_status begin(const bp_action& action) {
        const auto name = kit::view(action.name);
        if (name == "echo") {
            const std::string result = R"({"data":)" + std::string{kit::view(action.data)} +
                                       R"(,"payload_bytes":)" +
                                       std::to_string(action.payload.size) + "}";
            return host_.complete(action.id, BP_OK, result);
        }
        if (name == "emit") return emit_payload(action);
        if (name == "refuse") return host_.fail(BP_E_BUSY, "the drawer is open: close it");
        if (name == "fail")
            return host_.complete(action.id, BP_E_NO_DEVICE, {}, "no paper: put in a new roll");
        if (name == "later") {
            waiting_.insert(action.id);
            host_.timer->start(host_.host, 5'000'000, 0, &Echo::later, this, &timer_);
            return BP_OK;
        }
        if (name == "never") {
            waiting_.insert(action.id);
            return BP_OK;
        }
        if (name == "work") {
            work_action_ = action.id;
            return host_.worker->submit(host_.host, &Echo::work, &Echo::worked, this);
        }
        if (name == "settings")
            return host_.complete(action.id, BP_OK, kit::view(host_.settings->get(host_.host)));
        return BP_E_UNSUPPORTED;
    }
    void cancel(std::uint64_t id) {
        if (waiting_.erase(id) != 0) host_.complete(id, BP_E_CANCELLED, {}, "cancelled by the box");
    }

private:
    bp_status emit_payload(const bp_action& action) {
        const bp_status status = host_.emit("copy", kit::view(action.data),
                                            bp_bytes{action.payload.data, action.payload.size});
        return host_.complete(action.id, status, "null");
    }
    static void readable(void* user, std::uint64_t, std::int32_t fd, std::uint32_t) {
        auto& self = *static_cast<Echo*>(user);
        char buffer[256];
        const auto got = ::read(fd, buffer, sizeof(buffer));
        if (got <= 0) {
            self.host_.fd->unwatch(self.host_.host, std::exchange(self.watch_, 0));
            self.host_.device->report(self.host_.host, BP_DEVICE_LOST,
                                      kit::str("the device was unplugged"));
            return;
        }
        self.host_.emit("read", R"({"bytes":)" + std::to_string(got) + "}");
    }
    static void later(void* user, std::uint64_t) {
        auto& self = *static_cast<Echo*>(user);
        self.timer_ = 0;
        for (const auto id : std::exchange(self.waiting_, {}))
            self.host_.complete(id, BP_OK, "\"later\"");
    }
    static void work(void* user) { static_cast<Echo*>(user)->done_ = 42; }
    static void worked(void* user) {
        auto& self = *static_cast<Echo*>(user);
        self.host_.complete(self.work_action_, BP_OK, std::to_string(self.done_.load()));
    }

    kit::HostApi host_;
    std::uint64_t watch_ = 0, timer_ = 0, work_action_ = 0;
    std::set<std::uint64_t> waiting_;
    std::atomic<int> done_ = 0;
};

}  // namespace

KIT_PLUGIN(Echo);
