// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A disk in memory that writes down, in one order, everything that was done to it.
//
// Purpose: from that log crash_states.hpp makes what a power cut could have left. The disk can also fail one call, or
// lose power in front of one. Both ways to it, DurableFiles and SQLite's VFS, end here. Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::crash {

using Bytes = std::vector<std::byte>;

/// What a file has at one time: shared by all disks and states that have it, never changed.
struct Content {
    explicit Content(Bytes given);
    const Bytes bytes;
    const std::uint64_t hash;
};
using ContentPtr = std::shared_ptr<const Content>;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept;
std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept;

/// What lies on a disk, by path.
struct DiskImage {
    std::set<std::string> folders;
    std::map<std::string, ContentPtr> files;
    std::uint64_t hash() const noexcept;
};

/// A file or folder itself, whatever its name.
using Node = std::uint32_t;
inline constexpr Node k_top = 0;

struct Tree {
    std::map<Node, std::map<std::string, Node>> folders{{k_top, {}}};
    std::map<Node, ContentPtr> files;
    DiskImage image() const;
};

/// One thing that was done to the disk.
struct Operation {
    enum class Kind {
        create,
        write,
        truncate,
        sync,
        rename,
        unlink,
        make_folder,
        remove_folder,
        sync_folder,
        mark,  ///< nothing on the disk: what was done up to here has been reported as done
    };
    Kind kind;
    Node node = 0;             ///< the file or folder that it is about
    Node folder = 0;           ///< that has the name
    std::string name{}, to{};  ///< of the entry; `to` of a rename
    std::uint64_t offset = 0;  ///< of a write; the new size of a truncate
    Bytes bytes{};             ///< of a write
    std::string path{};        ///< for people

    bool is_metadata() const noexcept;
    std::string text() const;
};

struct Recording {
    Tree before;
    std::vector<Operation> log;
};

class ModelDisk {
public:
    enum class Answer { done, missing, exists, not_empty, io, full };
    enum class Fault { io, full, power };
    /// A sync of this path that only claims to have happened: for mutants.
    using Swallow = std::function<bool(std::string_view path)>;

    explicit ModelDisk(const DiskImage& image = {});

    Answer create(const std::string& path, Node& node);
    Answer write(Node node, std::uint64_t offset, std::span<const std::byte> bytes);
    Answer truncate(Node node, std::uint64_t size);
    Answer sync(Node node);
    Answer rename(const std::string& from, const std::string& to);
    Answer unlink(const std::string& path);
    Answer make_folder(const std::string& path);
    Answer remove_folder(const std::string& path);
    Answer sync_folder(const std::string& path);

    Answer find(const std::string& path, Node& node) const;
    bool is_folder(Node node) const { return live_.folders.contains(node); }
    std::vector<std::string> names(Node folder) const;
    std::span<const std::byte> bytes(Node file) const;
    /// Counts as a call that may fail; by itself it does nothing.
    Answer reading();

    /// What was done so far has been reported as done.
    void mark();
    const Recording& recording() const { return recording_; }
    /// As a program sees it now, synced or not.
    DiskImage seen() const;

    /// The `at`-th call from now on fails (1: the next). "full" fails only where something is written.
    void fail(Fault fault, std::size_t at);
    /// No fault any more, power is on.
    void heal();
    bool fault_happened() const { return happened_; }
    std::size_t calls() const { return calls_; }
    Swallow swallow;

private:
    enum class Effect { reads, writes };
    Answer begin(Effect effect);
    Answer locate(const std::string& path, Node& folder, std::string& name) const;
    void note(Operation operation);
    Bytes& own(Node node);

    Tree live_;  ///< of files: names only; what they have is in data_
    std::map<Node, Bytes> data_;
    std::map<Node, std::string> paths_;
    std::map<Node, ContentPtr> shared_;  ///< until the first write to it
    Node next_ = 1;
    Recording recording_;
    std::size_t calls_ = 0, fail_at_ = 0;
    Fault fault_ = Fault::io;
    bool happened_ = false, off_ = false;
};

/// What the answer says in the words of DurableFiles: "store.missing", …
std::string_view code_of(ModelDisk::Answer answer) noexcept;

}  // namespace backplane::crash
