// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/model_files.hpp"

namespace backplane::crash {
namespace {

using Answer = ModelDisk::Answer;
using core::Result;

core::Unexpected<core::Error> failed(Answer answer, const std::string& attempted,
                                     const std::string& path) {
    return core::failure(std::string{code_of(answer)},
                         "cannot " + attempted + ' ' + path + " on the disk of the test");
}

Result<void> told(Answer answer, const std::string& attempted, const std::string& path) {
    if (answer == Answer::done) return {};
    return failed(answer, attempted, path);
}

class ModelNewFile final : public core::DurableFiles::NewFile {
public:
    ModelNewFile(ModelDisk& disk, Node node, std::string path)
        : disk_(disk), node_(node), path_(std::move(path)) {}
    Result<void> write(std::span<const std::byte> bytes) override {
        const Answer answer = disk_.write(node_, size_, bytes);
        if (answer == Answer::done) size_ += bytes.size();
        return told(answer, "write", path_);
    }
    Result<void> sync() override { return told(disk_.sync(node_), "sync", path_); }

private:
    ModelDisk& disk_;
    Node node_;
    std::string path_;
    std::uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<core::DurableFiles::NewFile>> ModelFiles::create(const std::string& path) {
    Node node = 0;
    if (const Answer answer = disk_.create(path, node); answer != Answer::done)
        return failed(answer, "create", path);
    return std::unique_ptr<NewFile>{std::make_unique<ModelNewFile>(disk_, node, path)};
}

Result<void> ModelFiles::rename(const std::string& from, const std::string& to) {
    return told(disk_.rename(from, to), "rename", from);
}

Result<void> ModelFiles::unlink(const std::string& path) {
    const Answer answer = disk_.unlink(path);
    return told(answer == Answer::missing ? Answer::done : answer, "remove", path);
}

Result<void> ModelFiles::make_directory(const std::string& path) {
    Answer answer = disk_.make_folder(path);
    if (answer == Answer::missing && path.find_last_of('/') != 0) {
        if (auto above = make_directory(path.substr(0, path.find_last_of('/'))); !above)
            return above;
        answer = disk_.make_folder(path);
    }
    return told(answer, "make the folder", path);
}

Result<void> ModelFiles::remove_directory(const std::string& path) {
    const Answer answer = disk_.remove_folder(path);
    return told(answer == Answer::missing ? Answer::done : answer, "remove the folder", path);
}

Result<void> ModelFiles::sync_directory(const std::string& path) {
    return told(disk_.sync_folder(path), "sync the folder", path);
}

Result<std::vector<std::string>> ModelFiles::list(const std::string& path) {
    if (const Answer may = disk_.reading(); may != Answer::done) return failed(may, "list", path);
    Node node = 0;
    if (const Answer there = disk_.find(path, node); there != Answer::done)
        return failed(there, "list", path);
    if (!disk_.is_folder(node)) return failed(Answer::missing, "list", path);
    return disk_.names(node);
}

Result<std::vector<std::byte>> ModelFiles::read(const std::string& path, std::size_t most) {
    if (const Answer may = disk_.reading(); may != Answer::done) return failed(may, "read", path);
    Node node = 0;
    if (const Answer there = disk_.find(path, node); there != Answer::done)
        return failed(there, "read", path);
    if (disk_.is_folder(node)) return failed(Answer::io, "read", path);
    const auto bytes = disk_.bytes(node);
    if (bytes.size() > most) return failed(Answer::io, "read", path);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<std::uint64_t> ModelFiles::free_space(const std::string& path) {
    if (const Answer may = disk_.reading(); may != Answer::done) return failed(may, "ask", path);
    return std::uint64_t{1} << 40;
}

}  // namespace backplane::crash
