// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "unpack.hpp"

#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include <unistd.h>

#include "bundle/archive.hpp"
#include "bundle/file_errors.hpp"
#include "bundle/unpacked.hpp"

namespace backplane::core::unpacker {
namespace {

using namespace bundle;

/// The container as it comes about. Small things are collected, content goes straight to the file.
class Writer {
public:
    explicit Writer(int file) : file_(file) {}

    /// What was written before is forgotten.
    bool begin() {
        pending_.clear();
        written_ = k_unpacked_header_bytes;
        return ::lseek(file_, static_cast<off_t>(written_), SEEK_SET) >= 0;
    }
    template <typename Number>
    void number(Number value) {
        for (unsigned shift = 0; shift < sizeof(Number) * 8; shift += 8)
            pending_.push_back(static_cast<char>(value >> shift & 0xffu));
    }
    void text(std::string_view text) { pending_.append(text); }
    void problem(const Error& error) {
        number(static_cast<std::uint8_t>(error.code.size()));
        text(error.code);
        const std::string said = to_printable(error.text, k_problem_text_bytes);
        number(static_cast<std::uint16_t>(said.size()));
        text(said);
    }
    bool content(std::span<const std::byte> bytes) { return flush() && write(bytes); }
    /// The header, last of all.
    bool end(std::uint32_t kind, std::uint32_t count, std::uint32_t foreign) {
        if (!flush()) return false;
        const std::uint64_t length = written_;
        text(k_unpacked_magic);
        number(kind);
        number(count);
        number(length);
        number(foreign);
        number(std::uint32_t{0});
        return ::lseek(file_, 0, SEEK_SET) == 0 && flush();
    }

private:
    bool flush() {
        const bool done = write(std::as_bytes(std::span{pending_}));
        pending_.clear();
        return done;
    }
    bool write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::write(file_, bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(count));
            written_ += static_cast<std::size_t>(count);
        }
        return true;
    }

    int file_;
    std::string pending_;
    std::size_t written_ = 0;
};

enum class Use { document, build, none };

Use use_of(std::string_view name, const std::string& arch_mark) {
    if (name.ends_with(".json") || name.ends_with(".minisig")) return Use::document;
    return name.find(arch_mark) != std::string_view::npos ? Use::build : Use::none;
}

/// What is spent on unpacking. Also what turns out to be damaged has cost its share: otherwise damage would be the way to
/// keep this process busy.
class Budget {
public:
    bool spend(std::size_t bytes) {
        if (bytes > left_) return false;
        left_ -= bytes;
        return true;
    }

private:
    std::size_t left_ = k_extracted_bytes;
};

/// Which of the names are to be inflated. All documents come before any build, whatever their names.
std::vector<bool> affordable(const Archive& archive, const std::vector<Use>& uses) {
    const auto& names = archive.names();
    std::vector<bool> out(names.size(), false);
    Budget budget;
    for (const Use wanted : {Use::document, Use::build}) {
        const std::size_t most = wanted == Use::document ? k_metadata_bytes : k_build_bytes;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::size_t size = archive.claimed_size(names[i]);
            if (uses[i] == wanted && !archive.is_ambiguous(names[i]) && size <= most)
                out[i] = budget.spend(size);
        }
    }
    return out;
}

Error not_unpacked(std::string_view name, Use use, std::size_t size) {
    if (use == Use::none) {
        return {"E_NAME", "expected a document or a build for this machine, found " +
                              file_errors::quoted(name) +
                              ", which is neither: ask its publisher for a correct archive"};
    }
    const std::size_t most = use == Use::document ? k_metadata_bytes : k_build_bytes;
    if (size > most) return file_errors::too_long(name, most, size).take();
    return {"E_LEN", "expected at most " + std::to_string(k_extracted_bytes >> 20) +
                         " MiB of documents and builds for this machine, found more, and " +
                         file_errors::quoted(name) +
                         " is what no longer fits: ask its publisher for smaller ones"};
}

bool write_files(const Archive& archive, std::string_view arch, Writer& out) {
    const std::string arch_mark = "." + std::string{arch} + ".so.";
    const auto& names = archive.names();
    std::vector<Use> uses;
    uses.reserve(names.size());
    for (const auto& name : names) uses.push_back(use_of(name, arch_mark));
    const auto wanted = affordable(archive, uses);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& name = names[i];
        const std::size_t size = archive.claimed_size(name);
        out.number(static_cast<std::uint16_t>(name.size()));
        out.text(name);
        out.number(static_cast<std::uint64_t>(size));
        if (!wanted[i] && !archive.is_ambiguous(name)) {
            out.number(k_unpacked_problem);
            out.problem(not_unpacked(name, uses[i], size));
            continue;
        }
        // Of an ambiguous name this gives the reason.
        const auto bytes = archive.read(name, size);
        out.number(bytes ? k_unpacked_content : k_unpacked_problem);
        if (!bytes) {
            out.problem(bytes.error());
        } else if (!out.content(*bytes)) {
            return false;
        }
    }
    return out.end(k_unpacked_files, static_cast<std::uint32_t>(names.size()),
                   static_cast<std::uint32_t>(archive.foreign_files()));
}

bool write_refusal(const Error& error, Writer& out) {
    if (!out.begin()) return false;
    out.problem(error);
    return out.end(k_unpacked_refusal, 0, 0);
}

}  // namespace

bool unpack(std::span<const std::byte> archive, std::string_view arch, int output) {
    Writer out{output};
    try {
        const auto opened = Archive::view(archive);
        if (!opened) return write_refusal(opened.error(), out);
        return out.begin() && write_files(*opened, arch, out);
    } catch (const std::bad_alloc&) {
        return write_refusal(
            {"E_ZIP",
             "expected an archive that can be unpacked in 256 MiB of memory, found "
             "one that needs more: ask its publisher for a smaller one"},
            out);
    }
}

}  // namespace backplane::core::unpacker
