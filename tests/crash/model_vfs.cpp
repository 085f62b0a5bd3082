// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "crash/model_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <set>
#include <vector>

namespace backplane::crash {

using Answer = ModelDisk::Answer;

struct ModelVfs::Impl {
    explicit Impl(ModelDisk& given) : disk(given) {}
    ModelDisk& disk;
    std::string name;
    sqlite3_vfs vfs{};
    std::set<std::string> opened;
    std::uint64_t random = 0x2545F4914F6CDD1Du;
};

namespace {

constexpr int k_sector = 4096;

int code(Answer answer, int io_error) noexcept {
    if (answer == Answer::done) return SQLITE_OK;
    return answer == Answer::full ? SQLITE_FULL : io_error;
}

struct File {
    ModelVfs::Impl* vfs = nullptr;
    std::string path;
    Node node = 0;
    bool delete_on_close = false;
    bool sync_folder = false;  ///< a new journal: its name is to be durable with its content
    std::vector<std::vector<std::byte>> shared;
};

/// As SQLite lays it out: its own part first.
struct Handle {
    sqlite3_file base;
    File* file;
};

File& of(sqlite3_file* handle) noexcept {
    return *reinterpret_cast<Handle*>(handle)->file;
}
ModelVfs::Impl& of(sqlite3_vfs* vfs) noexcept {
    return *static_cast<ModelVfs::Impl*>(vfs->pAppData);
}

std::string folder_of(const std::string& path) {
    return path.substr(0, path.find_last_of('/'));
}

int close_file(sqlite3_file* handle) {
    const std::unique_ptr<File> file{&of(handle)};
    reinterpret_cast<Handle*>(handle)->file = nullptr;
    file->vfs->opened.erase(file->path);
    if (file->delete_on_close) file->vfs->disk.unlink(file->path);
    return SQLITE_OK;
}

int read_file(sqlite3_file* handle, void* to, int amount, sqlite3_int64 offset) {
    const File& file = of(handle);
    if (file.vfs->disk.reading() != Answer::done) return SQLITE_IOERR_READ;
    const auto bytes = file.vfs->disk.bytes(file.node);
    const auto wanted = static_cast<std::size_t>(amount);
    const auto at = std::min(static_cast<std::size_t>(offset), bytes.size());
    const auto have = std::min(wanted, bytes.size() - at);
    std::memset(to, 0, wanted);
    if (have > 0) std::memcpy(to, bytes.data() + at, have);
    return have == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* handle, const void* from, int amount, sqlite3_int64 offset) {
    const File& file = of(handle);
    return code(file.vfs->disk.write(
                    file.node, static_cast<std::uint64_t>(offset),
                    {static_cast<const std::byte*>(from), static_cast<std::size_t>(amount)}),
                SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* handle, sqlite3_int64 size) {
    const File& file = of(handle);
    return code(file.vfs->disk.truncate(file.node, static_cast<std::uint64_t>(size)),
                SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* handle, int) {
    File& file = of(handle);
    if (const int done = code(file.vfs->disk.sync(file.node), SQLITE_IOERR_FSYNC);
        done != SQLITE_OK)
        return done;
    if (!file.sync_folder) return SQLITE_OK;
    // As SQLite does it on Unix: with the first sync, and without telling when it fails.
    (void)file.vfs->disk.sync_folder(folder_of(file.path));
    file.sync_folder = false;
    return SQLITE_OK;
}

int size_of_file(sqlite3_file* handle, sqlite3_int64* size) {
    const File& file = of(handle);
    *size = static_cast<sqlite3_int64>(file.vfs->disk.bytes(file.node).size());
    return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) {
    return SQLITE_OK;
}
int reserved_lock(sqlite3_file*, int* reserved) {
    *reserved = 0;
    return SQLITE_OK;
}
int control_file(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
    return k_sector;
}
int characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;  // as on Unix
}

int shared_map(sqlite3_file* handle, int region, int size, int extend, void volatile** address) {
    auto& shared = of(handle).shared;
    const auto at = static_cast<std::size_t>(region);
    *address = nullptr;
    if (at >= shared.size()) {
        if (extend == 0) return SQLITE_OK;
        shared.resize(at + 1);
    }
    if (shared[at].empty()) shared[at].resize(static_cast<std::size_t>(size));
    *address = shared[at].data();
    return SQLITE_OK;
}
int shared_lock(sqlite3_file*, int, int, int) {
    return SQLITE_OK;
}
void shared_barrier(sqlite3_file*) {}
int shared_unmap(sqlite3_file* handle, int) {
    of(handle).shared.clear();
    return SQLITE_OK;
}

const sqlite3_io_methods k_methods{.iVersion = 2,
                                   .xClose = close_file,
                                   .xRead = read_file,
                                   .xWrite = write_file,
                                   .xTruncate = truncate_file,
                                   .xSync = sync_file,
                                   .xFileSize = size_of_file,
                                   .xLock = lock_file,
                                   .xUnlock = lock_file,
                                   .xCheckReservedLock = reserved_lock,
                                   .xFileControl = control_file,
                                   .xSectorSize = sector_size,
                                   .xDeviceCharacteristics = characteristics,
                                   .xShmMap = shared_map,
                                   .xShmLock = shared_lock,
                                   .xShmBarrier = shared_barrier,
                                   .xShmUnmap = shared_unmap,
                                   .xFetch = nullptr,
                                   .xUnfetch = nullptr};

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* handle, int flags, int* given) {
    ModelVfs::Impl& impl = of(vfs);
    handle->pMethods = nullptr;
    if (path == nullptr || impl.opened.contains(path)) return SQLITE_CANTOPEN;
    if (impl.disk.reading() != Answer::done) return SQLITE_CANTOPEN;
    auto file = std::make_unique<File>();
    file->vfs = &impl;
    file->path = path;
    file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (impl.disk.find(path, file->node) != Answer::done) {
        if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
        if (const Answer made = impl.disk.create(path, file->node); made != Answer::done)
            return code(made, SQLITE_CANTOPEN);
        file->sync_folder =
            (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    } else if (impl.disk.is_folder(file->node)) {
        return SQLITE_CANTOPEN;
    }
    impl.opened.insert(file->path);
    reinterpret_cast<Handle*>(handle)->file = file.release();
    handle->pMethods = &k_methods;
    if (given != nullptr) *given = flags;
    return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_folder) {
    ModelDisk& disk = of(vfs).disk;
    const Answer removed = disk.unlink(path);
    if (removed == Answer::missing) return SQLITE_IOERR_DELETE_NOENT;
    if (removed != Answer::done) return SQLITE_IOERR_DELETE;
    if (sync_folder == 0) return SQLITE_OK;
    return code(disk.sync_folder(folder_of(path)), SQLITE_IOERR_DIR_FSYNC);
}

int access_file(sqlite3_vfs* vfs, const char* path, int, int* there) {
    Node node = 0;
    *there = of(vfs).disk.find(path, node) == Answer::done ? 1 : 0;
    return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int size, char* to) {
    if (std::strlen(path) >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::strcpy(to, path);
    return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int size, char* to) {
    std::uint64_t& state = of(vfs).random;
    for (int i = 0; i < size; ++i) {
        state = mix(state, 1);
        to[i] = static_cast<char>(state & 0x7F);
    }
    return size;
}
int sleep_for(sqlite3_vfs*, int microseconds) {
    return microseconds;
}
int current_time(sqlite3_vfs*, double* days) {
    *days = 2460000.5;
    return SQLITE_OK;
}
int current_time_ms(sqlite3_vfs*, sqlite3_int64* milliseconds) {
    *milliseconds = sqlite3_int64{246000050} * 864000;
    return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) {
    return 0;
}

}  // namespace

ModelVfs::ModelVfs(ModelDisk& disk, std::uint64_t seed) : impl_(std::make_unique<Impl>(disk)) {
    // SQLite has one generator for all, which it seeds itself unless it is told.
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(seed % 0x7FFFFFFF) + 1,
                         nullptr);
    static std::atomic<unsigned> number{0};
    impl_->name = "model-disk-" + std::to_string(++number);
    sqlite3_vfs& vfs = impl_->vfs;
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(Handle);
    vfs.mxPathname = 512;
    vfs.zName = impl_->name.c_str();
    vfs.pAppData = impl_.get();
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_path;
    vfs.xRandomness = randomness;
    vfs.xSleep = sleep_for;
    vfs.xCurrentTime = current_time;
    vfs.xGetLastError = last_error;
    vfs.xCurrentTimeInt64 = current_time_ms;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) throw std::bad_alloc{};
}

ModelVfs::~ModelVfs() {
    sqlite3_vfs_unregister(&impl_->vfs);
}

const std::string& ModelVfs::name() const {
    return impl_->name;
}

}  // namespace backplane::crash
