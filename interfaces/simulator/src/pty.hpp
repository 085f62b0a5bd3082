// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A pseudo terminal as a serial line: one end is ours, the other one has a path that anybody can
// open.
#pragma once

#include <optional>
#include <string>

#include "backplane/host.hpp"
#include "backplane/unique_fd.hpp"

namespace backplane::simulator {

class Pty {
public:
    /// Raw mode: every byte goes through as it is. Throws sdk::Failure.
    explicit Pty(sdk::Host& host);

    int fd() const noexcept { return ours_.get(); }
    const std::string& path() const noexcept { return path_; }

private:
    void other_end_closed();

    std::string path_;
    sdk::UniqueFd ours_;
    // Kept open, so that the line is not hung up when a driver closes it: a cable stays in its
    // socket too.
    sdk::UniqueFd theirs_;
    sdk::UniqueFd inotify_;
    std::optional<sdk::FdWatch> closes_;
};

}  // namespace backplane::simulator
