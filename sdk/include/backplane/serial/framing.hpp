// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Where a frame begins and ends in a stream of bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace backplane::sdk::serial {

struct Framing {
    static constexpr std::size_t k_more = 0;
    static constexpr std::size_t k_no_frame = static_cast<std::size_t>(-1);

    /// How long the frame is that begins with the first of these bytes: k_more when that cannot be
    /// said yet, k_no_frame when no frame begins like this.
    std::function<std::size_t(std::string_view bytes)> length;
    /// The byte that every frame begins with; bytes before it are noise.
    std::optional<char> start = std::nullopt;
    /// The byte that every frame ends with; where continuous lines find back after damage.
    std::optional<char> end = std::nullopt;
    std::size_t max_length = 256;

    static Framing until(char terminator, std::size_t max_length = 256) {
        return {[terminator](std::string_view bytes) {
                    const auto at = bytes.find(terminator);
                    return at == std::string_view::npos ? k_more : at + 1;
                },
                std::nullopt, terminator, max_length};
    }
    static Framing fixed(std::size_t size) {
        return {[size](std::string_view bytes) { return bytes.size() < size ? k_more : size; },
                std::nullopt, std::nullopt, size};
    }
    /// Exactly these bytes.
    static Framing exactly(std::string expected) {
        const char first = expected.at(0);
        const std::size_t size = expected.size();
        return {[expected = std::move(expected)](std::string_view bytes) {
                    const std::size_t common = std::min(bytes.size(), expected.size());
                    if (bytes.substr(0, common) != std::string_view(expected).substr(0, common))
                        return k_no_frame;
                    return bytes.size() < expected.size() ? k_more : expected.size();
                },
                first, std::nullopt, size};
    }
    Framing starting_with(char byte) && {
        start = byte;
        return std::move(*this);
    }
};

/// Collects bytes and cuts frames out of them; bytes that begin no frame are dropped.
class FrameBuffer {
public:
    explicit FrameBuffer(const Framing& framing) : framing_(framing) {}

    void push(char byte) { bytes_.push_back(byte); }
    void clear() noexcept { bytes_.clear(); }
    bool empty() const noexcept { return bytes_.empty(); }
    /// A frame was begun, and has become longer than frames are.
    bool overflown() const noexcept { return bytes_.size() >= framing_.max_length; }

    std::optional<std::string> take() {
        while (!bytes_.empty()) {
            if (framing_.start && bytes_.front() != *framing_.start) {
                const auto at = bytes_.find(*framing_.start);
                bytes_.erase(0, at);
                continue;
            }
            const std::size_t length = framing_.length(bytes_);
            if (length == Framing::k_more) return std::nullopt;
            if (length == Framing::k_no_frame || length > bytes_.size()) {
                bytes_.erase(0, 1);
                continue;
            }
            std::string frame = bytes_.substr(0, length);
            bytes_.erase(0, length);
            return frame;
        }
        return std::nullopt;
    }

private:
    Framing framing_;
    std::string bytes_;
};

}  // namespace backplane::sdk::serial
