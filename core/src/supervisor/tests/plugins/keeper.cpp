// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A driver that counts, and leaves its count to its successor: a text of digits, filled up with
// blanks to the "size" of its settings. What it does wrong, and where, stands in its settings too:
// {"do": "crash", "in": "save"}.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "kit.hpp"

namespace {

class Keeper {
public:
    static constexpr std::uint32_t k_state_version = BP_KEEPER_VERSION;

    explicit Keeper(kit::HostApi host)
        : host_(host), settings_(kit::view(host.settings->get(host.host))) {}

    bp_status created() { return BP_OK; }
    bp_status start() {
        host_.emit("began", R"({"count":)" + std::to_string(count_) + R"(,"restored":)" +
                                std::to_string(restored_) + "}");
        return at("start");
    }
    void stop() {
        for (const auto id : open_) host_.complete(id, BP_E_CANCELLED, {}, "stopped");
        open_.clear();
        at("stop");
    }
    bp_status probe() {
        return host_.probe->finish(host_.host, BP_PROBE_CLAIM,
                                   kit::str("restored: " + std::to_string(restored_)));
    }
    void cancel_probe() {}
    void interrupt() {
        interrupted_ = true;
        interrupted_.notify_all();
    }

    bp_status begin(const bp_action& action) {
        const auto name = kit::view(action.name);
        if (name == "talk") {
            for (int i = 0; i < 200; ++i) {
                host_.emit("counted", R"({"count":)" + std::to_string(++count_) + "}");
            }
            return host_.complete(action.id, BP_OK, std::to_string(count_));
        }
        if (name == "never") {
            open_.push_back(action.id);
            return BP_OK;
        }
        if (name == "work") {
            host_.worker->submit(host_.host, &Keeper::work, &Keeper::worked, this);
            return host_.complete(action.id, BP_OK, "null");
        }
        if (name == "forge") {
            forge();
            return host_.complete(action.id, BP_OK, "null");
        }
        return BP_E_UNSUPPORTED;
    }
    void cancel(std::uint64_t) {}

    bp_status save() {
        if (const bp_status status = at("save"); status != BP_OK) return status;
        std::string state = std::to_string(count_);
        const std::size_t size = number("size");
        if (size != 0) state.resize(size - 1, ' ');
        if (size == 1) state.clear();
        // In two pieces, as a plug-in with two kinds of things to keep would do it.
        const std::size_t half = state.size() / 2;
        const bp_status first = put(std::string_view{state}.substr(0, half));
        const bp_status second = put(std::string_view{state}.substr(half));
        if (wants("do", "ignore_put")) return BP_OK;
        return first != BP_OK ? first : second;
    }
    bp_status restore(std::uint32_t version, bp_bytes bytes) {
        if (const bp_status status = at("restore"); status != BP_OK) return status;
        if (version == 0 || version > k_state_version) return BP_E_UNSUPPORTED;
        const std::string text(reinterpret_cast<const char*>(bytes.data), bytes.size);
        std::from_chars(text.data(), text.data() + text.size(), count_);
        restored_ = version;
        return BP_OK;
    }

private:
    bool wants(std::string_view key, std::string_view value) const {
        return settings_.find("\"" + std::string{key} + "\":\"" + std::string{value} + "\"") !=
               std::string::npos;
    }
    std::size_t number(std::string_view key) const {
        const std::string quoted = "\"" + std::string{key} + "\":";
        const auto found = settings_.find(quoted);
        std::size_t value = 0;
        if (found != std::string::npos) {
            std::from_chars(settings_.data() + found + quoted.size(),
                            settings_.data() + settings_.size(), value);
        }
        return value;
    }
    bp_status put(std::string_view text) {
        return host_.state->put(host_.host,
                                {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    bp_status at(std::string_view place) {
        if (!wants("in", place)) return BP_OK;
        if (wants("do", "crash")) std::raise(SIGSEGV);
        if (wants("do", "hang")) {
            for (;;) ::pause();
        }
        if (wants("do", "throw")) throw std::runtime_error{"this crosses the boundary"};
        if (wants("do", "fail")) return host_.fail(BP_E_IO, "the notebook is full");
        if (wants("do", "count")) ++count_;
        if (wants("do", "have_nothing")) return BP_E_UNSUPPORTED;
        if (wants("do", "put")) count_ = put("early") == BP_E_BAD_STATE ? 7 : 8;
        if (wants("do", "put_nowhere"))
            count_ = host_.state->put(host_.host, {nullptr, 5}) == BP_E_INVALID ? 7 : 8;
        if (wants("do", "arm")) {
            std::uint64_t id = 0;
            const bp_status timer = host_.timer->start(
                host_.host, 0, 0, [](void*, std::uint64_t) {}, nullptr, &id);
            const bp_status event = host_.emit("late", "{}");
            const bp_status work = host_.worker->submit(
                host_.host, [](void*) {}, [](void*) {}, nullptr);
            const bool refused =
                timer == BP_E_BAD_STATE && event == BP_E_BAD_STATE && work == BP_E_BAD_STATE;
            count_ = refused ? 7 : 8;
        }
        return BP_OK;
    }

    static void work(void* user) { static_cast<Keeper*>(user)->interrupted_.wait(false); }
    static void worked(void* user) {
        auto& self = *static_cast<Keeper*>(user);
        self.count_ = 4711;
        self.at("work");
    }

    /// Says "quiesced" in the name of its host.
    void forge() const {
        constexpr std::string_view body = R"({"version":0})";
        unsigned char packet[32 + body.size()]{'B', 'P', 'H', 1, 82};
        const std::uint32_t size = body.size();
        const std::uint64_t instance = 1;
        std::memcpy(packet + 8, &size, sizeof(size));
        std::memcpy(packet + 16, &instance, sizeof(instance));
        std::memcpy(packet + 32, body.data(), body.size());
        for (int fd = 3; fd < 64; ++fd) {
            int type = 0;
            socklen_t length = sizeof(type);
            if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
                type == SOCK_SEQPACKET) {
                (void)::send(fd, packet, sizeof(packet), 0);
            }
        }
    }

    kit::HostApi host_;
    std::string settings_;
    std::vector<std::uint64_t> open_;
    std::atomic<bool> interrupted_ = false;
    int count_ = 0;
    std::uint32_t restored_ = 0;
};

}  // namespace

KIT_PLUGIN(Keeper);
