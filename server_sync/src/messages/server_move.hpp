// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// May a server say by itself that its box belongs to another address from now on? Only to one of the same owner: whoever
// gets hold of a database for a moment must not be able to take the boxes of a shop with him.
#pragma once

#include <string_view>

namespace backplane::sync {

/// The hosts are the same, or lie in the same domain that somebody has registered: shop.example.com and odoo.example.com.
/// Not so below domains where everybody can have a name (odoo.com, dyndns.org, co.uk), nor for addresses and for names
/// without a domain. When in doubt: no, which means that somebody at the box is asked.
bool same_owner(std::string_view host, std::string_view other);

enum class Move { none, allowed, needs_consent };
/// Both are origins as ServerUrl::origin() writes them. From https to http is never allowed without consent.
Move judge_move(std::string_view from, std::string_view to);

}  // namespace backplane::sync
