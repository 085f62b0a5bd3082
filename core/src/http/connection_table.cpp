// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/connection_table.hpp"

namespace backplane::core {

ConnectionTable::Admission ConnectionTable::admit(const PeerAddress& address, Slot& slot) {
    if (address.family == PeerAddress::Family::local) return Admission::admitted;
    // The address first: it is the more useful answer for a client that has too many connections of
    // its own.
    if (const auto found = per_address_.find(address);
        (found == per_address_.end() ? 0 : found->second) >= most_per_address_) {
        return Admission::too_many_from_address;
    }
    if (total_ >= most_) return Admission::full;
    ++per_address_[address];
    ++total_;
    slot = Slot{*this, address};
    return Admission::admitted;
}

void ConnectionTable::Slot::release() noexcept {
    ConnectionTable* const table = std::exchange(table_, nullptr);
    if (table == nullptr) return;
    --table->total_;
    if (const auto found = table->per_address_.find(address_); found != table->per_address_.end()) {
        if (--found->second == 0) table->per_address_.erase(found);
    }
}

}  // namespace backplane::core
