// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/crash_states.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>

namespace backplane::crash {
namespace {

using Kind = Operation::Kind;
using Indices = std::vector<std::size_t>;

constexpr std::size_t k_plain = 4;           ///< choices: full, old, empty, torn in the middle
constexpr std::size_t k_files_together = 2;  ///< in all combinations of their choices

void apply_name(Tree& tree, const Operation& op) {
    const auto folder = tree.folders.find(op.folder);
    if (folder == tree.folders.end())
        return;  // never made durable: what is in it cannot be reached
    auto& entries = folder->second;
    const auto is_here = [&] {
        const auto entry = entries.find(op.name);
        return entry != entries.end() && entry->second == op.node;
    };
    switch (op.kind) {
        case Kind::create:
        case Kind::make_folder:
            entries[op.name] = op.node;
            break;
        case Kind::rename:
            if (is_here()) entries.erase(op.name);
            entries[op.to] = op.node;
            break;
        case Kind::unlink:
        case Kind::remove_folder:
            // Of the name as it was then; another file may have it in a disk that has lost what came between.
            if (is_here()) entries.erase(op.name);
            break;
        default:
            break;
    }
}

void apply_write(Bytes& bytes, const Operation& op, std::size_t most) {
    const auto at = static_cast<std::size_t>(op.offset);
    if (op.kind == Kind::truncate) {
        bytes.resize(at);
        return;
    }
    const std::size_t count = std::min(op.bytes.size(), most);
    if (count == 0) return;
    if (bytes.size() < at + count) bytes.resize(at + count);
    std::copy_n(op.bytes.begin(), count, bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

ContentPtr written_content(const std::vector<Operation>& log, const ContentPtr& durable,
                           const Indices& writes, Written how, std::uint64_t detail) {
    constexpr auto k_all = static_cast<std::size_t>(-1);
    Bytes bytes = durable->bytes;
    switch (how) {
        case Written::old:
            return durable;
        case Written::full:
            for (const std::size_t each : writes) apply_write(bytes, log[each], k_all);
            break;
        case Written::torn: {
            auto left = static_cast<std::size_t>(detail);
            for (const std::size_t each : writes) {
                if (left == 0) break;
                apply_write(bytes, log[each], left);
                left -= std::min(left, log[each].bytes.size());
            }
            break;
        }
        case Written::empty: {
            const std::size_t before = bytes.size();
            for (const std::size_t each : writes) apply_write(bytes, log[each], k_all);
            const std::size_t after = bytes.size();
            bytes = durable->bytes;
            bytes.resize(std::min(before, after));
            bytes.resize(after);
            break;
        }
        case Written::some:
            for (std::size_t i = 0; i < writes.size(); ++i) {
                if (i >= 64 || (detail >> i & 1) != 0) apply_write(bytes, log[writes[i]], k_all);
            }
            break;
    }
    return std::make_shared<const Content>(std::move(bytes));
}

struct Variant {
    Written how;
    std::uint64_t detail;
    ContentPtr content;
};

class Walk {
public:
    Walk(const Recording& recording, const Enumeration& how,
         const std::function<bool(const CrashState&)>& visit)
        : recording_(recording),
          how_(how),
          visit_(visit),
          random_(how.seed),
          durable_(recording.before) {}

    void run() {
        if (how_.first == 0 && !states(0)) return;
        const auto& log = recording_.log;
        for (std::size_t i = 0; i < log.size() && i < how_.last; ++i) {
            step(i, log[i]);
            if (i + 1 >= how_.first && !states(i + 1)) return;
        }
    }

private:
    void step(std::size_t index, const Operation& op) {
        switch (op.kind) {
            case Kind::mark:
                ++reported_;
                return;
            case Kind::write:
            case Kind::truncate:
                writes_[op.node].push_back(index);
                variants_.erase(op.node);
                return;
            case Kind::sync:
                if (const auto writes = writes_.find(op.node); writes != writes_.end()) {
                    auto& content = durable_.files[op.node];
                    content =
                        written_content(recording_.log, content, writes->second, Written::full, 0);
                    writes_.erase(writes);
                    variants_.erase(op.node);
                }
                if (how_.model == Model::ordered) keep([](const Operation&) { return true; });
                return;
            case Kind::sync_folder:
                keep([&](const Operation& each) {
                    return how_.model == Model::ordered || each.folder == op.node;
                });
                return;
            case Kind::create:
                durable_.files[op.node] = std::make_shared<const Content>(Bytes{});
                break;
            case Kind::make_folder:
                durable_.folders[op.node];
                break;
            default:
                break;
        }
        names_.push_back(index);
    }

    template <typename Which>
    void keep(Which&& which) {
        Indices left;
        for (const std::size_t each : names_) {
            if (which(recording_.log[each]))
                apply_name(durable_, recording_.log[each]);
            else
                left.push_back(each);
        }
        names_ = std::move(left);
    }

    bool states(std::size_t calls) {
        const std::size_t n = names_.size();
        std::vector<bool> kept(n, true);
        if (how_.model == Model::ordered) {
            for (std::size_t prefix = 0; prefix <= n; ++prefix) {
                for (std::size_t i = 0; i < n; ++i) kept[i] = i < prefix;
                if (!with_names(calls, kept)) return false;
            }
            return true;
        }
        if (n <= how_.all_subsets_to) {
            for (std::size_t mask = 0; mask < std::size_t{1} << n; ++mask) {
                for (std::size_t i = 0; i < n; ++i) kept[i] = (mask >> i & 1) != 0;
                if (!with_names(calls, kept)) return false;
            }
            return true;
        }
        for (std::size_t at = 0; at <= n; ++at) {
            for (const int shape : {0, 1, 2}) {
                for (std::size_t i = 0; i < n; ++i)
                    kept[i] = shape == 0 ? i < at : shape == 1 ? i != at : i == at;
                if (!with_names(calls, kept)) return false;
            }
        }
        for (std::size_t sample = 0; sample < how_.samples; ++sample) {
            for (std::size_t i = 0; i < n; ++i) kept[i] = (random_() & 1) != 0;
            if (!with_names(calls, kept)) return false;
        }
        return true;
    }

    bool with_names(std::size_t calls, const std::vector<bool>& kept) {
        CrashState state;
        state.calls = calls;
        state.reported = reported_;
        state.recording = &recording_;
        Tree tree = durable_;
        for (std::size_t i = 0; i < kept.size(); ++i) {
            (kept[i] ? state.names_kept : state.names_lost).push_back(names_[i]);
            if (kept[i]) apply_name(tree, recording_.log[names_[i]]);
        }
        std::vector<Node> pending;
        for (const auto& [node, writes] : writes_) pending.push_back(node);
        return with_data(state, tree, pending, 0);
    }

    bool with_data(CrashState& state, Tree& tree, const std::vector<Node>& pending,
                   std::size_t at) {
        if (pending.size() > k_files_together) return with_many_files(state, tree, pending);
        if (at == pending.size()) return visit(state, tree);
        const Node node = pending[at];
        // All choices for one file, beside the plain ones for the others.
        const auto& all = variants(node);
        const std::size_t count = at == 0 ? all.size() : std::min(all.size(), k_plain);
        for (std::size_t i = 0; i < count; ++i) {
            tree.files[node] = all[i].content;
            state.written.push_back({node, all[i].how, all[i].detail});
            const bool go_on = with_data(state, tree, pending, at + 1);
            state.written.pop_back();
            if (!go_on) return false;
        }
        return true;
    }

    /// Too many for all combinations: all of them alike, and each one differently from all others.
    bool with_many_files(CrashState& state, Tree& tree, const std::vector<Node>& pending) {
        const auto choose = [&](std::size_t file, std::size_t choice) {
            const auto& all = variants(pending[file]);
            const Variant& chosen = all[std::min(choice, all.size() - 1)];
            tree.files[pending[file]] = chosen.content;
            state.written[file] = {pending[file], chosen.how, chosen.detail};
        };
        state.written.resize(pending.size());
        for (std::size_t common = 0; common < k_plain; ++common) {
            for (std::size_t i = 0; i < pending.size(); ++i) choose(i, common);
            if (!visit(state, tree)) return false;
            for (std::size_t i = 0; i < pending.size(); ++i) {
                const std::size_t count = variants(pending[i]).size();
                for (std::size_t choice = 0; choice < count; ++choice) {
                    choose(i, choice);
                    if (!visit(state, tree)) return false;
                }
                choose(i, common);
            }
        }
        state.written.clear();
        return true;
    }

    bool visit(CrashState& state, const Tree& tree) {
        state.image = tree.image();
        return visit_(state);
    }

    const std::vector<Variant>& variants(Node node) {
        auto& known = variants_[node];
        if (!known.empty()) return known;
        const Indices& writes = writes_.at(node);
        std::set<std::uint64_t> seen;
        const auto add = [&](Written how, std::uint64_t detail) {
            auto content =
                written_content(recording_.log, durable_.files.at(node), writes, how, detail);
            if (seen.insert(content->hash).second)
                known.push_back({how, detail, std::move(content)});
        };
        std::uint64_t total = 0;
        for (const std::size_t each : writes) total += recording_.log[each].bytes.size();
        add(Written::full, 0);
        add(Written::old, 0);
        add(Written::empty, 0);
        add(Written::torn, total / 2);
        for (std::uint64_t part = 1; part < how_.torn_at; ++part)
            add(Written::torn, total * part / how_.torn_at);
        const std::size_t n = std::min<std::size_t>(writes.size(), 63);
        if (n <= how_.all_writes_to) {
            for (std::uint64_t mask = 0; mask < std::uint64_t{1} << n; ++mask)
                add(Written::some, mask);
            return known;
        }
        const std::uint64_t all = (std::uint64_t{1} << n) - 1;
        for (std::size_t i = 0; i < n; ++i) {
            add(Written::some, all >> (n - i));                  // the first ones
            add(Written::some, all & ~(std::uint64_t{1} << i));  // all but one
            add(Written::some, std::uint64_t{1} << i);           // one
        }
        for (std::size_t i = 0; i < how_.write_samples; ++i) add(Written::some, random_() & all);
        return known;
    }

    const Recording& recording_;
    const Enumeration& how_;
    const std::function<bool(const CrashState&)>& visit_;
    std::mt19937_64 random_;
    Tree durable_;
    Indices names_;                   ///< changes that no sync covers yet
    std::map<Node, Indices> writes_;  ///< the same of content
    std::map<Node, std::vector<Variant>> variants_;
    std::size_t reported_ = 0;
};

}  // namespace

std::string CrashState::text() const {
    constexpr std::array<std::string_view, 5> k_words{"full", "old", "empty", "torn after ",
                                                      "writes "};
    std::string text = "after " + std::to_string(calls) + " calls";
    if (calls > 0) text += " (" + recording->log[calls - 1].text() + ')';
    text += ", " + std::to_string(reported) + " steps reported";
    for (const std::size_t each : names_kept) text += "\n  kept: " + recording->log[each].text();
    for (const std::size_t each : names_lost) text += "\n  lost: " + recording->log[each].text();
    for (const auto& [node, how, detail] : written) {
        text += "\n  " + std::string{k_words.at(static_cast<std::size_t>(how))};
        if (how == Written::torn || how == Written::some) text += std::to_string(detail);
        text += ": ";
        for (const Operation& op : recording->log) {
            if (op.kind != Operation::Kind::write || op.node != node) continue;
            text += op.path;
            break;
        }
    }
    return text;
}

void for_each_crash_state(const Recording& recording, const Enumeration& how,
                          const std::function<bool(const CrashState&)>& visit) {
    Walk{recording, how, visit}.run();
}

}  // namespace backplane::crash
