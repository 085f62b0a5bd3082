// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the tests of downloads share: a source, a main loop for it, and what came.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backplane/sync/handlers.hpp"
#include "doubles/odoo_server.hpp"

namespace backplane::sync::test {

using namespace std::chrono_literals;
using backplane::tests::Answer;
using backplane::tests::OdooServer;

/// What looks like an archive as far as a download is concerned.
inline std::string zip_of(std::size_t bytes) {
    std::string zip = "PK\x03\x04";
    for (std::size_t i = 0; zip.size() < bytes; ++i) zip += static_cast<char>('a' + i % 23);
    zip.resize(bytes);
    return zip;
}

inline std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Downloads : public ::testing::Test {
protected:
    using Kind = core::BundleAnswer::Kind;
    using Result = core::Result<core::BundleAnswer>;

    static constexpr auto k_patience = 60s;

    void ask_at(const std::string& url) {
        server_now.url = url;
        source.reset();
        source = std::make_unique<HandlerDownload>(loop, options);
    }

    /// One fetch, from beginning to end.
    Result fetch(core::BundleRequest request = {}) {
        if (!source) ask_at(server_now.url);
        std::optional<Result> came;
        progress.clear();
        source->fetch(
            std::move(request),
            [&](std::uint64_t received, std::uint64_t expected) {
                EXPECT_FALSE(came) << "progress after the end";
                progress.emplace_back(received, expected);
            },
            [&](Result result) {
                EXPECT_FALSE(came) << "two results";
                came = std::move(result);
            });
        EXPECT_FALSE(came) << "an answer from inside fetch()";
        run_until([&] { return came.has_value(); });
        if (!came) return core::failure("test", "the download did not end");
        return *std::move(came);
    }

    /// The error of a fetch that has to fail; "" and "" when it did not.
    core::Error error_of(core::BundleRequest request = {}) {
        const auto result = fetch(std::move(request));
        if (!result) return result.error();
        ADD_FAILURE() << "it succeeded, with " << result->bytes.size() << " bytes";
        return {};
    }

    template <typename Condition>
    void run_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + k_patience;
        while (!condition() && std::chrono::steady_clock::now() < end) {
            loop.restart();
            loop.run_one_for(100ms);
        }
        EXPECT_TRUE(condition()) << "nothing came in time";
    }

    boost::asio::io_context loop;
    HandlerServer server_now{
        .url = "", .identifier = "10000000abcdef01", .mac = "", .database = ""};
    HandlerDownloadOptions options{
        .server = [this] { return server_now; }, .ca_file = "", .limits = {}, .resolve = {}};
    std::unique_ptr<HandlerDownload> source;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> progress;
};

/// A file that lives as long as the test.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& content) {
        path_ = (std::filesystem::temp_directory_path() / "bp-ca-XXXXXX").string();
        const int fd = ::mkstemp(path_.data());
        EXPECT_GE(fd, 0);
        std::ofstream(path_) << content;
        ::close(fd);
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

}  // namespace backplane::sync::test
