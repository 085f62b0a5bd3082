// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the routes of Odoo's browsers get of the Odoo side of the box: nothing, or its controls for as
// long as they live.
#pragma once

#include <memory>
#include <utility>

namespace backplane::sync {

class OdooLink;
struct LinkControls;

class LinkAccess {
public:
    LinkAccess() = default;
    /// An attached link; null: none. Implicit, so that a link stands where one is asked for.
    LinkAccess(OdooLink* link);
    explicit LinkAccess(std::weak_ptr<LinkControls> controls) : controls_(std::move(controls)) {}

    /// Null without a link, and after it has gone.
    std::shared_ptr<LinkControls> get() const { return controls_.lock(); }

private:
    std::weak_ptr<LinkControls> controls_;
};

}  // namespace backplane::sync
