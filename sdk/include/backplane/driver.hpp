// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Base class of a driver: one object serves one device.
//
//     class Scale : public backplane::sdk::Driver {
//     public:
//         using Driver::Driver;
//         void start() override;                               // talk to device_fd(), report_ready() when it answers
//         void stop() override;                                // optional
//         void action(backplane::sdk::Action action) override; // optional
//         void probe();                                        // optional: ends with claim() or no_match()
//         void cancel_probe();                                 // with probe(): leave no timer and no watch behind
//         void settings_changed();                             // optional
//         void interrupt() noexcept;                           // optional, any thread: end blocking work soon
//         static constexpr std::uint32_t k_state_version = 1;  // optional, with the next two: leave something to the
//         std::vector<std::uint8_t> save_state();              // one that takes over, mostly of another version;
//         bool restore_state(std::uint32_t version,            // after stop(), and before start(). False: a version
//                            std::span<const std::uint8_t>);   // that is not understood, start() as the first
//     };
//     BACKPLANE_DRIVER(Scale)
//
// Everything is called on one thread, the driver's. Throw Failure to refuse; any other exception is a bug and is reported
// as one. A callback may run for 50 ms; what blocks goes to run_on_worker().
#pragma once

#include "backplane/action.hpp"
#include "backplane/plugin.hpp"

namespace backplane::sdk {

class Driver {
public:
    explicit Driver(Host& host)
        : host_(host),
          device_(host.require<bp_host_device>(BP_EXT_DEVICE)),
          events_(host.require<bp_host_events>(BP_EXT_EVENTS)) {}
    virtual ~Driver() = default;
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    virtual void start() = 0;
    /// Afterwards no timer and no watch is left and the device is not touched.
    virtual void stop() {}
    /// Take the action over; complete it now or later.
    virtual void action(Action action) {
        action.fail(BP_E_UNSUPPORTED, "this device knows no action \"" + action.name() + "\"");
    }
    /// Complete this action soon: its deadline has passed or nobody wants the result any more.
    virtual void cancel(ActionId) {}

protected:
    Host& host() const noexcept { return host_; }

    /// What the interface said of the device: "bus", "address", "properties", …
    json::object descriptor() const {
        return Host::parse_object(view(device_.descriptor(host_.raw())), "descriptor");
    }
    /// The open device: non-blocking, owned by the host; -1 when nothing is opened for this kind of device.
    int device_fd() const noexcept { return device_.fd(host_.raw()); }

    void report_ready(std::string_view reason = {}) { report(BP_DEVICE_READY, reason); }
    /// It does not answer; this driver keeps trying.
    void report_unreachable(std::string_view reason) { report(BP_DEVICE_UNREACHABLE, reason); }
    /// The descriptor is dead. The host stops this object, opens the device anew and starts another one.
    void report_lost(std::string_view reason) { report(BP_DEVICE_LOST, reason); }
    /// This driver cannot serve the device.
    void report_failed(std::string_view reason) { report(BP_DEVICE_FAILED, reason); }

    /// What was learnt of the device: any of name, manufacturer, model, serial, type, subtype, firmware.
    void describe(const json::object& what) {
        const std::string text = json::serialize(what);
        check(device_.describe(host_.raw(), view(text)), "describing the device");
    }

    /// Tell everybody who listens.
    void emit(std::string_view kind, const json::object& data, std::uint32_t flags = 0,
              std::span<const std::uint8_t> payload = {}) {
        const std::string text = json::serialize(data);
        const bp_event event{
            sizeof(bp_event), flags, view(kind), view(text), {payload.data(), payload.size()}};
        check(events_.emit(host_.raw(), &event), "emitting an event");
    }

    // Of probe(): exactly one of the two, once.
    void claim(std::string_view reason = {}) { finish_probe(BP_PROBE_CLAIM, reason); }
    void no_match(std::string_view reason) { finish_probe(BP_PROBE_NO_MATCH, reason); }

private:
    void report(std::int32_t state, std::string_view reason) {
        check(device_.report(host_.raw(), state, view(reason)),
              "reporting the state of the device");
    }
    void finish_probe(std::int32_t verdict, std::string_view reason) {
        check(host_.require<bp_host_probe>(BP_EXT_PROBE).finish(host_.raw(), verdict, view(reason)),
              "finishing the probe");
    }

    Host& host_;
    const bp_host_device& device_;
    const bp_host_events& events_;
};

}  // namespace backplane::sdk

/// The entry of a driver plug-in: once, in one source file, with the class.
#define BACKPLANE_DRIVER(Class) BACKPLANE_PLUGIN_ENTRY(Class)
