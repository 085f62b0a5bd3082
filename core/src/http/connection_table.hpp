// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Counts connections, in total and per address, and says who may come in.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>

#include "http/peer_address.hpp"

namespace backplane::core {

class ConnectionTable {
public:
    enum class Admission { admitted, full, too_many_from_address };

    /// A place in the table, given back when it is destroyed. The table outlives it.
    class Slot {
    public:
        Slot() = default;
        Slot(Slot&& other) noexcept
            : table_(std::exchange(other.table_, nullptr)), address_(other.address_) {}
        Slot& operator=(Slot&& other) noexcept {
            if (this != &other) {
                release();
                table_ = std::exchange(other.table_, nullptr);
                address_ = other.address_;
            }
            return *this;
        }
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        ~Slot() { release(); }
        void release() noexcept;

    private:
        friend class ConnectionTable;
        Slot(ConnectionTable& table, const PeerAddress& address) noexcept
            : table_(&table), address_(address) {}
        ConnectionTable* table_ = nullptr;
        PeerAddress address_;
    };

    ConnectionTable(std::size_t most, std::size_t most_per_address) noexcept
        : most_(most), most_per_address_(most_per_address) {}
    ConnectionTable(const ConnectionTable&) = delete;
    ConnectionTable& operator=(const ConnectionTable&) = delete;

    /// Local (Unix socket) peers are always admitted and not counted: the way in for the operator
    /// stays open.
    Admission admit(const PeerAddress& address, Slot& slot);

    std::size_t size() const noexcept { return total_; }
    /// Addresses with at least one connection; the table forgets the others.
    std::size_t addresses() const noexcept { return per_address_.size(); }

private:
    std::size_t most_;
    std::size_t most_per_address_;
    std::size_t total_ = 0;
    std::unordered_map<PeerAddress, std::size_t, PeerAddressHash> per_address_;
};

}  // namespace backplane::core
