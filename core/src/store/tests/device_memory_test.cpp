// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/device_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "backplane/core/database.hpp"
#include "backplane/core/fd.hpp"
#include "backplane/core/log.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::system_clock;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto k_patience = 30s;

RememberedDevice device(const std::string& stable_id,
                        const std::string& identifier = "/dev/ttyUSB0",
                        std::int64_t seen_ms = 1'000) {
    return {stable_id, identifier, "toledo8217",
            system_clock::time_point{std::chrono::milliseconds{seen_ms}}};
}

DeviceMemory::Options quick() {
    DeviceMemory::Options options;
    options.gather = 1ms;
    options.first_retry = 1ms;
    options.longest_retry = 5ms;
    return options;
}

std::size_t count_logged(std::uint64_t after, const std::string& event) {
    log_flush_repeats();
    std::size_t count = 0;
    for (const LogRecord& record : recent_logs(after)) count += record.event == event ? 1u : 0u;
    return count;
}

std::uint64_t last_logged() {
    const auto records = recent_logs(0, 1);
    return records.empty() ? 0 : records.back().seq;
}

class ADeviceMemory : public testing::Test {
protected:
    std::vector<std::string> ids_on_disk() {
        std::vector<std::string> ids;
        for (const RememberedDevice& each : DeviceMemory{folder.path(), quick()}.all())
            ids.push_back(each.stable_id);
        return ids;
    }

    backplane::tests::TemporaryFolder folder;
};

TEST_F(ADeviceMemory, remembers_over_a_restart) {
    std::string identity;
    {
        DeviceMemory memory{folder.path(), quick()};
        EXPECT_TRUE(memory.durable());
        EXPECT_TRUE(memory.all().empty());
        memory.remember(device("usb-1", "/dev/ttyUSB0", 1234));
        memory.remember(device("usb-2"));
        memory.remember(device("usb-2", "/dev/ttyUSB7"));
        memory.remember(device("usb-3"));
        memory.forget("usb-3");
        memory.forget("never-seen");
        identity = memory.box_identity();
        EXPECT_TRUE(memory.close(k_patience));
    }
    DeviceMemory memory{folder.path(), quick()};
    EXPECT_EQ(memory.box_identity(), identity);
    ASSERT_EQ(memory.all().size(), 2u);
    const auto found = memory.find("usb-1");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->identifier, "/dev/ttyUSB0");
    EXPECT_EQ(found->driver, "toledo8217");
    EXPECT_EQ(found->last_seen.time_since_epoch(), 1234ms);
    EXPECT_EQ(memory.find("usb-2")->identifier, "/dev/ttyUSB7");
    EXPECT_FALSE(memory.find("usb-3"));
}

TEST_F(ADeviceMemory, keeps_ids_with_any_bytes) {
    const std::string odd("'; DROP TABLE devices;\0\xff\n", 26);
    DeviceMemory{folder.path(), quick()}.remember(device(odd, odd));
    DeviceMemory memory{folder.path(), quick()};
    ASSERT_TRUE(memory.find(odd));
    EXPECT_EQ(memory.find(odd)->identifier, odd);
}

TEST_F(ADeviceMemory, leaves_out_ids_that_are_empty_or_too_long) {
    DeviceMemory memory{folder.path(), quick()};
    memory.remember(device(""));
    memory.remember(device(std::string(513, 'x')));
    memory.remember(device("a", std::string(513, 'x')));
    memory.remember(device(std::string(512, 'x')));
    EXPECT_EQ(memory.all().size(), 1u);
    EXPECT_TRUE(memory.flush(k_patience));
}

TEST_F(ADeviceMemory, sets_a_broken_database_aside_and_begins_anew) {
    DeviceMemory{folder.path(), quick()}.remember(device("usb-1"));
    const std::string whole = folder.read("backplane.db");
    ASSERT_GE(whole.size(), 8192u);
    std::string scribbled = whole;
    for (std::size_t i = 4096; i < scribbled.size(); ++i) scribbled[i] = static_cast<char>(i * 31);
    int copies = 0;
    for (const std::string& damage : {std::string(10'000, 'x'), whole.substr(0, 5000), scribbled,
                                      whole.substr(0, 100) + std::string(8092, '\0')}) {
        folder.write("backplane.db", damage);
        const std::uint64_t before = last_logged();
        DeviceMemory memory{folder.path(), quick()};
        EXPECT_TRUE(memory.durable());
        EXPECT_TRUE(memory.all().empty());
        memory.remember(device("usb-2"));
        EXPECT_TRUE(memory.close(k_patience));
        EXPECT_EQ(count_logged(before, "store.set_aside"), 1u);
        EXPECT_THAT(ids_on_disk(), ElementsAre("usb-2"));
        ++copies;
        EXPECT_GE(folder.names_with("backplane.db.broken-").size(),
                  std::min<std::size_t>(3, static_cast<std::size_t>(copies)));
    }
}

TEST_F(ADeviceMemory, ignores_journals_that_are_rubbish) {
    DeviceMemory{folder.path(), quick()}.remember(device("usb-1"));
    folder.write("backplane.db-wal", std::string(50'000, 'w'));
    folder.write("backplane.db-shm", std::string(32'768, 's'));
    EXPECT_THAT(ids_on_disk(), ElementsAre("usb-1"));
}

TEST_F(ADeviceMemory, sets_a_database_of_a_newer_box_aside_unharmed) {
    {
        DeviceMemory{folder.path(), quick()}.remember(device("usb-1"));
        auto database = Database::open(folder.file("backplane.db"), Database::Mode::read_write);
        ASSERT_TRUE(database && database->execute("PRAGMA user_version=99"));
    }
    EXPECT_TRUE(ids_on_disk().empty());
    const auto kept = folder.names_with("backplane.db.newer-");
    ASSERT_FALSE(kept.empty());
    auto database = Database::open(folder.file(kept.front()), Database::Mode::read_only);
    ASSERT_TRUE(database);
    EXPECT_EQ(database->schema_version().value(), 99);
}

TEST_F(ADeviceMemory, goes_on_without_a_disk_and_says_so_once) {
    folder.write("file", "");
    const std::uint64_t before = last_logged();
    DeviceMemory memory{folder.file("file/state"), quick()};
    EXPECT_FALSE(memory.durable());
    EXPECT_EQ(memory.box_identity().size(), 32u);
    for (int i = 0; i < 20; ++i) {
        memory.remember(device("usb-" + std::to_string(i)));
        EXPECT_FALSE(memory.flush(k_patience));
    }
    EXPECT_EQ(memory.all().size(), 20u);
    EXPECT_EQ(count_logged(before, "store.not_durable"), 1u);
    EXPECT_FALSE(memory.close(k_patience));
}

TEST_F(ADeviceMemory, writes_everything_once_the_disk_is_back) {
    folder.write("state", "");
    DeviceMemory memory{folder.file("state"), quick()};
    memory.remember(device("usb-1"));
    EXPECT_FALSE(memory.flush(k_patience));
    std::filesystem::remove(folder.file("state"));
    std::filesystem::create_directory(folder.file("state"));
    memory.remember(device("usb-2"));
    const auto deadline = std::chrono::steady_clock::now() + k_patience;
    while (!memory.flush(1s) && std::chrono::steady_clock::now() < deadline) {
    }
    EXPECT_TRUE(memory.durable());
    EXPECT_TRUE(memory.close(k_patience));
    EXPECT_EQ((DeviceMemory{folder.file("state"), quick()}.all().size()), 2u);
}

TEST_F(ADeviceMemory, goes_on_while_the_disk_is_full_and_writes_when_there_is_room) {
    const std::uint64_t before = last_logged();
    DeviceMemory memory{folder.path(), quick()};
    // A limit on the size of files fails writes as a full disk does; SIGXFSZ must not end the test.
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    rlimit small = old_limit;
    small.rlim_cur = 16'384;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    std::vector<RememberedDevice> many;
    for (int i = 0; i < 500; ++i)
        many.push_back(device("usb-" + std::to_string(i), std::string(500, 'i')));
    memory.remember(many);
    EXPECT_FALSE(memory.flush(k_patience));
    EXPECT_FALSE(memory.durable());
    EXPECT_EQ(memory.all().size(), 500u);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
    std::signal(SIGXFSZ, old_handler);
    EXPECT_EQ(count_logged(before, "store.not_durable"), 1u);

    const auto deadline = std::chrono::steady_clock::now() + k_patience;
    while (!memory.flush(1s) && std::chrono::steady_clock::now() < deadline) {
    }
    EXPECT_TRUE(memory.durable());
    EXPECT_TRUE(memory.close(k_patience));
    EXPECT_EQ(ids_on_disk().size(), 500u);
}

/// Runs `body` in a process that may not write where root may; its exit code is the number of
/// failed expectations.
int run_unprivileged(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 &&
            (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
            ::_exit(100);
        ::_exit(body());
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 101;
    return WEXITSTATUS(status);
}

TEST_F(ADeviceMemory, reads_what_it_knows_from_a_folder_that_cannot_be_written) {
    DeviceMemory{folder.path(), quick()}.remember(device("usb-1"));
    const std::string identity = folder.read("box-id").substr(0, 32);
    for (const char* name : {"backplane.db", "box-id"})
        ASSERT_EQ(::chmod(folder.file(name).c_str(), 0444), 0);
    ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
    const std::uint64_t before = last_logged();
    const int failed = run_unprivileged([&] {
        DeviceMemory memory{folder.path(), quick()};
        int wrong = 0;
        wrong += memory.durable() ? 1 : 0;
        wrong += memory.find("usb-1").has_value() ? 0 : 2;
        memory.remember(device("usb-2"));
        wrong += memory.find("usb-2").has_value() ? 0 : 4;
        wrong += memory.flush(k_patience) ? 8 : 0;
        wrong += memory.box_identity() == identity ? 0 : 16;
        wrong += count_logged(before, "store.not_durable") == 1 ? 0 : 32;
        return wrong;
    });
    ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
    EXPECT_EQ(failed, 0);
    EXPECT_TRUE(folder.names_with("broken").empty());
}

TEST_F(ADeviceMemory, forgets_what_was_seen_longest_ago_when_it_is_full) {
    DeviceMemory::Options options = quick();
    options.most_devices = 3;
    {
        DeviceMemory memory{folder.path(), options};
        for (int i = 1; i <= 4; ++i)
            memory.remember(device("usb-" + std::to_string(i), "x", i * 1000));
        memory.remember(device("usb-2", "x", 9000));
        memory.remember(device("usb-5", "x", 5000));
        ASSERT_EQ(memory.all().size(), 3u);
        EXPECT_TRUE(memory.close(k_patience));
    }
    EXPECT_THAT(ids_on_disk(), ElementsAre("usb-2", "usb-4", "usb-5"));
    options.most_devices = 2;
    EXPECT_TRUE((DeviceMemory{folder.path(), options}.find("usb-5")));
    EXPECT_THAT(ids_on_disk(), ElementsAre("usb-2", "usb-5"))
        << "the others are gone from the disk as well";
}

TEST_F(ADeviceMemory, holds_ten_thousand_devices) {
    {
        DeviceMemory memory{folder.path(), quick()};
        std::vector<RememberedDevice> many;
        for (int i = 0; i < 10'050; ++i) many.push_back(device("usb-" + std::to_string(i), "x", i));
        memory.remember(many);
        EXPECT_TRUE(memory.close(k_patience));
    }
    DeviceMemory memory{folder.path(), quick()};
    EXPECT_EQ(memory.all().size(), 10'000u);
    EXPECT_FALSE(memory.find("usb-49"));
    EXPECT_TRUE(memory.find("usb-50"));
}

TEST_F(ADeviceMemory, spares_the_disk_when_a_device_was_merely_seen_again) {
    DeviceMemory memory{folder.path(), quick()};
    memory.remember(device("usb-1", "x", 1'000));
    ASSERT_TRUE(memory.flush(k_patience));
    const auto size = std::filesystem::file_size(folder.file("backplane.db-wal"));
    for (int i = 2; i < 1000; ++i) memory.remember(device("usb-1", "x", i * 1'000));
    EXPECT_EQ(memory.find("usb-1")->last_seen.time_since_epoch(), 999s);
    // The next real change is written; were the others, too, there would be more than its pages.
    memory.remember(device("usb-2", "x", 1'000));
    ASSERT_TRUE(memory.flush(k_patience));
    EXPECT_LE(std::filesystem::file_size(folder.file("backplane.db-wal")), size + 2 * 4120);
    EXPECT_TRUE(memory.close(k_patience));
    EXPECT_EQ((DeviceMemory{folder.path(), quick()}.find("usb-1")->last_seen.time_since_epoch()),
              999s);
}

TEST_F(ADeviceMemory, does_nothing_after_close) {
    DeviceMemory memory{folder.path(), quick()};
    EXPECT_TRUE(memory.close(k_patience));
    memory.remember(device("usb-1"));
    EXPECT_TRUE(memory.all().empty());
    EXPECT_TRUE(memory.close(k_patience));
}

TEST_F(ADeviceMemory, is_never_corrupt_or_half_written_when_its_process_is_killed) {
    // The child writes generation after generation: ten devices in one call, all of the same
    // generation. It reports each generation that is on the disk. Killed at a random instant, the
    // disk must hold one whole generation, and none older than the last reported.
    constexpr int k_rounds = 40;
    constexpr int k_devices = 10;
    std::mt19937 random{20240229};
    std::int64_t newest = 0;
    for (int round = 0; round < k_rounds; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        Fd reads{ends[0]}, writes{ends[1]};
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            reads.reset();
            DeviceMemory memory{folder.path(), quick()};
            for (std::int64_t generation = newest + 1;; ++generation) {
                std::vector<RememberedDevice> all;
                for (int i = 0; i < k_devices; ++i) {
                    all.push_back(device("usb-" + std::to_string(i),
                                         "g" + std::to_string(generation), generation * 1'000));
                }
                memory.remember(all);
                if (!memory.flush(k_patience) ||
                    ::write(writes.get(), &generation, sizeof generation) != sizeof generation)
                    ::_exit(1);
            }
        }
        writes.reset();
        std::int64_t reported = 0;
        const int generations = std::uniform_int_distribution{1, 8}(random);
        for (int i = 0; i < generations; ++i) {
            pollfd ready{reads.get(), POLLIN, 0};
            ASSERT_EQ(::poll(&ready, 1, 30'000), 1) << "the child writes nothing";
            ASSERT_EQ(::read(reads.get(), &reported, sizeof reported),
                      static_cast<ssize_t>(sizeof reported));
        }
        // Some time into the next generation, which takes a millisecond or two: the instant itself
        // is what is random here.
        for (int spin = std::uniform_int_distribution{0, 400'000}(random); spin > 0; --spin)
            asm volatile("");
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);

        DeviceMemory memory{folder.path(), quick()};
        ASSERT_TRUE(memory.durable());
        const auto all = memory.all();
        ASSERT_EQ(all.size(), static_cast<std::size_t>(k_devices));
        const std::int64_t generation =
            std::chrono::duration_cast<std::chrono::seconds>(all[0].last_seen.time_since_epoch())
                .count();
        EXPECT_GE(generation, reported) << "what was reported as written was lost";
        for (const RememberedDevice& each : all) {
            EXPECT_EQ(each.identifier, "g" + std::to_string(generation));
            EXPECT_EQ(each.last_seen.time_since_epoch(), std::chrono::seconds{generation});
        }
        newest = generation;
    }
    EXPECT_TRUE(folder.names_with("broken").empty());
}

}  // namespace
}  // namespace backplane::core
