// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/unpacked.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "bundle/file_errors.hpp"

namespace backplane::core::bundle {
namespace {

constexpr std::array<std::string_view, 5> k_codes{"E_SIZE", "E_ZIP", "E_NAME", "E_DUP", "E_LEN"};

Unexpected<Error> senseless(const char* found) {
    return failure("E_ZIP", std::string{"expected the files of an archive from the program that "
                                        "unpacks it, found "} +
                                found +
                                ": the archive may be made to break that program, so do not use "
                                "it, and tell its publisher");
}

/// Takes what is there, and from then on nothing.
class Cursor {
public:
    explicit Cursor(std::span<const std::byte> bytes) : rest_(bytes) {}

    std::span<const std::byte> take(std::uint64_t count) {
        if (failed_ || count > rest_.size()) {
            failed_ = true;
            return {};
        }
        const auto out = rest_.first(static_cast<std::size_t>(count));
        rest_ = rest_.subspan(out.size());
        return out;
    }
    template <typename Number>
    Number number() {
        std::uint64_t value = 0;
        unsigned shift = 0;
        for (const std::byte each : take(sizeof(Number))) {
            value |= std::to_integer<std::uint64_t>(each) << shift;
            shift += 8;
        }
        return static_cast<Number>(value);
    }
    std::string_view text(std::uint64_t count) {
        const auto bytes = take(count);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    bool failed() const noexcept { return failed_; }
    bool at_end() const noexcept { return rest_.empty(); }

private:
    std::span<const std::byte> rest_;
    bool failed_ = false;
};

/// Nothing when it is not one that an archive can have.
std::optional<Error> take_problem(Cursor& cursor) {
    const auto code = cursor.text(cursor.number<std::uint8_t>());
    const auto text = cursor.text(cursor.number<std::uint16_t>());
    if (cursor.failed() || text.empty() || text.size() > k_problem_text_bytes ||
        std::find(k_codes.begin(), k_codes.end(), code) == k_codes.end()) {
        return std::nullopt;
    }
    return Error{std::string{code}, to_printable(text, k_problem_text_bytes)};
}

}  // namespace

class Unpacked::Parser {
public:
    static Result<Unpacked> run(std::span<const std::byte> bytes) {
        Cursor header{bytes.first(std::min(bytes.size(), k_unpacked_header_bytes))};
        if (header.text(k_unpacked_magic.size()) != k_unpacked_magic)
            return senseless("nothing that it has finished");
        const auto kind = header.number<std::uint32_t>();
        const auto count = header.number<std::uint32_t>();
        const auto length = header.number<std::uint64_t>();
        const auto foreign = header.number<std::uint32_t>();
        const auto zero = header.number<std::uint32_t>();
        if (header.failed() || zero != 0 || length < k_unpacked_header_bytes ||
            length > bytes.size() || length > k_unpacked_bytes || count > k_archive_entries ||
            foreign > k_archive_entries - count) {
            return senseless("a header that contradicts itself");
        }
        Cursor body{bytes.first(static_cast<std::size_t>(length)).subspan(k_unpacked_header_bytes)};
        if (kind == k_unpacked_refusal) {
            auto problem = take_problem(body);
            if (!problem || !body.at_end() || count != 0 || foreign != 0)
                return senseless("a refusal without a reason");
            return Unexpected<Error>{*std::move(problem)};
        }
        if (kind != k_unpacked_files) return senseless("content of an unknown kind");
        Unpacked out;
        out.foreign_ = foreign;
        out.names_.reserve(count);
        out.files_.reserve(count);
        std::uint64_t content = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            if (!take_entry(body, out)) return senseless("a file that is not well described");
            content += out.files_.back().content.size();
        }
        if (content > k_extracted_bytes) return senseless("more than it may unpack");
        if (!body.at_end()) return senseless("more than it has announced");
        return out;
    }

private:
    static bool take_entry(Cursor& body, Unpacked& out) {
        const auto name = body.text(body.number<std::uint16_t>());
        File file;
        file.size = body.number<std::uint64_t>();
        const auto state = body.number<std::uint8_t>();
        if (body.failed() || !is_bundle_name(name) ||
            (!out.names_.empty() && name <= out.names_.back())) {
            return false;
        }
        if (state == k_unpacked_content) {
            if (file.size > k_build_bytes) return false;
            file.content = body.take(file.size);
        } else if (state == k_unpacked_problem) {
            file.problem = take_problem(body);
            if (!file.problem) return false;
        } else {
            return false;
        }
        if (body.failed()) return false;
        out.names_.emplace_back(name);
        out.files_.push_back(std::move(file));
        return true;
    }
};

Result<Unpacked> Unpacked::open(MemoryMap container) {
    auto out = parse(container.bytes());
    if (out) out->map_ = std::move(container);
    return out;
}

Result<Unpacked> Unpacked::parse(std::span<const std::byte> container) {
    return Parser::run(container);
}

const Unpacked::File* Unpacked::find(std::string_view name) const {
    const auto at = std::lower_bound(names_.begin(), names_.end(), name);
    if (at == names_.end() || *at != name) return nullptr;
    return &files_[static_cast<std::size_t>(at - names_.begin())];
}

bool Unpacked::is_ambiguous(std::string_view name) const {
    const File* file = find(name);
    return file != nullptr && file->problem && file->problem->code == "E_DUP";
}

/// In the order in which Archive::read() looks, so that the same code comes out.
Result<std::vector<std::byte>> Unpacked::read(std::string_view name, std::size_t most) const {
    const File* file = find(name);
    if (file == nullptr) return file_errors::no_such_file(name);
    if (is_ambiguous(name)) return failure(file->problem->code, file->problem->text);
    if (file->size > most)
        return file_errors::too_long(name, most, static_cast<std::size_t>(file->size));
    if (file->problem) return failure(file->problem->code, file->problem->text);
    return std::vector<std::byte>(file->content.begin(), file->content.end());
}

}  // namespace backplane::core::bundle
