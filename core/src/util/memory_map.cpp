// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "util/memory_map.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace backplane::core {
namespace {

Unexpected<Error> failed(int error) {
    return failure("memory_file.failed",
                   std::string{"cannot look into a memory file: "} + std::strerror(error));
}

}  // namespace

Result<MemoryMap> MemoryMap::of(const Fd& file) {
    return of(file.get());
}

Result<MemoryMap> MemoryMap::of(int file) {
    // Not fstat(): of what stands for it in some versions of the C library, a confined process may have no use.
    const off_t size = ::lseek(file, 0, SEEK_END);
    if (size < 0) return failed(errno);
    MemoryMap map;
    if (size == 0) return map;
    const auto count = static_cast<std::size_t>(size);
    // Private: older kernels take a shared view of a file that is sealed against writing for a wish to write.
    void* at = ::mmap(nullptr, count, PROT_READ, MAP_PRIVATE, file, 0);
    if (at == MAP_FAILED) return failed(errno);
    map.bytes_ = {static_cast<const std::byte*>(at), count};
    return map;
}

MemoryMap::MemoryMap(MemoryMap&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MemoryMap& MemoryMap::operator=(MemoryMap&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
}

MemoryMap::~MemoryMap() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace backplane::core
