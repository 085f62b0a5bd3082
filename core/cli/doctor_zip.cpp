// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <zip.h>

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "doctor_collect.hpp"

namespace backplane::cli {

core::Result<void> write_zip(const std::string& file,
                             const std::vector<std::pair<std::string, std::string>>& items) {
    const auto failed = [&](const std::string& what) {
        return core::failure("doctor.bundle", "cannot write the support bundle " + file + ": " +
                                                  what +
                                                  ": give another file, on a disk with room");
    };
    // What is in it is for whoever helps, not for everybody who has an account here.
    const mode_t before = ::umask(0077);
    const std::unique_ptr<const mode_t, void (*)(const mode_t*)> restore{
        &before, [](const mode_t* mask) { ::umask(*mask); }};
    int code = 0;
    zip_t* const archive = ::zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!archive) {
        zip_error_t error;
        ::zip_error_init_with_code(&error, code);
        const std::string what = ::zip_error_strerror(&error);
        ::zip_error_fini(&error);
        return failed(what);
    }
    for (const auto& [name, content] : items) {
        zip_source_t* const source =
            ::zip_source_buffer(archive, content.data(), content.size(), 0);
        if (source && ::zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8) >= 0)
            continue;
        if (source) ::zip_source_free(source);
        const std::string what = ::zip_strerror(archive);
        ::zip_discard(archive);
        return failed(what);
    }
    if (::zip_close(archive) == 0) return {};
    const std::string what = ::zip_strerror(archive);
    ::zip_discard(archive);
    return failed(what);
}

}  // namespace backplane::cli
