// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// DurableFiles on the disk in memory: same answers and error codes as on a real one.
#pragma once

#include "crash/model_disk.hpp"
#include "store/durable_files.hpp"

namespace backplane::crash {

class ModelFiles final : public core::DurableFiles {
public:
    /// `disk` outlives it.
    explicit ModelFiles(ModelDisk& disk) : disk_(disk) {}

    core::Result<std::unique_ptr<NewFile>> create(const std::string& path) override;
    core::Result<void> rename(const std::string& from, const std::string& to) override;
    core::Result<void> unlink(const std::string& path) override;
    core::Result<void> make_directory(const std::string& path) override;
    core::Result<void> remove_directory(const std::string& path) override;
    core::Result<void> sync_directory(const std::string& path) override;
    core::Result<std::vector<std::string>> list(const std::string& path) override;
    core::Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) override;
    core::Result<std::uint64_t> free_space(const std::string& path) override;

private:
    ModelDisk& disk_;
};

}  // namespace backplane::crash
