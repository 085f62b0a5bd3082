// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A folder of its own, a main loop, and a store in it that can lose its power.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "store/sync_store.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::sync::test {

/// Runs the loop until this is true; false after a time that no healthy machine needs.
inline bool run_until(boost::asio::io_context& loop, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!done()) {
        loop.restart();
        if (loop.run_one_for(std::chrono::milliseconds{5}) == 0 &&
            std::chrono::steady_clock::now() > end)
            return false;
    }
    return true;
}

/// A box whose memory is a real file.
class AStoreBox : public ::testing::Test {
protected:
    void start() { store = SyncStore::open(loop, folder.file("odoo.db")); }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
    /// Everything that was asked for until now is on the disk, and its callbacks have come.
    ::testing::AssertionResult written() {
        bool done = false;
        store->write({}, [&done](const core::Result<void>&) { done = true; });
        if (until([&done] { return done; })) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure() << "the store did not answer";
    }
    /// One value of the database as it is on the disk.
    std::string on_disk(const std::string& sql) {
        std::string out;
        const auto read = store->read([&](core::Database& database) -> core::Result<void> {
            auto query = database.prepare(sql);
            if (!query) return core::Unexpected<core::Error>{query.error()};
            const auto row = query->step();
            if (!row) return core::Unexpected<core::Error>{row.error()};
            out = *row ? query->text(0) : "nothing";
            return {};
        });
        return read ? out : read.error().text;
    }

    backplane::tests::TemporaryFolder folder;
    boost::asio::io_context loop;
    std::unique_ptr<SyncStore> store;
};

}  // namespace backplane::sync::test
