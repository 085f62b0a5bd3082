// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "uplink/outgoing.hpp"

#include <algorithm>
#include <utility>

#include "backplane/core/log.hpp"
#include "browser/guarded.hpp"

namespace backplane::sync {

using core::Database;
using core::Error;
using core::Result;
using core::Unexpected;

namespace {

constexpr std::chrono::milliseconds k_disk_again{5'000};
constexpr unsigned k_writes = 64;
constexpr std::size_t k_in_one_write = 1'000;

Result<void> step(core::Statement& statement) {
    const auto done = statement.step();
    statement.reset();
    if (!done) return Unexpected<Error>{done.error()};
    return {};
}

}  // namespace

Outgoing::Outgoing(SyncStore& store, TimerFactory timer, std::size_t most, std::size_t most_bytes)
    : store_(store), timer_(std::move(timer)), most_(most), most_bytes_(most_bytes) {}

void Outgoing::load() {
    const auto read = store_.read([this](Database& database) -> Result<void> {
        auto query = database.prepare("SELECT number, bytes FROM outgoing ORDER BY number");
        if (!query) return Unexpected<Error>{query.error()};
        for (;;) {
            const auto row = query->step();
            if (!row) return Unexpected<Error>{row.error()};
            if (!*row) return {};
            const auto size = static_cast<std::size_t>(std::max<std::int64_t>(query->number(1), 0));
            items_.push_back(Item{query->number(0), size, nullptr, true});
            bytes_ += size;
        }
    });
    if (!read) core::log_error("odoo", "uplink.not_read", {{"reason", read.error().text}});
    if (!items_.empty()) next_ = items_.back().number + 1;
    last_queued_ = next_ - 1;
    // The limits may have been others then.
    while (!items_.empty() && (items_.size() > most_ || bytes_ > most_bytes_))
        erase(items_.begin());
    flush();
}

std::size_t Outgoing::push(std::string body) {
    if (body.size() > most_bytes_) return 1;
    std::size_t gone = 0;
    while (!items_.empty() && (items_.size() >= most_ || bytes_ + body.size() > most_bytes_)) {
        erase(items_.begin());
        ++gone;
    }
    bytes_ += body.size();
    const std::size_t size = body.size();
    items_.push_back(
        Item{next_++, size, std::make_shared<const std::string>(std::move(body)), false});
    flush();
    return gone;
}

std::deque<Outgoing::Item>::iterator Outgoing::find(std::int64_t number) {
    const auto at =
        std::lower_bound(items_.begin(), items_.end(), number,
                         [](const Item& item, std::int64_t n) { return item.number < n; });
    return at != items_.end() && at->number == number ? at : items_.end();
}

void Outgoing::erase(std::deque<Item>::iterator item) {
    bytes_ -= item->bytes;
    if (item->saved || item->number <= last_queued_) to_erase_.push_back(item->number);
    items_.erase(item);
}

void Outgoing::remove(std::int64_t number) {
    const auto item = find(number);
    if (item == items_.end()) return;
    erase(item);
    flush();
}

void Outgoing::forget() {
    ++epoch_;
    items_.clear();
    to_erase_.clear();
    bytes_ = 0;
    writes_ = 0;
    reading_ = false;
    again_.reset();
    read_again_.reset();
    last_queued_ = next_ - 1;
}

void Outgoing::flush() {
    if (writes_ >= k_writes || again_) return;
    std::vector<std::pair<std::int64_t, Body>> inserts;
    // Those that are not written yet are the youngest.
    auto at = std::lower_bound(
        items_.begin(), items_.end(), last_queued_ + 1,
        [](const Item& item, std::int64_t number) { return item.number < number; });
    for (; at != items_.end() && inserts.size() < k_in_one_write; ++at)
        inserts.emplace_back(at->number, at->body);
    if (inserts.empty() && to_erase_.empty()) return;
    ++writes_;
    if (!inserts.empty()) last_queued_ = inserts.back().first;
    auto erased = std::exchange(to_erase_, {});
    std::vector<std::int64_t> inserted;
    for (const auto& [number, body] : inserts) inserted.push_back(number);
    store_.write(
        [inserts = std::move(inserts), erased](Database& database) -> Result<void> {
            auto insert = database.prepare(
                "INSERT OR REPLACE INTO outgoing (number, bytes, body) VALUES (?1, ?2, ?3)");
            if (!insert) return Unexpected<Error>{insert.error()};
            auto remove = database.prepare("DELETE FROM outgoing WHERE number = ?1");
            if (!remove) return Unexpected<Error>{remove.error()};
            for (const auto& [number, body] : inserts) {
                insert->bind(1, number);
                insert->bind(2, static_cast<std::int64_t>(body->size()));
                insert->bind(3, *body);
                if (auto done = step(*insert); !done) return done;
            }
            for (const std::int64_t number : erased) {
                remove->bind(1, number);
                if (auto done = step(*remove); !done) return done;
            }
            return {};
        },
        [weak = weak_from_this(), inserted, erased, epoch = epoch_](const Result<void>& result) {
            const auto self = weak.lock();
            if (self && self->epoch_ == epoch) self->flushed(inserted, erased, result);
        });
}

void Outgoing::flushed(const std::vector<std::int64_t>& inserted, std::vector<std::int64_t> erased,
                       const Result<void>& result) {
    --writes_;
    if (!result) {
        // Once more, all of it; what has gone meanwhile is in to_erase_, which does no harm.
        if (!inserted.empty()) last_queued_ = std::min(last_queued_, inserted.front() - 1);
        to_erase_.insert(to_erase_.end(), erased.begin(), erased.end());
        core::log_warning("odoo", "uplink.not_written", {{"reason", result.error().text}});
        again_ = timer_(k_disk_again, guarded("uplink to disk", [weak = weak_from_this()] {
                            const auto self = weak.lock();
                            if (!self) return;
                            const auto keep = std::exchange(self->again_, {});
                            self->flush();
                        }));
        return;
    }
    for (const std::int64_t number : inserted) {
        const auto item = find(number);
        if (item == items_.end()) continue;
        item->saved = true;
        if (item - items_.begin() >= static_cast<std::ptrdiff_t>(k_in_memory) ||
            item->bytes > k_body_in_memory)
            item->body.reset();
    }
    flush();
}

std::optional<Outgoing::Body> Outgoing::body(std::function<void()> ready) {
    Item& first = items_.front();
    if (first.body) return first.body;
    if (reading_) return std::nullopt;
    reading_ = true;
    auto text = std::make_shared<std::string>();
    store_.write(
        [text, number = first.number](Database& database) -> Result<void> {
            auto query = database.prepare("SELECT body FROM outgoing WHERE number = ?1");
            if (!query) return Unexpected<Error>{query.error()};
            query->bind(1, number);
            const auto row = query->step();
            if (!row) return Unexpected<Error>{row.error()};
            if (*row) *text = query->text(0);
            return {};
        },
        [weak = weak_from_this(), text, number = first.number, epoch = epoch_,
         ready = std::move(ready)](const Result<void>& result) {
            const auto self = weak.lock();
            if (!self || self->epoch_ != epoch) return;
            if (!result) {
                core::log_warning("odoo", "uplink.not_read", {{"reason", result.error().text}});
                self->read_again_ =
                    self->timer_(k_disk_again, guarded("uplink from disk", [weak, ready] {
                                     if (const auto still = weak.lock()) still->reading_ = false;
                                     ready();
                                 }));
                return;
            }
            self->reading_ = false;
            if (const auto item = self->find(number); item != self->items_.end())
                item->body = std::make_shared<const std::string>(std::move(*text));
            ready();
        });
    return std::nullopt;
}

}  // namespace backplane::sync
