// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The update that is cut, failed and killed: what a publisher sends, and what a box does with it from its first start to
// the end of its third release, in steps that can be taken up again at any of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crash/model_disk.hpp"
#include "crash/model_files.hpp"
#include "crash/model_vfs.hpp"
#include "support/bundle_maker.hpp"
#include "update/update_engine.hpp"

namespace backplane::crash {

/// Three releases of the bundle "acme", each under a root of its own and signed by two keys: the scale 1.0.0; the scale
/// 1.1.0, which is bad, with a display; the scale 1.2.0.
struct Publisher {
    Publisher();
    Bytes root;
    std::vector<Bytes> zips;  ///< of release 1, 2, 3
    core::bundle::Time now;
};

inline const std::string k_folder = "/box/updates";

/// An engine on a disk. What it answers with an error throws only where the text says so.
class Box {
public:
    /// All outlive it. `vfs` empty: SQLite's own.
    Box(const Publisher& publisher, core::DurableFiles& files, std::string vfs, std::string folder);

    core::Result<void> open();  ///< the engine before is gone first
    core::Result<void> start();
    void close() { engine_.reset(); }
    bool is_open() const { return engine_ != nullptr; }
    core::UpdateEngine& engine() { return *engine_; }
    const Publisher& publisher() const { return publisher_; }

    /// "acme_scale: 1.1.0 on trial (1), good 1.0.0; etag "1"": everything that must survive.
    std::string summary() const;
    /// What may not be, whatever was done before. Empty: all is well. Starts what is active, which counts as a start.
    std::vector<std::string> problems();

private:
    std::vector<std::string> start_problems();
    const Publisher& publisher_;
    core::UpdateEngine::Setup setup_;
    std::unique_ptr<core::UpdateEngine> engine_;
};

/// A box on a model disk.
struct ModelBox {
    ModelBox(const Publisher& publisher, ModelDisk& disk, std::uint64_t seed = 1)
        : files(disk), vfs(disk, seed), box(publisher, files, vfs.name(), k_folder) {}
    ModelFiles files;
    ModelVfs vfs;
    Box box;
};

struct Step {
    std::string name;
    std::function<core::Result<void>(Box&)> act;
    std::string then;  ///< the summary after it
};

/// The whole of it. The first step opens the box; each of the others finds it open.
const std::vector<Step>& update_steps();
/// The summary after so many steps; 0: of a box that nobody has started.
const std::string& summary_after(std::size_t steps);
/// Takes the update up again at `from`, on an open box.
core::Result<void> go_on(Box& box, std::size_t from);

/// The whole update on a disk of its own, with every step marked. Throws when a step fails or ends elsewhere.
Recording record_update(const Publisher& publisher, ModelDisk::Swallow swallow = {});
DiskImage empty_disk();

}  // namespace backplane::crash
