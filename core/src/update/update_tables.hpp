// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The tables of state.db, and a Snapshot as their rows.
//
// Rows become paths (hashes, folders of documents), so what is read is checked as if a stranger had written it: a row
// that cannot be one of ours is "store.damaged".
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "update/update_state.hpp"

namespace backplane::core {

struct UpdateTable {
    std::string_view name;
    std::size_t keys = 1;  ///< so many columns identify a row
    std::span<const std::string_view> columns;
    std::string_view numbers;  ///< one letter a column: 'n' is a number, 't' a text
    bool is_number(std::size_t column) const { return numbers[column] == 'n'; }
};

using UpdateCell = std::variant<std::int64_t, std::string>;
using UpdateCells = std::vector<UpdateCell>;

enum class UpdateTableId { box, bundle, vendor, withdrawn, documents, plugin, build, quarantine };
inline constexpr std::size_t k_update_table_count = 8;
extern const std::array<UpdateTable, k_update_table_count> k_update_tables;
extern const std::array<std::string_view, 1> k_update_schema;

using UpdateRows = std::array<std::set<UpdateCells>, k_update_table_count>;
UpdateRows rows_of(const Snapshot& snapshot);
Result<Snapshot> snapshot_of(const UpdateRows& rows);

}  // namespace backplane::core
