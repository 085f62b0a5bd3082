// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/status_page.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ctime>

namespace backplane::core::ipc {

struct StatusLayout {
    std::atomic<std::uint64_t> call_number;  // odd while the call runs
    std::atomic<std::uint64_t> instance;
    std::atomic<std::uint64_t> started_ns;
    std::atomic<std::uint32_t> call;
};
// Between processes only lock-free atomics work: a lock would be private to each of them.
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(StatusLayout) == 32);

namespace {

constexpr std::size_t k_page_bytes = 4096;

Unexpected<Error> failed(std::string_view what) {
    return failure("ipc.status_page",
                   "cannot " + std::string{what} + " the status page: " + std::strerror(errno));
}

Result<void*> map_page(const Fd& file, int protection) {
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return failed("examine");
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (info.st_size != static_cast<off_t>(k_page_bytes) || seals < 0 ||
        (seals & F_SEAL_SHRINK) == 0) {
        return failure("ipc.status_page",
                       "cannot use the status page: it is not a sealed memory file of 4096 bytes");
    }
    void* memory = ::mmap(nullptr, k_page_bytes, protection, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) return failed("map");
    return memory;
}

constexpr std::array<std::string_view, 18> k_names{"nothing",
                                                   "loading",
                                                   "create()",
                                                   "destroy()",
                                                   "start()",
                                                   "stop()",
                                                   "get_extension()",
                                                   "probe start()",
                                                   "probe cancel()",
                                                   "action begin()",
                                                   "action cancel()",
                                                   "settings changed()",
                                                   "interrupt()",
                                                   "a timer",
                                                   "a watch of a descriptor",
                                                   "the end of its work",
                                                   "state save()",
                                                   "state restore()"};
static_assert(k_names.size() == static_cast<std::size_t>(PluginCall::state_restore) + 1);

}  // namespace

std::string_view to_string(PluginCall call) noexcept {
    const auto index = static_cast<std::size_t>(call);
    return index < k_names.size() ? k_names[index] : std::string_view{"an unknown call"};
}

Result<Fd> make_status_file() {
    Fd file{::memfd_create("backplane-status", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!file) return failed("create");
    if (::ftruncate(file.get(), static_cast<off_t>(k_page_bytes)) != 0) return failed("size");
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) != 0)
        return failed("seal");
    return file;
}

Result<StatusWriter> StatusWriter::map(const Fd& file) {
    auto memory = map_page(file, PROT_READ | PROT_WRITE);
    if (!memory) return Unexpected<Error>{memory.error()};
    return StatusWriter{static_cast<StatusLayout*>(*memory)};
}
StatusWriter::StatusWriter(StatusWriter&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)) {}
StatusWriter& StatusWriter::operator=(StatusWriter&& other) noexcept {
    std::swap(page_, other.page_);
    return *this;
}
StatusWriter::~StatusWriter() {
    if (page_ != nullptr) ::munmap(page_, k_page_bytes);
}

void StatusWriter::enter(PluginCall call, std::uint64_t instance,
                         std::chrono::nanoseconds now) noexcept {
    if (page_ == nullptr) return;
    page_->call.store(static_cast<std::uint32_t>(call), std::memory_order_relaxed);
    page_->instance.store(instance, std::memory_order_relaxed);
    page_->started_ns.store(static_cast<std::uint64_t>(now.count()), std::memory_order_relaxed);
    // Odd from here on. Only this thread writes, so reading and adding need not be one step.
    page_->call_number.store((page_->call_number.load(std::memory_order_relaxed) | 1u),
                             std::memory_order_release);
}

void StatusWriter::leave() noexcept {
    if (page_ == nullptr) return;
    const auto number = page_->call_number.load(std::memory_order_relaxed) | 1u;
    page_->call_number.store(number + 1, std::memory_order_release);
}

Result<StatusReader> StatusReader::map(const Fd& file) {
    auto memory = map_page(file, PROT_READ);
    if (!memory) return Unexpected<Error>{memory.error()};
    return StatusReader{static_cast<const StatusLayout*>(*memory)};
}
StatusReader::StatusReader(StatusReader&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)) {}
StatusReader& StatusReader::operator=(StatusReader&& other) noexcept {
    std::swap(page_, other.page_);
    return *this;
}
StatusReader::~StatusReader() {
    if (page_ != nullptr) ::munmap(const_cast<StatusLayout*>(page_), k_page_bytes);
}

std::string StatusReader::place() const {
    if (page_ == nullptr || (page_->call_number.load(std::memory_order_acquire) & 1u) == 0)
        return {};
    const auto call = static_cast<PluginCall>(page_->call.load(std::memory_order_relaxed));
    const auto instance = page_->instance.load(std::memory_order_relaxed);
    std::string text = "in " + std::string{to_string(call)};
    if (call == PluginCall::load) text = "while loading";
    if (instance != 0) text += " of instance " + std::to_string(instance);
    return text;
}

std::chrono::nanoseconds StatusReader::running_for(std::chrono::nanoseconds now) const {
    if (page_ == nullptr || (page_->call_number.load(std::memory_order_acquire) & 1u) == 0)
        return {};
    const auto started = page_->started_ns.load(std::memory_order_relaxed);
    const auto current = static_cast<std::uint64_t>(now.count());
    return started > current
               ? std::chrono::nanoseconds{0}
               : std::chrono::nanoseconds{static_cast<std::int64_t>(current - started)};
}

std::chrono::nanoseconds monotonic_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

}  // namespace backplane::core::ipc
