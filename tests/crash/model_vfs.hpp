// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// SQLite's way to the disk in memory, with the syncs that its own one for Unix makes.
//
// A file is opened once at a time, so its locks have nobody to keep out, and the index of the write-ahead log lives in
// memory: after a power cut SQLite makes it anew in any case. Random numbers and times are always the same, so that one
// state of the disk has one future. Thread: one.
#pragma once

#include <memory>
#include <string>

#include "crash/model_disk.hpp"

namespace backplane::crash {

class ModelVfs {
public:
    /// `disk` outlives it, and it outlives all databases that were opened through it.
    /// What SQLite takes for random follows from `seed`.
    explicit ModelVfs(ModelDisk& disk, std::uint64_t seed = 1);
    ~ModelVfs();
    ModelVfs(const ModelVfs&) = delete;
    ModelVfs& operator=(const ModelVfs&) = delete;

    const std::string& name() const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::crash
