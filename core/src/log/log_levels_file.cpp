// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "log/log_levels_file.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <span>
#include <utility>

#include "store/durable_files.hpp"
#include "util/json_members.hpp"

namespace backplane::core {

namespace json = boost::json;
using std::chrono::seconds;
using std::chrono::system_clock;

namespace {

constexpr std::size_t k_file_bytes = 256u << 10;
constexpr std::size_t k_most_levels = 200;
constexpr seconds k_longest{30 * 24 * 3600};

std::string folder_of(const std::string& file) {
    const auto slash = file.find_last_of('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
}

Result<void> write_durably(const std::string& file, const std::string& text) {
    const auto files = DurableFiles::posix();
    const std::string next = file + ".new";
    if (auto done = files->unlink(next); !done) return done;
    auto created = files->create(next);
    if (!created) return failure(created.error().code, created.error().text);
    if (auto done = (*created)->write(std::as_bytes(std::span{text})); !done) return done;
    if (auto done = (*created)->sync(); !done) return done;
    if (auto done = files->rename(next, file); !done) return done;
    return files->sync_directory(folder_of(file));
}

std::optional<std::int64_t> whole_number(const json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    return value && value->is_int64() ? std::optional{value->get_int64()} : std::nullopt;
}

}  // namespace

std::string to_text(const RememberedLevels& levels) {
    json::array entries;
    for (const RememberedLevel& level : levels.levels)
        entries.push_back(json::object{{"component", level.component},
                                       {"level", to_string(level.level)},
                                       {"left_s", level.left.count()}});
    return json::serialize(json::object{
               {"saved", std::chrono::floor<seconds>(levels.saved).time_since_epoch().count()},
               {"levels", std::move(entries)}}) +
           "\n";
}

Result<RememberedLevels> parse_levels(std::string_view text) {
    json::parse_options options;
    options.max_depth = 8;
    boost::system::error_code error;
    const json::value value = json::parse(text, error, {}, options);
    const auto* object = error ? nullptr : value.if_object();
    const auto saved = object ? whole_number(*object, "saved") : std::nullopt;
    const auto* levels = object ? object->if_contains("levels") : nullptr;
    if (!saved || !levels || !levels->is_array())
        return failure("logs.file", "it is not a list of log levels");

    RememberedLevels out;
    // Years that a clock can have, so that no difference of two overflows.
    out.saved = system_clock::time_point{
        seconds{std::clamp<std::int64_t>(*saved, -8'000'000'000, 8'000'000'000)}};
    for (const json::value& each : levels->get_array()) {
        if (!each.is_object() || out.levels.size() == k_most_levels) continue;
        RememberedLevel level;
        level.component = text_member(each.get_object(), "component");
        const auto left = whole_number(each.get_object(), "left_s");
        if (!parse_log_level(text_member(each.get_object(), "level"), level.level)) continue;
        if (!left || *left <= 0) continue;
        level.left = std::min(seconds{std::min<std::int64_t>(*left, k_longest.count())}, k_longest);
        out.levels.push_back(std::move(level));
    }
    return out;
}

Result<RememberedLevels> read_levels(const std::string& file) {
    const auto bytes = DurableFiles::posix()->read(file, k_file_bytes);
    if (!bytes) {
        if (bytes.error().code == "store.missing") return RememberedLevels{};
        return failure(bytes.error().code, bytes.error().text);
    }
    return parse_levels({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

LevelsWriter::LevelsWriter(std::string file) : shared_(std::make_shared<Shared>()) {
    shared_->file = std::move(file);
}

LevelsWriter::~LevelsWriter() {
    const bool done = flush(std::chrono::seconds{2});
    {
        const std::lock_guard lock{shared_->mutex};
        shared_->ending = true;
        shared_->changed.notify_all();
    }
    if (!thread_.joinable()) return;
    // A disk that hangs keeps the thread, not the box.
    if (done || [&] {
            std::unique_lock lock{shared_->mutex};
            return !shared_->writing;
        }())
        thread_.join();
    else
        thread_.detach();
}

void LevelsWriter::write(std::string text) {
    {
        const std::lock_guard lock{shared_->mutex};
        shared_->waiting = std::move(text);
        shared_->changed.notify_all();
    }
    if (!thread_.joinable()) thread_ = std::thread{[shared = shared_] { work(shared); }};
}

bool LevelsWriter::flush(std::chrono::milliseconds limit) {
    std::unique_lock lock{shared_->mutex};
    const bool idle = shared_->changed.wait_for(
        lock, limit, [&] { return !shared_->waiting && !shared_->writing; });
    return idle && shared_->problem.empty();
}

std::string LevelsWriter::problem() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->problem;
}

void LevelsWriter::work(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock{shared->mutex};
    for (;;) {
        shared->changed.wait(lock, [&] { return shared->waiting || shared->ending; });
        if (!shared->waiting) return;
        const std::string text = *std::exchange(shared->waiting, std::nullopt);
        shared->writing = true;
        lock.unlock();
        std::string problem;
        try {
            if (const auto written = write_durably(shared->file, text); !written)
                problem = written.error().text;
        } catch (const std::exception& error) {
            problem = error.what();
        }
        if (!problem.empty())
            log_error("log", "levels.not_saved", {{"file", shared->file}, {"reason", problem}});
        lock.lock();
        shared->problem = std::move(problem);
        shared->writing = false;
        shared->changed.notify_all();
        if (shared->ending && !shared->waiting) return;
    }
}

}  // namespace backplane::core
