// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An interface that reports nonsense, too many devices, and then crashes, each time anew.
#include <csignal>
#include <string>

#include "kit.hpp"

namespace {

class BadInterface {
public:
    explicit BadInterface(kit::HostApi host) : host_(host) {}
    bp_status created() { return BP_OK; }
    bp_status start() {
        host_.bus->added(host_.host, kit::str(R"({"key":"nonsense","open":{"kind":"none"}})"), -1);
        host_.bus->added(host_.host, kit::str(R"({"key":"\u0007","bus":5})"), -1);
        host_.bus->added(host_.host, kit::str("[]"), -1);
        for (int i = 0; i < 300; ++i) {
            const std::string name = "zoo:" + std::to_string(i);
            host_.bus->added(
                host_.host,
                kit::str(R"({"key":")" + name + R"(","bus":"zoo","address":")" + name +
                         R"(","identifier":")" + name + R"(","open":{"kind":"none"}})"),
                -1);
        }
        std::uint64_t timer = 0;
        return host_.timer->start(
            host_.host, 20'000'000, 0,
            [](void*, std::uint64_t) {
                std::signal(SIGSEGV, SIG_DFL);
                std::raise(SIGSEGV);
            },
            nullptr, &timer);
    }
    void stop() {}
    bp_status probe() { return BP_E_UNSUPPORTED; }
    void cancel_probe() {}
    void interrupt() {}
    bp_status begin(const bp_action&) { return BP_E_UNSUPPORTED; }
    void cancel(std::uint64_t) {}

private:
    kit::HostApi host_;
};

}  // namespace

KIT_PLUGIN(BadInterface);
