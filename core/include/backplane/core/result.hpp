// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Result<T>: a value or an Error. For failures that are expected (a device is gone, a plug-in is refused). Member names
// are those of std::expected, which replaces it once the compiler has it.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace backplane::core {

/// What failed, in words that tell a user what to do: attempted, on what, what happened, what helps.
struct Error {
    std::string code;  ///< stable, for programs: "plugin.too_new", "config.unknown_key"
    std::string text;  ///< for people, one sentence or two
};

template <typename E>
class Unexpected {
public:
    explicit Unexpected(E error) : error_(std::move(error)) {}
    E&& take() && { return std::move(error_); }

private:
    E error_;
};

/// Shorthand: `return failure("serial.busy", "port … is in use by another program: close it");`
inline Unexpected<Error> failure(std::string code, std::string text) {
    return Unexpected<Error>{Error{std::move(code), std::move(text)}};
}

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Unexpected<Error> error) : content_(std::in_place_index<1>, std::move(error).take()) {}

    bool has_value() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T& value() & { return check(), *std::get_if<0>(&content_); }
    const T& value() const& { return check(), *std::get_if<0>(&content_); }
    T&& value() && { return check(), std::move(*std::get_if<0>(&content_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const& {
        assert(!has_value());
        return *std::get_if<1>(&content_);
    }
    Error&& error() && {
        assert(!has_value());
        return std::move(*std::get_if<1>(&content_));
    }

private:
    void check() const { assert(has_value()); }
    std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Unexpected<Error> error) : error_(std::in_place_index<1>, std::move(error).take()) {}
    bool has_value() const noexcept { return error_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }
    const Error& error() const& {
        assert(!has_value());
        return *std::get_if<1>(&error_);
    }

private:
    std::variant<std::monostate, Error> error_;
};

}  // namespace backplane::core
