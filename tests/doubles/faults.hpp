// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is wrong with the server at the moment: as a whole, or with one of its routes.
//
// Thread: any.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace backplane::tests {

struct Fault {
    enum class Kind {
        none,
        refuse,  ///< of the whole: nobody listens, what was connected is cut
        reset,   ///< connections are reset; the request is not processed
        black_hole,  ///< accepted, then silence; existing WebSockets are frozen. It goes on when the fault ends,
                     ///< except for who has left meanwhile: their bytes count as never arrived
        slow,         ///< processed, and answered `delay` later; on a WebSocket: each frame
        half,         ///< processed, and half of the answer's body (or of the frame), then the end
        lost_answer,  ///< processed, and the connection is reset instead of an answer
        wrong_json,  ///< processed, and answered with broken JSON; a WebSocket gets a broken frame before each right one
        page,  ///< not processed: an HTML page with `status`, as proxies send it
    };
    Kind kind = Kind::none;
    std::chrono::milliseconds delay{0};
    int status = 0;

    static Fault refuse() { return {Kind::refuse, {}, 0}; }
    static Fault reset() { return {Kind::reset, {}, 0}; }
    static Fault black_hole() { return {Kind::black_hole, {}, 0}; }
    static Fault slow(std::chrono::milliseconds delay) { return {Kind::slow, delay, 0}; }
    static Fault half() { return {Kind::half, {}, 0}; }
    static Fault lost_answer() { return {Kind::lost_answer, {}, 0}; }
    static Fault wrong_json() { return {Kind::wrong_json, {}, 0}; }
    static Fault page(int status) { return {Kind::page, {}, status}; }
};

class Faults {
public:
    /// `path` empty: the whole server. A route's own fault goes before that of the whole.
    void set(const std::string& path, Fault fault) {
        const std::lock_guard lock(mutex_);
        faults_[path] = fault;
    }
    void clear(const std::string& path) {
        const std::lock_guard lock(mutex_);
        faults_.erase(path);
    }
    void clear() {
        const std::lock_guard lock(mutex_);
        faults_.clear();
    }
    Fault of(const std::string& path) const {
        const std::lock_guard lock(mutex_);
        if (const auto own = faults_.find(path); own != faults_.end()) return own->second;
        const auto whole = faults_.find("");
        return whole == faults_.end() ? Fault{} : whole->second;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Fault> faults_;  // guarded by mutex_
};

}  // namespace backplane::tests
