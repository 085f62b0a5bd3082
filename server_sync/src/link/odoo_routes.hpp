// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// /api/v1/odoo and /api/v1/restart: the Odoo side in the box's own API, for the homepage, the CLI and
// scripts (docs/reference/http-api.md, "The Odoo side").
//
// Reading is open to the network and holds no secret. What changes something is a POST of JSON from
// this box's own pages or from a program (own_origin.hpp). After the link has gone: 503.
#pragma once

#include <memory>

#include "backplane/core/http.hpp"
#include "link/link_announcer.hpp"
#include "link/link_controls.hpp"

namespace backplane::sync {

struct LinkParts;

void install_odoo_routes(core::HttpRouter& router, LinkParts& parts);
void install_odoo_routes(core::HttpRouter& router, std::weak_ptr<LinkControls> controls);

}  // namespace backplane::sync
