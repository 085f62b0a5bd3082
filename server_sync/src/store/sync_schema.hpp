// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The tables of odoo.db. Append only: a box in the field has any of these versions.
#pragma once

#include <array>
#include <string_view>

namespace backplane::sync {

/// actions: one row for each action that is waiting or running, and for each id that is remembered.
///   origin 0: the server, 1: a browser; state and class as in actions/action_book.hpp; at: milliseconds since 1970 UTC
///   body: what the device is asked, JSON; empty as soon as it is not needed
/// outgoing: bodies of requests to the server that it has not taken yet, in the order of `number`.
inline constexpr std::array<std::string_view, 1> k_sync_schema{
    "CREATE TABLE settings (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT "
    "ROWID;"
    "CREATE TABLE actions (number INTEGER PRIMARY KEY, origin INTEGER NOT NULL, state INTEGER NOT "
    "NULL, class INTEGER NOT NULL, at INTEGER NOT NULL, device TEXT NOT NULL, id TEXT NOT NULL, "
    "name TEXT NOT NULL, session TEXT NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL) "
    "STRICT;"
    "CREATE TABLE outgoing (number INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, body TEXT NOT "
    "NULL) STRICT"};

}  // namespace backplane::sync
