// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The public names of devices: the same physical device keeps its name, and no two devices share one.
//
// A database knows a device by its identifier, which for a serial port is the port's path; but ports are numbered in the
// order of plugging. So the name that a stable id got first is remembered and given again, whatever the port is called
// today. A device whose own name is taken (its remembered owner has come back elsewhere) gets "_2", "_3", ….
#pragma once

#include <functional>
#include <set>
#include <string>

namespace backplane::core {

class IdentifierBook {
public:
    /// What was remembered for a stable id before, or empty.
    using Recall = std::function<std::string(const std::string& stable_id)>;

    explicit IdentifierBook(Recall recall) : recall_(std::move(recall)) {}

    /// Takes a name for a device that has appeared; it is in use until give_back().
    std::string take(const std::string& stable_id, const std::string& natural);
    void give_back(const std::string& identifier) { in_use_.erase(identifier); }

private:
    Recall recall_;
    std::set<std::string, std::less<>> in_use_;
};

}  // namespace backplane::core
