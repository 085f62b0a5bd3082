// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The whole box put together: the only place that sees both core and what speaks Odoo.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>

#include "backplane/core/result.hpp"
#include "options.hpp"

namespace backplane::daemon {

class Box {
public:
    /// Reads the configuration and the plug-ins, opens the sockets and starts the interfaces. An error says what is
    /// wrong; its code begins with "config." when the user's configuration is at fault.
    static core::Result<std::unique_ptr<Box>> start(boost::asio::io_context& loop,
                                                    const Options& options);
    ~Box();

    /// Let answers and drivers finish, write what is to be remembered, then end the loop.
    void stop();
    /// A browser or the database has asked for a restart: after stop(), main() runs the program anew.
    bool restart_wanted() const;

private:
    struct Parts;
    explicit Box(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace backplane::daemon
