// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the box does about bad plug-ins. In each test a good scale is read next door without a pause, and must not
// notice.
#include <gmock/gmock.h>
#include <boost/json/serialize.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "support/box_process.hpp"
#include "support/serial_scale.hpp"
#include "witness.hpp"

namespace backplane::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Matches;
using ::testing::Not;

std::string text(const json::object& object, std::string_view member) {
    const auto* value = object.if_contains(member);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number(const json::object& object, std::string_view member) {
    return static_cast<std::int64_t>(number_in(object, member).value_or(-1));
}

/// A bad driver, and where it is bad. A free one is asked about its device, a pinned one gets it.
struct Cage {
    std::string plugin;
    std::string in = "nothing";
    bool pinned = true;
};

class AZoo : public ::testing::Test {
protected:
    AZoo() {
        fs::create_directory(plugins());
        for (const char* good : {"serial", "toledo8217"}) bring(BP_GOOD_PLUGIN_DIR, good);
        scale_.emplace(good_port(), 0.5);
    }

    void bring(const std::string& from, const std::string& name) {
        fs::copy_file(from + "/" + name + ".so", plugins() / (name + ".so"));
    }

    /// The box runs, the good scale is read; nobody has plugged in the devices of the bad drivers yet.
    void open(std::vector<Cage> cages, const std::string& policy = "crashes: 3") {
        cages_ = std::move(cages);
        std::string ports = good_port(), pins = "  \"" + good_port() + "\": {driver: toledo8217}\n",
                    settings;
        for (std::size_t i = 0; i < cages_.size(); ++i) {
            const Cage& cage = cages_[i];
            bring(BP_ZOO_DIR, cage.plugin);
            ports += ", " + port(i);
            if (cage.pinned) pins += "  \"" + port(i) + "\": {driver: " + cage.plugin + "}\n";
            settings += "  " + cage.plugin + ": {in: " + cage.in + "}\n";
        }
        run("interfaces: {serial: {extra_ports: [" + ports +
            "], ignore: [\"/dev/tty*\"]}}\ndevices:\n" + pins +
            (settings.empty() ? "" : "drivers:\n" + settings) + "plugins: {" + policy + "}\n");
    }
    void run(const std::string& config) {
        BoxProcess::Options options;
        options.config = config;
        options.plugin_dir = plugins().string();
        box_.emplace(options);
        box_->wait_for_state(good_port(), "ready");
        witness_.emplace(*box_, *scale_, good_port());
    }
    /// Now the devices of the bad drivers are there.
    void plug_in() {
        for (std::size_t i = 0; i < cages_.size(); ++i)
            bad_devices_.push_back(std::make_unique<SerialScale>(port(i)));
    }
    void open_and_plug_in(std::vector<Cage> cages, const std::string& policy = "crashes: 3") {
        open(std::move(cages), policy);
        plug_in();
    }

    json::object put_aside(const std::string& plugin, const std::string& why) {
        const json::object info = box_->wait_for_plugin(
            plugin, [](const json::object& p) { return text(p, "state") == "put_aside"; }, 15s);
        EXPECT_THAT(text(info, "reason"), HasSubstr(why));
        EXPECT_EQ(number(info, "pid"), 0);
        return info;
    }
    json::object device_says(std::size_t cage, const std::string& what) {
        return box_->wait_for_device(port(cage), [&](const json::object& d) {
            return text(d, "reason").find(what) != std::string::npos;
        });
    }
    json::object act(std::size_t cage, const std::string& action = "anything") {
        return box_
            ->post("/api/v1/actions",
                   json::serialize(json::object{{"device", port(cage)}, {"action", action}}))
            .json()
            .as_object();
    }
    /// An event that a bad driver managed to send.
    json::object last_event(std::size_t cage, const std::string& name) {
        return box_
            ->wait_for_device(
                port(cage),
                [&](const json::object& d) { return text(d, "last_event_name") == name; })
            .at("last_event")
            .as_object();
    }
    void log_says(const std::string& what) {
        EXPECT_TRUE(eventually([&] { return box_->log().find(what) != std::string::npos; }))
            << "not in the log: " << what << "\n"
            << box_->log();
    }
    static bool lives(std::int64_t pid) {
        return pid > 0 && ::kill(static_cast<pid_t>(pid), 0) == 0;
    }

    fs::path plugins() const { return folder_ / "plugins"; }
    std::string good_port() const { return (folder_ / "scale").string(); }
    std::string port(std::size_t cage) const {
        return (folder_ / ("bad" + std::to_string(cage))).string();
    }

    TemporaryFolder folder_;
    std::optional<SerialScale> scale_;
    std::vector<Cage> cages_;
    std::vector<std::unique_ptr<SerialScale>> bad_devices_;
    std::optional<BoxProcess> box_;
    std::optional<Witness> witness_;
};

// ---- refused before any of their code runs --------------------------------------------------------------------------

TEST_F(AZoo, refuses_what_lies_in_its_note_or_is_linked_wrongly_and_says_why) {
    const std::vector<std::pair<std::string, std::string>> refused{
        {"other_arch", "says in its note that it was built for"},
        {"abi_major", "was built for the plug-in ABI 2.0, this box has 1.0: update the box"},
        {"abi_minor", "needs the plug-in ABI 1.99, this box has 1.0: update the box"},
        {"schema_2", "the note follows schema 2, and this box reads schema 1"},
        {"extension",
         "needs the extension \"backplane.telepathy/1\", which this box does not have"},
        {"cut_json", "the note is not valid JSON: incomplete JSON"},
        {"large", "the note has 16763 bytes, and 16384 are allowed"},
        {"no_note", "the file has no note of the owner \"Backplane\""},
        {"two_notes", "the file has 2 notes of the owner \"Backplane\""},
        {"two_exports", "exports 1 symbols beside bp_plugin_entry (\"another_symbol\")"},
        {"no_entry", "does not export the data symbol bp_plugin_entry"},
        {"entry_is_code", "does not export the data symbol bp_plugin_entry"},
        {"rpath", "has the search path \"/opt/somewhere\""},
        {"lazy", "binds its symbols lazily"},
        {"object_file", "is an object file, but a plug-in is a shared library"}};
    for (const auto& [name, why] : refused) bring(BP_REFUSED_PLUGIN_DIR, name);
    std::ofstream{plugins() / "text.so"} << "this is no library at all";
    std::ofstream{plugins() / "nothing.so"};
    fs::create_symlink(plugins() / "nowhere", plugins() / "dangling.so");
    fs::create_directory(plugins() / "folder.so");
    open({});

    const json::value answer = box_->get("/api/v1/plugins").json();
    const auto listed = [&](const std::string& file) {
        for (const auto& plugin : answer.at("plugins").as_array())
            if (fs::path(text(plugin.as_object(), "path")).stem() == file)
                return plugin.as_object();
        ADD_FAILURE() << file << " is not listed";
        return json::object{};
    };
    for (const auto& [name, why] : refused) {
        const json::object plugin = listed(name);
        EXPECT_EQ(text(plugin, "state"), "refused") << name;
        EXPECT_THAT(text(plugin, "reason"), HasSubstr(why)) << name;
        EXPECT_EQ(number(plugin, "starts"), 0) << name;
    }
    EXPECT_THAT(text(listed("text"), "reason"),
                HasSubstr("does not begin with the mark of an ELF file"));
    for (const char* name : {"nothing", "dangling", "folder"}) {
        EXPECT_EQ(text(listed(name), "state"), "refused") << name;
        EXPECT_NE(text(listed(name), "reason"), "") << name;
    }
    log_says("plugin.refused");
    witness_->never_noticed();
}

TEST_F(AZoo, puts_a_driver_aside_whose_code_is_newer_than_its_note_says) {
    open_and_plug_in({{"entry_too_new"}});
    const json::object plugin = put_aside("entry_too_new", "it needs ABI 1.");
    EXPECT_THAT(text(plugin, "reason"),
                HasSubstr("update the box, or install an older version of the plug-in"));
    EXPECT_EQ(number(plugin, "starts"), 1) << "it would end in the same way each time";
    device_says(0, "it needs ABI 1.");
    witness_->never_noticed();
}

TEST_F(AZoo, does_not_start_a_driver_that_is_somebody_else_or_no_driver) {
    open_and_plug_in({{"lies_about_id"}, {"lies_about_kind"}});
    device_says(
        0, "this plug-in is org.backplane.zoo.somebody_else, not org.backplane.zoo.lies_about_id");
    device_says(1, "backplane.bus/1");
    EXPECT_EQ(text(*box_->device(port(0)), "state"), "unreachable");
    EXPECT_EQ(text(*box_->device(port(1)), "state"), "unreachable");
    witness_->never_noticed();
}

// ---- crashes --------------------------------------------------------------------------------------------------------

struct Place {
    std::string in, called;
};

class AZooWithACrash : public AZoo, public ::testing::WithParamInterface<Place> {};

TEST_P(AZooWithACrash, starts_the_driver_again_and_in_the_end_puts_it_aside_with_the_reason) {
    open_and_plug_in({{"segfaults", GetParam().in}});
    const json::object plugin = put_aside("segfaults", "killed by SIGSEGV in " + GetParam().called);
    EXPECT_THAT(
        text(plugin, "reason"),
        AllOf(HasSubstr("plug-in segfaults 1.0.0 was put aside after 3 crashes within 60.0 s"),
              HasSubstr("Install another version of it, or release it to try again")));
    EXPECT_EQ(number(plugin, "starts"), 3);
    EXPECT_EQ(number(plugin, "crashes"), 3);
    device_says(0, "killed by SIGSEGV in " + GetParam().called);
    const json::object status = box_->get("/api/v1/status").json().as_object();
    EXPECT_EQ(text(status, "state"), "degraded");
    EXPECT_THAT(json::serialize(status.at("problems")), HasSubstr("plug-in segfaults"));
    witness_->never_noticed();
}

INSTANTIATE_TEST_SUITE_P(in, AZooWithACrash,
                         ::testing::Values(Place{"create", "create()"}, Place{"start", "start()"},
                                           Place{"later", "a timer"}),
                         [](const auto& place) { return place.param.in; });

TEST_F(AZoo, asks_the_next_driver_when_one_crashes_in_its_probe) {
    open_and_plug_in({{"segfaults", "probe", false}}, "crashes: 2");
    // The bad one is asked first, and whatever it does, the scale behind it is found.
    const json::object device = box_->wait_for_state(port(0), "ready");
    EXPECT_EQ(text(device, "driver"), "toledo8217");
    EXPECT_GE(number(box_->plugin("segfaults"), "crashes"), 1);
    log_says("killed by SIGSEGV in probe start()");
    // The second scale is the same driver's, in the same process as the good one.
    EXPECT_EQ(number(box_->plugin("toledo8217"), "instances"), 2);
    bad_devices_.clear();
    EXPECT_TRUE(eventually([&] { return number(box_->plugin("toledo8217"), "instances") == 1; }));
    witness_->never_noticed();
}

TEST_F(AZoo, answers_each_action_in_which_the_driver_crashes) {
    open_and_plug_in({{"segfaults", "begin"}});
    for (int i = 0; i < 3; ++i) {
        box_->wait_for_state(port(0), "ready");
        const json::object answer = act(0);
        EXPECT_EQ(text(answer, "status"), "error");
        EXPECT_THAT(text(answer, "message"), AllOf(HasSubstr("killed by SIGSEGV in action begin()"),
                                                   HasSubstr("may or may not have happened")));
    }
    put_aside("segfaults", "killed by SIGSEGV in action begin()");
    // It was in use, so it stays in the list as what it is.
    EXPECT_EQ(text(device_says(0, "put aside"), "state"), "unreachable");
    witness_->never_noticed();
}

TEST_F(AZoo, names_each_kind_of_death) {
    open_and_plug_in({{"aborts", "start"},
                      {"overflows_stack", "later"},
                      {"exits", "start"},
                      {"segfaults_on_load", "nothing"}},
                     "crashes: 2");
    put_aside("aborts", "killed by SIGABRT in start()");
    put_aside("overflows_stack", "killed by SIGSEGV in a timer");
    put_aside("exits", "ended by itself with exit status 0 in start()");
    put_aside("segfaults_on_load", "killed by SIGSEGV while loading");
    for (std::size_t i = 0; i < 4; ++i) device_says(i, "was put aside after 2 crashes");
    witness_->never_noticed();
}

TEST_F(AZoo, ends_well_although_a_destructor_of_a_driver_would_crash) {
    open_and_plug_in({{"crashes_at_exit"}});
    box_->wait_for_state(port(0), "ready");
    EXPECT_EQ(text(act(0), "status"), "success");
    witness_->never_noticed();
    EXPECT_EQ(box_->stop(), 0);
    EXPECT_THAT(box_->log(), AllOf(Not(HasSubstr("SIGABRT")), Not(HasSubstr("put_aside"))));
}

TEST_F(AZoo, is_quiet_and_idle_once_a_driver_that_always_crashes_is_put_aside) {
    cages_ = {{"segfaults", "start"}};
    bring(BP_ZOO_DIR, "segfaults");
    BoxProcess::Options options;
    options.config = "interfaces: {serial: {extra_ports: [" + port(0) +
                     "], ignore: [\"/dev/tty*\"]}}\ndevices: {\"" + port(0) +
                     "\": {driver: segfaults}}\ndrivers: {segfaults: {in: start}}\n";
    options.plugin_dir = plugins().string();
    box_.emplace(options);
    plug_in();
    put_aside("segfaults", "after 5 crashes within 60.0 s");
    device_says(0, "is put aside");  // it has looked for another driver meanwhile

    const auto last = box_->get("/api/v1/logs?level=debug&limit=1")
                          .json()
                          .at("last_seq")
                          .to_number<std::int64_t>();
    const auto used_before = cpu_time_of(box_->pid());
    const auto begin = std::chrono::steady_clock::now();
    // Answers with the first line that is logged, or with none after 3 s.
    const json::value logs =
        box_->get("/api/v1/logs?level=debug&wait=3&after=" + std::to_string(last)).json();
    const auto watched = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    const auto used = cpu_time_of(box_->pid()) - used_before;
    EXPECT_LT(logs.at("records").as_array().size(), 3u) << json::serialize(logs);
    EXPECT_GE(watched.count(), 2900) << json::serialize(logs);
    EXPECT_LE(used.count() * 100, watched.count() * 2 * k_patience) << used.count() << " ms";
    EXPECT_EQ(number(box_->plugin("segfaults"), "starts"), 5);
}

// ---- exceptions -----------------------------------------------------------------------------------------------------

TEST_F(AZoo, takes_an_exception_from_create_and_start_for_a_failure_and_tries_again) {
    open_and_plug_in({{"throws", "create"}, {"throws_an_int", "start"}});
    EXPECT_EQ(text(device_says(0, "create() failed with INTERNAL and gave no reason"), "state"),
              "unreachable");
    EXPECT_EQ(text(device_says(1, "start() failed with INTERNAL and gave no reason"), "state"),
              "unreachable");
    log_says("let an exception through the C boundary in create()");
    log_says("let an exception through the C boundary in start()");
    EXPECT_EQ(number(box_->plugin("throws"), "crashes"), 0);
    witness_->never_noticed();
}

TEST_F(AZoo, answers_an_action_that_throws_and_goes_on_after_a_timer_that_throws) {
    open_and_plug_in({{"throws", "begin"}, {"throws_an_int", "later"}, {"throws_in_wrapper"}});
    for (std::size_t i = 0; i < 3; ++i) box_->wait_for_state(port(i), "ready");
    const json::object answer = act(0);
    EXPECT_EQ(text(answer, "status"), "error");
    EXPECT_THAT(text(answer, "message"),
                HasSubstr("begin() failed with INTERNAL and gave no reason"));
    log_says("let an exception through the C boundary in action begin()");
    log_says("let an exception through the C boundary in a timer");
    EXPECT_EQ(text(act(1), "status"), "success") << "it works on";
    EXPECT_THAT(text(act(2, "throw"), "message"),
                HasSubstr("the drawer is stuck: open it by hand"));
    EXPECT_EQ(text(act(2), "status"), "success");
    for (const char* name : {"throws", "throws_an_int", "throws_in_wrapper"})
        EXPECT_EQ(number(box_->plugin(name), "starts"), 1) << name;
    witness_->never_noticed();
}

// ---- hangs ----------------------------------------------------------------------------------------------------------

TEST_F(AZoo, ends_a_driver_that_hangs_and_names_the_function) {
    open_and_plug_in({{"hangs", "start"}, {"spins", "later"}}, "crashes: 2, hang_limit_s: 1");
    device_says(0, "did not answer for 1.");
    device_says(0, "hung in start() of instance");
    device_says(1, "hung in a timer of instance");
    put_aside("hangs", "hung in start()");
    put_aside("spins", "hung in a timer");
    witness_->never_noticed();
}

TEST_F(AZoo, answers_an_action_in_which_the_driver_hangs) {
    open_and_plug_in({{"hangs", "begin"}}, "crashes: 2, hang_limit_s: 1");
    box_->wait_for_state(port(0), "ready");
    const json::object answer = act(0);
    EXPECT_EQ(text(answer, "status"), "error");
    EXPECT_THAT(text(answer, "message"), HasSubstr("hung in action begin() of instance"));
    box_->wait_for_state(port(0), "ready");
    EXPECT_EQ(number(box_->plugin("hangs"), "crashes"), 1);
    witness_->never_noticed();
}

TEST_F(AZoo, asks_the_next_driver_when_one_hangs_in_its_probe_or_never_finishes_it) {
    open_and_plug_in({{"hangs", "probe", false}, {"never_probes", "nothing", false}},
                     "crashes: 1, hang_limit_s: 1");
    for (std::size_t i = 0; i < 2; ++i)
        EXPECT_EQ(text(box_->wait_for_state(port(i), "ready"), "driver"), "toledo8217");
    put_aside("hangs", "hung in probe start() of instance");
    EXPECT_EQ(number(box_->plugin("never_probes"), "crashes"), 0) << "that was no crash";
    bad_devices_.clear();
    EXPECT_TRUE(eventually([&] { return number(box_->plugin("toledo8217"), "instances") == 1; }));
    witness_->never_noticed();
}

TEST_F(AZoo, ends_a_driver_that_hangs_while_it_is_loaded) {
    open_and_plug_in({{"hangs_on_load"}}, "crashes: 1");
    put_aside("hangs_on_load", "was put aside after 1 crash within 60.0 s");
    put_aside("hangs_on_load", "was not loaded within 5.0 s, hung while loading");
    witness_->never_noticed();
}

TEST_F(AZoo, stops_in_time_although_a_driver_hangs_in_its_stop) {
    open_and_plug_in({{"hangs", "stop"}});
    box_->wait_for_state(port(0), "ready");
    bad_devices_.clear();
    EXPECT_TRUE(eventually([&] { return number(box_->plugin("hangs"), "crashes") == 1; }));
    log_says("hung in stop() of instance");
    EXPECT_FALSE(box_->device(port(0)).has_value())
        << "its device has gone, whatever the driver says";
    witness_->never_noticed();
    EXPECT_EQ(box_->stop(), 0);
}

// ---- too much of everything -----------------------------------------------------------------------------------------

TEST_F(AZoo, puts_a_driver_aside_that_floods_events) {
    open_and_plug_in({{"floods_events", "later"}});
    const json::object plugin =
        put_aside("floods_events", "sent more than 2000 events a second for 10 s");
    EXPECT_EQ(number(plugin, "starts"), 1) << "once is enough";
    witness_->never_noticed();
}

TEST_F(AZoo, lets_a_driver_log_and_print_so_much_and_no_more) {
    open_and_plug_in({{"floods_logs", "later"}, {"prints", "later"}});
    log_says("plugin.dropped");
    log_says("dropped=");
    const auto lines = [&] {
        const std::string log = box_->log();
        return std::count(log.begin(), log.end(), '\n');
    };
    const auto begin = std::chrono::steady_clock::now();
    const auto lines_before = lines();
    const auto used_before = cpu_time_of(box_->pid());
    witness_->weighs(100);
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EXPECT_LT(static_cast<double>(lines() - lines_before), 1500 * (took + 1.5))
        << "in " << took << " s";
    EXPECT_LT(static_cast<double>((cpu_time_of(box_->pid()) - used_before).count()),
              700 * k_patience * (took + 0.5))
        << "ms in " << took << " s";
    EXPECT_EQ(text(act(0), "status"), "success") << "it is a nuisance, not broken";
    EXPECT_EQ(text(act(1), "status"), "success");
    witness_->never_noticed();
}

TEST_F(AZoo, bounds_the_descriptors_of_a_driver_that_leaks_them) {
    open_and_plug_in({{"leaks_fds", "start"}});
    const auto count = number(last_event(0, "leaked"), "count");
    EXPECT_GT(count, 0);
    EXPECT_LT(count, 256);
    EXPECT_EQ(text(act(0), "status"), "success") << "an action needs none";
    witness_->never_noticed();
}

TEST_F(AZoo, bounds_the_memory_of_a_driver_that_eats_it) {
    if (k_patience != 1)
        GTEST_SKIP() << "a sanitizer needs more address space than any limit allows";
    open_and_plug_in({{"eats_memory", "later"}}, "memory_mb: 96");
    std::size_t most = 0;
    EXPECT_TRUE(eventually([&] {
        const json::object plugin = box_->plugin("eats_memory");
        if (number(plugin, "pid") > 0)
            most = std::max(most, memory_of(static_cast<pid_t>(number(plugin, "pid"))));
        return box_->log().find("in a timer") != std::string::npos;
    }));
    EXPECT_LT(most, std::size_t{120} << 10) << "KiB";
    witness_->never_noticed();
}

TEST_F(AZoo, leaves_nothing_behind_of_what_a_driver_has_forked) {
    open({{"forks", "start"}});
    plug_in();
    const json::object children = last_event(0, "children");
    const auto child = number(children, "child"), grandchild = number(children, "grandchild");
    ASSERT_TRUE(lives(child));
    // Nothing is left either when the host ends by itself, and it is killed like one that crashed.
    const auto host = number(box_->plugin("forks"), "pid");
    ASSERT_EQ(::kill(static_cast<pid_t>(host), SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return !lives(child) && !lives(grandchild); }))
        << child << " " << grandchild;
    // The next one has children of its own; they go with the box.
    const auto other = [&] {
        const auto device = box_->device(port(0));
        const auto* event = device ? device->if_contains("last_event") : nullptr;
        return event && event->is_object() ? number(event->get_object(), "child") : -1;
    };
    ASSERT_TRUE(eventually([&] { return other() > 0 && other() != child; }));
    const auto last_child = other();
    const auto last_grandchild = number(last_event(0, "children"), "grandchild");
    ASSERT_TRUE(lives(last_child));
    witness_->never_noticed();
    EXPECT_EQ(box_->stop(), 0);
    EXPECT_TRUE(eventually([&] { return !lives(last_child) && !lives(last_grandchild); }));
}

// ---- broken rules ---------------------------------------------------------------------------------------------------

TEST_F(AZoo, ends_a_driver_that_abuses_the_connection_of_its_host) {
    open_and_plug_in(
        {{"sends_garbage", "later"}, {"closes_socket", "later"}, {"forges_events", "later"}},
        "crashes: 2");
    put_aside("sends_garbage", "sent a broken frame: ");
    put_aside("closes_socket", "closed its connection but went on running");
    put_aside("forges_events", "which it does not have");
    log_says("event: of instance");
    EXPECT_THAT(box_->get("/api/v1/devices").body, Not(HasSubstr("66.6")))
        << "a weight that nobody has weighed";
    witness_->never_noticed();
}

TEST_F(AZoo, counts_the_first_completion_of_an_action_only) {
    open_and_plug_in({{"completes_twice", "begin"}});
    box_->wait_for_state(port(0), "ready");
    const json::object answer = act(0);
    EXPECT_EQ(text(answer, "status"), "success");
    EXPECT_EQ(text(answer, "result"), "first");
    log_says("which has already ended");
    EXPECT_EQ(text(act(0), "result"), "first") << "and it goes on";
    witness_->never_noticed();
}

TEST_F(AZoo, does_nothing_for_calls_from_other_threads_but_log_them) {
    open_and_plug_in({{"calls_from_threads", "later"}});
    log_says("on another thread than the driver thread");
    const json::object device = box_->wait_for_state(port(0), "ready");
    EXPECT_THAT(json::serialize(device),
                AllOf(Not(HasSubstr("66.6")), Not(HasSubstr("wrong thread"))));
    EXPECT_EQ(text(act(0), "status"), "success");
    witness_->never_noticed();
}

TEST_F(AZoo, survives_an_interface_that_reports_nonsense_and_crashes) {
    bring(BP_ZOO_DIR, "bad_interface");
    open({}, "crashes: 2");
    put_aside("bad_interface", "killed by SIGSEGV in a timer");
    log_says("descriptor.refused");
    log_says("which is the limit");
    EXPECT_EQ(box_->get("/readyz").status, 200) << "it does not wait for that one for ever";
    witness_->never_noticed();
}

TEST_F(AZoo, with_all_of_them_at_once_still_weighs) {
    open_and_plug_in({{"segfaults", "later"},
                      {"aborts", "later"},
                      {"throws", "later"},
                      {"hangs", "later"},
                      {"spins", "later"},
                      {"floods_events", "later"},
                      {"sends_garbage", "later"},
                      {"closes_socket", "later"},
                      {"forges_events", "later"},
                      {"forks", "later"},
                      {"leaks_fds", "later"},
                      {"calls_from_threads", "later"}},
                     "crashes: 2, hang_limit_s: 1");
    for (const char* name : {"segfaults", "aborts", "hangs", "spins", "floods_events",
                             "sends_garbage", "closes_socket", "forges_events"})
        put_aside(name, "was put aside");
    for (const std::size_t good_for_now : {2u, 9u, 10u, 11u})
        box_->wait_for_state(port(good_for_now), "ready");
    witness_->never_noticed();
}

}  // namespace
}  // namespace backplane::tests
