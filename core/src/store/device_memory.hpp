// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the box remembers of its devices from one start to the next.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace backplane::core {

struct RememberedDevice {
    std::string
        stable_id;  ///< the same physical device after re-plugging or a restart; 1 to 512 bytes
    std::string identifier;  ///< the public name that it had; up to 512 bytes
    std::string driver;      ///< name of the driver that served it; up to 64 bytes
    std::chrono::system_clock::time_point last_seen{};
};

/// Purpose: a device keeps its public name and its driver over restarts. Everything lies in memory;
/// a worker thread writes changes behind, several at a time, to `state_dir`/backplane.db. Owner:
/// main(). Thread: any.
///
/// Failure: never an error of a call. A damaged database is set aside and a new one begun; a disk
/// that is full or may not be written costs durability only: one error in the log, and the worker
/// tries again until it works.
class DeviceMemory {
public:
    struct Options {
        std::size_t most_devices =
            10'000;  ///< beyond this the one that was seen longest ago is forgotten
        std::chrono::milliseconds gather{200};  ///< changes within this time go into one commit
        std::chrono::minutes seen_precision{
            60};  ///< a newer last_seen alone is not worth a write before that
        std::chrono::milliseconds first_retry{1'000};  ///< after a failed write; doubled each time
        std::chrono::milliseconds longest_retry{60'000};
    };

    /// Reads everything: blocks on the disk.
    explicit DeviceMemory(std::string state_dir) : DeviceMemory(std::move(state_dir), Options{}) {}
    DeviceMemory(std::string state_dir, Options options);
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    /// close() with 2 seconds.
    ~DeviceMemory();

    /// See box_identity.hpp. The same during the life of this object.
    const std::string& box_identity() const noexcept { return box_identity_; }

    std::optional<RememberedDevice> find(std::string_view stable_id) const;
    /// In the order of their stable ids.
    std::vector<RememberedDevice> all() const;

    /// Adds or replaces, without waiting for the disk. Those of one call are on the disk all or
    /// none. Too long or empty ids are logged and left out.
    void remember(const RememberedDevice& device) { remember(std::span{&device, 1}); }
    void remember(std::span<const RememberedDevice> devices);
    void forget(std::string_view stable_id);

    /// Waits until all changes made so far are on the disk. False: not within this time, or the
    /// disk does not allow it.
    bool flush(std::chrono::milliseconds deadline);

    /// Writes what is left and ends. False when it was not done in time; the rest is then lost, as
    /// in a power cut. Changes from then on do nothing. For the owner only.
    bool close(std::chrono::milliseconds deadline);

    /// False while changes cannot be written.
    bool durable() const;

private:
    struct Shared;
    // Two owners: this object, and the worker thread, which is left behind when the disk hangs in a
    // commit at close().
    std::shared_ptr<Shared> shared_;
    std::string box_identity_;
    std::thread worker_;
};

}  // namespace backplane::core
