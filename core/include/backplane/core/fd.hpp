// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An owned file descriptor: closed exactly once, moved, never copied.
#pragma once

#include <utility>

namespace backplane::core {

class Fd {
public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;
    /// A second descriptor for the same open file (close-on-exec); empty on failure, errno says why.
    [[nodiscard]] Fd duplicate() const noexcept;

private:
    int fd_ = -1;
};

}  // namespace backplane::core
