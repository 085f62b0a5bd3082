// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A well-behaved interface: finds one plain device and one that it has opened itself.
#include <fcntl.h>
#include <unistd.h>

#include "kit.hpp"

namespace {

class Finder {
public:
    explicit Finder(kit::HostApi host) : host_(host) {}
    bp_status created() { return BP_OK; }
    bp_status start() {
        host_.bus->added(host_.host, kit::str(R"({"key":"a","open":{"kind":"none"}})"), -1);
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        host_.bus->added(host_.host, kit::str(R"({"key":"b","open":{"kind":"fd"}})"), fd);
        ::close(fd);
        return host_.bus->settled(host_.host);
    }
    void stop() {}
    bp_status probe() { return BP_E_UNSUPPORTED; }
    void cancel_probe() {}
    void interrupt() {}
    bp_status begin(const bp_action& action) {
        const bool first = host_.bus->removed(host_.host, kit::str("a")) == BP_OK;
        const bool second = host_.bus->removed(host_.host, kit::str("a")) == BP_OK;
        return host_.complete(action.id, first && !second ? BP_OK : BP_E_INTERNAL, "null");
    }
    void cancel(std::uint64_t) {}

private:
    kit::HostApi host_;
};

}  // namespace

KIT_PLUGIN(Finder);
