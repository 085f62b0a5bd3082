// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An engine on a folder of its own, bundles of a publisher that it trusts, and a clock that the test sets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/bundle_maker.hpp"
#include "support/temporary_folder.hpp"
#include "update/update_engine.hpp"

namespace backplane::core::testing {

using backplane::tests::BundleMaker;
using backplane::tests::bytes_of;
using backplane::tests::test_plugin;

/// The real disk, with one call that fails and as much room as the test says.
class FaultyFiles final : public DurableFiles {
public:
    int fail_at = 0;  ///< the first call is 1; 0: none
    int calls = 0;    ///< that change the disk
    std::string code = "store.io";
    std::uint64_t room = std::uint64_t{1} << 40;

    Result<std::unique_ptr<NewFile>> create(const std::string& path) override {
        if (fails()) return error("create");
        auto file = disk_->create(path);
        if (!file) return file;
        return std::unique_ptr<NewFile>{std::make_unique<File>(*this, std::move(*file))};
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        if (fails()) return error("rename");
        return disk_->rename(from, to);
    }
    Result<void> unlink(const std::string& path) override {
        if (fails()) return error("remove");
        return disk_->unlink(path);
    }
    Result<void> make_directory(const std::string& path) override {
        if (fails()) return error("make the folder");
        return disk_->make_directory(path);
    }
    Result<void> remove_directory(const std::string& path) override {
        if (fails()) return error("remove the folder");
        return disk_->remove_directory(path);
    }
    Result<void> sync_directory(const std::string& path) override {
        if (fails()) return error("sync the folder");
        return disk_->sync_directory(path);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return disk_->list(path);
    }
    Result<std::vector<std::byte>> read(const std::string& path, std::size_t most) override {
        return disk_->read(path, most);
    }
    Result<std::uint64_t> free_space(const std::string&) override { return room; }

private:
    class File final : public NewFile {
    public:
        File(FaultyFiles& files, std::unique_ptr<NewFile> file)
            : files_(files), file_(std::move(file)) {}
        Result<void> write(std::span<const std::byte> bytes) override {
            if (!files_.fails()) return file_->write(bytes);
            (void)file_->write(bytes.first(bytes.size() / 2)).has_value();
            return files_.error("write");
        }
        Result<void> sync() override {
            if (files_.fails()) return files_.error("sync");
            return file_->sync();
        }

    private:
        FaultyFiles& files_;
        std::unique_ptr<NewFile> file_;
    };

    bool fails() { return ++calls == fail_at; }
    Unexpected<Error> error(const std::string& what) const {
        return failure(code, "cannot " + what + ": this is the fault of the test");
    }

    std::unique_ptr<DurableFiles> disk_ = DurableFiles::posix();
};

class EngineTest : public ::testing::Test {
protected:
    EngineTest() {
        setup.folder = folder.file("updates");
        setup.files = &files;
        setup.policy.host = sdk::HostFacts::of_this_machine();
        setup.policy.host_version = "0.1.0";
        setup.pinned_roots["acme"] = maker.root();
        setup.clock = [this] { return now; };
        open();
    }

    /// As a start of the box does it: the old one is gone before.
    void open() {
        engine.reset();
        auto opened = UpdateEngine::open(setup);
        if (!opened) throw std::runtime_error{opened.error().text};
        engine = std::move(opened).value();
    }

    void put(const std::string& version) { maker.add(test_plugin(version + "/acme_scale.so")); }
    std::string hash(const std::string& version) const {
        BundleMaker other{"other"};
        other.add(test_plugin(version + "/acme_scale.so"));
        return other.sha256("acme_scale");
    }

    UpdateEngine::Acceptance offer(const bundle::Bytes& zip, const std::string& etag,
                                   bool forced = false) {
        auto accepted = engine->accept(zip, {etag, forced});
        if (!accepted) throw std::runtime_error{accepted.error().code + accepted.error().text};
        return std::move(accepted).value();
    }
    /// The next release has this version of the scale.
    UpdateEngine::Acceptance deliver(const std::string& version) {
        put(version);
        return deliver();
    }
    UpdateEngine::Acceptance deliver() {
        ++release;
        return offer(maker.zip(release), "\"etag-" + std::to_string(release) + "\"");
    }
    void try_it() {
        ok(engine->begin_preflight("acme_scale"));
        ok(engine->begin_trial("acme_scale"));
    }
    /// Delivered, tried, good.
    void install(const std::string& version) {
        deliver(version);
        try_it();
        ok(engine->confirm("acme_scale"));
    }

    PluginRecord record(const std::string& name = "acme_scale") const {
        const auto found = engine->plugin(name);
        if (!found) throw std::runtime_error{"no record of " + name};
        return *found;
    }
    /// "1.1.0 trial, good 1.0.0, staged 1.2.0".
    std::string summary(const std::string& name = "acme_scale") const {
        const PluginRecord r = record(name);
        std::string text = r.active ? r.active->version : "none";
        if (r.on_trial) text += " on trial";
        if (r.last_good) text += ", good " + r.last_good->version;
        if (r.staged) text += ", staged " + r.staged->version;
        for (const auto& each : r.quarantine) text += ", quarantined " + each.version;
        if (r.pinned) text += ", pinned";
        if (r.disabled) text += ", disabled";
        return text;
    }
    static std::vector<std::string> versions(const UpdateEngine::Start& start) {
        std::vector<std::string> list;
        for (const auto& each : start.run)
            list.push_back(each.build.name + ' ' + each.build.version);
        return list;
    }
    std::vector<std::string> started() {
        auto start = engine->start();
        if (!start) return {start.error().text};
        return versions(*start);
    }
    std::size_t blobs() const {
        const std::filesystem::directory_iterator all{setup.folder + "/blobs"};
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }
    std::string blob(const std::string& version) const {
        return setup.folder + "/blobs/" + hash(version);
    }
    template <typename T>
    static void ok(const Result<T>& result) {
        if (!result) throw std::runtime_error{result.error().code + ": " + result.error().text};
    }

    backplane::tests::TemporaryFolder folder;
    FaultyFiles files;
    BundleMaker maker{"acme"};
    bundle::Time now = maker.issued + std::chrono::hours{1};
    std::uint64_t release = 0;
    UpdateEngine::Setup setup;
    std::unique_ptr<UpdateEngine> engine;
};

}  // namespace backplane::core::testing
