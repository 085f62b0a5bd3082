// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The fake host must be as strict as a real one: most cases here let a plug-in break a rule and
// look for the fault.
#include "backplane/testkit/fake_host.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <future>

#include "backplane/driver.hpp"
#include "backplane/interface.hpp"
#include "backplane/testkit/fake_port.hpp"
#include "backplane/testkit/matchers.hpp"

namespace {

using namespace backplane::testkit;
using backplane::sdk::Action;
using backplane::sdk::Driver;
using backplane::sdk::Failure;
using backplane::sdk::FdWatch;
using backplane::sdk::Host;
using backplane::sdk::Timer;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Does what the running test says.
class Puppet : public Driver {
public:
    explicit Puppet(Host& host) : Driver(host) {
        if (on_create) on_create(*this);
    }
    ~Puppet() override {
        on_create = on_start = on_stop = on_probe = on_interrupt = nullptr, on_action = nullptr;
    }
    void start() override {
        if (on_start) on_start(*this);
    }
    void stop() override {
        if (on_stop) on_stop(*this);
    }
    void action(Action action) override {
        if (on_action)
            on_action(*this, std::move(action));
        else
            Driver::action(std::move(action));
    }
    void cancel(backplane::sdk::ActionId) override {
        for (auto& action : actions)
            if (action.open()) action.fail(BP_E_CANCELLED, "cancelled");
    }
    void probe() {
        if (on_probe) on_probe(*this);
    }
    void cancel_probe() { timer.reset(); }
    void interrupt() noexcept {
        if (on_interrupt) on_interrupt(*this);
    }

    using Driver::claim;
    using Driver::describe;
    using Driver::device_fd;
    using Driver::emit;
    using Driver::host;
    using Driver::no_match;
    using Driver::report_lost;
    using Driver::report_ready;

    std::unique_ptr<Timer> timer;
    std::unique_ptr<FdWatch> watch;
    std::vector<Action> actions;

    using Hook = std::function<void(Puppet&)>;
    static inline Hook on_create, on_start, on_stop, on_probe, on_interrupt;
    static inline std::function<void(Puppet&, Action)> on_action;
};

BACKPLANE_DRIVER(Puppet)

class AFakeHost : public testing::Test {
protected:
    AFakeHost() {
        Puppet::on_stop = [](Puppet& self) {
            self.timer.reset();
            self.watch.reset();
            self.actions.clear();
        };
    }
    void begin() {
        ASSERT_EQ(host.create(), BP_OK) << host.error();
        ASSERT_EQ(host.start(), BP_OK) << host.error();
    }
    void end() {
        host.stop();
        host.destroy();
    }

    FakeHost host{bp_plugin_entry, "org.backplane.puppet"};
};

TEST_F(AFakeHost, finds_no_fault_with_a_plugin_that_does_nothing_wrong) {
    begin();
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, hands_on_the_refusal_of_an_unknown_id) {
    FakeHost other(bp_plugin_entry, "org.backplane.somebody_else");
    EXPECT_EQ(other.create(), BP_E_INVALID);
    EXPECT_EQ(other.error(),
              "this plug-in is org.backplane.puppet, not org.backplane.somebody_else");
}

TEST_F(AFakeHost, gives_the_text_of_a_failed_start) {
    ASSERT_EQ(host.create(), BP_OK);
    Puppet::on_start = [](Puppet&) { throw Failure(BP_E_IO, "the port cannot be read"); };
    EXPECT_EQ(host.start(), BP_E_IO);
    EXPECT_EQ(host.error(), "the port cannot be read");
}

TEST_F(AFakeHost, reports_a_timer_and_a_watch_that_are_left_after_stop) {
    FakePort port;
    host.set_device(port.device());
    Puppet::on_stop = nullptr;
    Puppet::on_start = [](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [] {});
        self.timer->start_once(1s);
        self.watch = std::make_unique<FdWatch>(self.host(), self.device_fd(), BP_FD_READ,
                                               [](std::uint32_t) {});
    };
    begin();
    host.stop();
    EXPECT_THAT(host.faults(),
                ElementsAre("1 timers left after stop()", "1 watches left after stop()"));
    host.destroy();
}

TEST_F(AFakeHost, reports_an_action_that_is_completed_twice) {
    Puppet::on_action = [](Puppet& self, Action action) {
        const auto& table = self.host().require<bp_host_actions>(BP_EXT_ACTIONS);
        const auto id = action.id();
        action.succeed();
        EXPECT_EQ(table.complete(self.host().raw(), id, BP_OK, {nullptr, 0}, {nullptr, 0}),
                  BP_E_INVALID);
        EXPECT_EQ(table.complete(self.host().raw(), 4711, BP_OK, {nullptr, 0}, {nullptr, 0}),
                  BP_E_INVALID);
    };
    begin();
    const ActionId id = host.action("twice");
    EXPECT_THAT(host.faults(),
                ElementsAre("the action " + std::to_string(id) + " \"twice\" was completed twice",
                            "the action 4711 was completed, but there is none of this id"));
    end();
}

TEST_F(AFakeHost, reports_an_action_that_is_left_open_after_stop) {
    Puppet::on_stop = nullptr;
    Puppet::on_action = [](Puppet& self, Action action) {
        self.actions.push_back(std::move(action));
    };
    begin();
    host.action("forgotten");
    host.stop();
    EXPECT_THAT(host.faults(), ElementsAre(AllOf(HasSubstr("\"forgotten\""),
                                                 HasSubstr("left open after stop()"))));
}

TEST_F(AFakeHost, reports_calls_in_the_wrong_state) {
    ASSERT_EQ(host.create(), BP_OK);
    Puppet::on_probe = [](Puppet& self) {
        EXPECT_THROW(self.emit("weight", {}), Failure);
        EXPECT_THROW(self.report_ready(), Failure);
        self.claim();
    };
    EXPECT_EQ(host.probe().verdict, BP_PROBE_CLAIM);
    Puppet::on_start = [](Puppet& self) { EXPECT_THROW(self.claim(), Failure); };
    ASSERT_EQ(host.start(), BP_OK);
    EXPECT_THAT(host.faults(),
                ElementsAre("events.emit() was called while the instance was not started",
                            "device.report() was called while the instance was not started",
                            "probe.finish() was called while the instance was not being probed"));
    end();
}

TEST_F(AFakeHost, reports_calls_on_another_thread_but_not_of_the_log_and_the_clock) {
    Puppet::on_start = [](Puppet& self) {
        std::jthread([&self] {
            self.host().log_info("from a thread");
            (void)self.host().now();
            EXPECT_THROW(self.emit("weight", {}), Failure);
        });
    };
    begin();
    EXPECT_THAT(host.faults(),
                ElementsAre("events.emit() was called on another thread than the driver's"));
    EXPECT_THAT(host.log(), SizeIs(1));
    end();
}

TEST_F(AFakeHost, reports_a_plugin_that_goes_round_in_circles) {
    Puppet::on_start = [](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [&self] { self.timer->start_once(0ns); });
        self.timer->start_once(0ns);
    };
    begin();
    host.advance(1ms);
    EXPECT_THAT(host.faults(), ElementsAre(HasSubstr("while the clock stood still")));
    end();
}

TEST_F(AFakeHost, reports_a_descriptor_that_is_closed_while_it_is_watched) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    host.set_device(ends[0]);
    Puppet::on_start = [](Puppet& self) {
        self.watch = std::make_unique<FdWatch>(self.host(), self.device_fd(), BP_FD_READ,
                                               [](std::uint32_t) {});
    };
    begin();
    ::close(ends[0]);
    host.pump();
    end();
    EXPECT_THAT(host.faults(),
                ElementsAre(HasSubstr("was closed while it was being watched"),
                            "the plug-in closed the device: it belongs to the host"));
    ::close(ends[1]);
}

TEST_F(AFakeHost, reports_events_that_are_too_long_and_too_many) {
    begin();
    Puppet::on_action = [](Puppet& self, Action action) {
        EXPECT_THROW(self.emit("long", {{"text", std::string(40'000, 'x')}}), Failure);
        for (int i = 0; i < 20'001; ++i) self.emit("many", {});
        action.succeed();
    };
    host.action("talk");
    EXPECT_THAT(host.faults(), ElementsAre("the data of the event \"long\" is longer than 32 KiB",
                                           "more than 2000 events a second over 10 s"));
    end();
}

TEST_F(AFakeHost, reports_a_description_with_unknown_members) {
    Puppet::on_start = [](Puppet& self) {
        self.describe({{"model", "8217"}});
        EXPECT_THROW(self.describe({{"colour", "grey"}}), Failure);
    };
    begin();
    EXPECT_THAT(host.descriptions(), ElementsAre(HasMember("model", "8217")));
    EXPECT_THAT(host.faults(), ElementsAre(HasSubstr("\"colour\"")));
    end();
}

TEST_F(AFakeHost, fires_timers_in_order_and_only_when_the_clock_is_moved) {
    std::vector<std::string> calls;
    std::unique_ptr<Timer> second, third;
    Puppet::on_start = [&](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [&] { calls.push_back("every 30"); });
        self.timer->start_every(30ms);
        second = std::make_unique<Timer>(self.host(), [&] { calls.push_back("at 50"); });
        second->start_once(50ms);
        third = std::make_unique<Timer>(self.host(), [&] { calls.push_back("never"); });
        third->start_once(10ms);
        third->cancel();
    };
    begin();
    host.advance(29ms);
    EXPECT_THAT(calls, IsEmpty());
    host.advance(61ms);
    EXPECT_THAT(calls, ElementsAre("every 30", "at 50", "every 30", "every 30"));
    second.reset();
    third.reset();
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, refuses_the_sixty_fifth_timer) {
    std::vector<std::unique_ptr<Timer>> many;
    Puppet::on_start = [&](Puppet& self) {
        for (int i = 0; i < 64; ++i) {
            many.push_back(std::make_unique<Timer>(self.host(), [] {}));
            many.back()->start_once(1s);
        }
        Timer one_more(self.host(), [] {});
        EXPECT_THROW(one_more.start_once(1s), Failure);
    };
    begin();
    many.clear();
    end();
}

TEST_F(AFakeHost, serves_what_can_be_read_before_it_moves_the_clock) {
    FakePort port;
    host.set_device(port.device());
    std::string read;
    Puppet::on_start = [&](Puppet& self) {
        self.watch = std::make_unique<FdWatch>(
            self.host(), self.device_fd(), BP_FD_READ, [&](std::uint32_t) {
                char buffer[16];
                const auto got = ::read(self.device_fd(), buffer, sizeof buffer);
                read.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
            });
        self.timer = std::make_unique<Timer>(self.host(), [&] { read += " (timer)"; });
        self.timer->start_once(10ms);
    };
    begin();
    host.after(10ms, [&] { port.answer(" later"); });
    port.answer("now");
    host.advance(10ms);
    EXPECT_EQ(read, "now (timer) later");
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, stops_the_clock_at_the_moment_the_condition_comes_true) {
    bool fired = false;
    Puppet::on_start = [&](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [&] { fired = true; });
        self.timer->start_once(70ms);
    };
    begin();
    const auto before = host.now();
    EXPECT_TRUE(host.advance_until([&] { return fired; }, 10s));
    EXPECT_EQ(host.now() - before, 70ms);
    EXPECT_FALSE(host.advance_until([] { return false; }, 1s));
    EXPECT_EQ(host.now() - before, 1070ms);
    end();
}

TEST_F(AFakeHost, ends_a_probe_at_its_deadline) {
    ASSERT_EQ(host.create(), BP_OK);
    Puppet::on_probe = [](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [] {});
        self.timer->start_once(1h);
    };
    const ProbeResult result = host.probe(2s);
    EXPECT_EQ(result.verdict, 0);
    EXPECT_EQ(result.reason, "no answer before the deadline");
    EXPECT_THAT(host.faults(), IsEmpty()) << "cancel_probe() of the puppet takes the timer away";
}

TEST_F(AFakeHost, reports_a_timer_that_is_left_when_a_probe_ends) {
    ASSERT_EQ(host.create(), BP_OK);
    Puppet::on_probe = [](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [] {});
        self.timer->start_once(1s);
        self.no_match("not mine");
    };
    EXPECT_EQ(host.probe().reason, "not mine");
    EXPECT_THAT(host.faults(), ElementsAre("1 timers left after the end of the probe"));
}

TEST_F(AFakeHost, cancels_an_action_at_its_deadline) {
    Puppet::on_action = [](Puppet& self, Action action) {
        self.actions.push_back(std::move(action));
    };
    begin();
    const ActionId id = host.action("slow", {}, {}, 3s);
    host.advance(2999ms);
    EXPECT_EQ(host.result(id), std::nullopt);
    host.advance(1ms);
    EXPECT_THAT(host.result(id), FailedWith(BP_E_CANCELLED, "cancelled"));
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, begins_one_action_at_a_time) {
    Puppet::on_action = [](Puppet& self, Action action) {
        self.actions.push_back(std::move(action));
    };
    std::vector<Action>* held = nullptr;
    Puppet::on_start = [&](Puppet& self) { held = &self.actions; };
    begin();
    const ActionId first = host.action("first");
    const ActionId second = host.action("second");
    EXPECT_THAT(*held, SizeIs(1));
    held->front().succeed({{"count", 1}});
    host.pump();
    ASSERT_THAT(*held, SizeIs(2));
    held->back().fail(BP_E_BUSY, "later");
    EXPECT_THAT(host.result(first), SucceededWith(HasMember("count", 1)));
    EXPECT_THAT(host.result(second), FailedWith(BP_E_BUSY, "later"));
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, takes_an_exception_in_an_action_as_its_refusal) {
    Puppet::on_action = [](Puppet&, Action) {
        throw Failure(BP_E_INVALID, "no picture came along");
    };
    begin();
    EXPECT_THAT(host.result(host.action("print")),
                FailedWith(BP_E_INVALID, "no picture came along"));
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, answers_an_action_that_the_driver_dropped) {
    Puppet::on_action = [](Puppet&, Action) {};
    begin();
    EXPECT_THAT(host.result(host.action("x")),
                FailedWith(BP_E_INTERNAL, "the driver dropped the action without an answer"));
    end();
}

TEST_F(AFakeHost, runs_work_on_a_thread_and_what_follows_on_the_drivers) {
    std::promise<void> gate;
    std::thread::id worker, follower;
    bool done = false;
    Puppet::on_start = [&](Puppet& self) {
        backplane::sdk::run_on_worker(
            self.host(),
            [&] {
                gate.get_future().wait();
                worker = std::this_thread::get_id();
            },
            [&] {
                follower = std::this_thread::get_id();
                done = true;
            });
    };
    begin();
    host.pump();
    EXPECT_FALSE(done);
    gate.set_value();
    ASSERT_TRUE(host.run_until([&] { return done; }));
    EXPECT_NE(worker, std::this_thread::get_id());
    EXPECT_EQ(follower, std::this_thread::get_id());
    end();
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, interrupts_work_before_it_stops_the_instance_and_waits_for_it) {
    std::promise<void> gate;
    bool done = false;
    Puppet::on_interrupt = [&](Puppet&) { gate.set_value(); };
    Puppet::on_start = [&](Puppet& self) {
        backplane::sdk::run_on_worker(
            self.host(), [&] { gate.get_future().wait(); }, [&] { done = true; });
    };
    begin();
    end();
    EXPECT_TRUE(done);
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AFakeHost, can_be_a_host_without_an_extension) {
    host.without_extension(BP_EXT_EVENTS);
    EXPECT_EQ(host.create(), BP_E_UNSUPPORTED);
    EXPECT_EQ(host.error(), "the host has no extension backplane.events/1: update the box");
}

TEST_F(AFakeHost, restarts_a_plugin_that_does_not_listen_to_settings) {
    host.set_settings({{"colour", "red"}});
    std::vector<std::string> seen;
    Puppet::on_start = [&](Puppet& self) {
        seen.emplace_back(self.host().settings().at("colour").as_string());
    };
    begin();
    EXPECT_EQ(host.change_settings({{"colour", "blue"}}), BP_OK);
    EXPECT_THAT(seen, ElementsAre("red", "blue"));
    end();
}

TEST_F(AFakeHost, follows_real_time_when_it_is_told_to) {
    bool fired = false;
    Puppet::on_start = [&](Puppet& self) {
        self.timer = std::make_unique<Timer>(self.host(), [&] { fired = true; });
        self.timer->start_once(20ms);
    };
    begin();
    EXPECT_FALSE(host.run_until([&] { return fired; }, 40ms)) << "the clock stands still";
    host.follow_real_time(true);
    EXPECT_TRUE(host.run_until([&] { return fired; }, 10s));
    end();
}

// ---- what is left to a successor ----

/// Another plug-in in this program: it keeps one text.
class Notebook : public Driver {
public:
    using Driver::Driver;
    static constexpr std::uint32_t k_state_version = 3;

    void start() override {
        if (text_ == "(cannot start)") throw Failure(BP_E_IO, "the notebook is wet");
        report_ready();
        emit("open", {{"text", text_}});
    }
    void stop() override {}
    void action(Action action) override {
        text_ = action.name();
        action.succeed();
    }
    std::vector<std::uint8_t> save_state() {
        if (text_ == "fail") throw Failure(BP_E_IO, "the notebook is full");
        if (text_ == "nothing") throw Failure(BP_E_UNSUPPORTED, "");
        if (text_ == "too much") return std::vector<std::uint8_t>((1u << 20) + 1);
        if (text_ == "much") return std::vector<std::uint8_t>(1u << 20);
        if (text_ == "arm") {
            timer_ = std::make_unique<Timer>(host(), [] {});
            timer_->start_once(1s);
        }
        return {text_.begin(), text_.end()};
    }
    bool restore_state(std::uint32_t version, std::span<const std::uint8_t> state) {
        if (version != 2 && version != k_state_version) return false;
        if (state.size() > 100) throw Failure(BP_E_INVALID, "the notebook has one page");
        text_.assign(state.begin(), state.end());
        return true;
    }

private:
    std::string text_ = "new";
    std::unique_ptr<Timer> timer_;
};

const bp_entry k_notebook{
    sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0,
    [](const bp_host* host, const char* id, bp_instance** out) noexcept -> bp_status {
        return backplane::sdk::PluginInstance<Notebook>::create("org.backplane.notebook", host, id,
                                                                out);
    }};

class AStateOfAFakeHost : public testing::Test {
protected:
    void begin(FakeHost& which) {
        ASSERT_EQ(which.create(), BP_OK) << which.error();
        ASSERT_EQ(which.start(), BP_OK) << which.error();
    }
    void write(const std::string& text) { ASSERT_TRUE(host.result(host.action(text)).has_value()); }
    static SavedState state(std::uint32_t version, const std::string& text) {
        return {version, {text.begin(), text.end()}};
    }

    FakeHost host{k_notebook, "org.backplane.notebook"};
};

TEST_F(AStateOfAFakeHost, is_none_when_the_plugin_fails_to_save_it) {
    begin(host);
    for (const char* what : {"fail", "too much", "nothing"}) {
        write(what);
        EXPECT_EQ(host.quiesce(), std::nullopt) << what;
        ASSERT_EQ(host.start(), BP_OK);
    }
    EXPECT_THAT(host.faults(), ElementsAre("a state of more than 1 MiB"));
}

TEST_F(AStateOfAFakeHost, may_not_leave_a_timer_running) {
    begin(host);
    write("arm");
    EXPECT_THAT(host.quiesce(), LeftState(3, "arm"));
    EXPECT_THAT(host.faults(), ElementsAre("1 timers left after save()"));
}

TEST_F(AStateOfAFakeHost, is_put_only_while_it_is_asked_for) {
    begin(host);
    const auto* raw_host = static_cast<const bp_host_state*>(nullptr);
    FakeHost puppet{bp_plugin_entry, "org.backplane.puppet"};
    Puppet::on_stop = nullptr;
    Puppet::on_start = [&](Puppet& self) {
        raw_host = self.host().extension<bp_host_state>(BP_EXT_STATE);
        EXPECT_EQ(raw_host->put(self.host().raw(), {}), BP_E_BAD_STATE);
    };
    begin(puppet);
    ASSERT_NE(raw_host, nullptr);
    EXPECT_THAT(puppet.faults(),
                ElementsAre("state.put() was called while the instance was not being saved"));
    EXPECT_EQ(puppet.quiesce(), std::nullopt) << "it has no backplane.state/1";
    EXPECT_EQ(puppet.restore(state(1, "x")), BP_E_UNSUPPORTED);
}

TEST_F(AStateOfAFakeHost, goes_from_one_instance_to_the_next) {
    begin(host);
    write("four eggs");
    const auto left = host.quiesce();
    ASSERT_THAT(left, LeftState(3, "four eggs"));
    FakeHost successor{k_notebook, "org.backplane.notebook"};
    ASSERT_EQ(successor.create(), BP_OK);
    ASSERT_EQ(successor.restore(*left), BP_OK) << successor.error();
    ASSERT_EQ(successor.start(), BP_OK);
    EXPECT_THAT(successor.events(), ElementsAre(IsEvent("open", HasMember("text", "four eggs"))));
    host.destroy();
    EXPECT_THAT(host.faults(), IsEmpty());
    EXPECT_THAT(successor.faults(), IsEmpty());
}

TEST_F(AStateOfAFakeHost, may_be_of_an_older_version_empty_or_a_mebibyte) {
    ASSERT_EQ(host.create(), BP_OK);
    EXPECT_EQ(host.restore(state(2, "")), BP_OK);
    ASSERT_EQ(host.start(), BP_OK);
    EXPECT_THAT(host.quiesce(), LeftState(3, ""));
    ASSERT_EQ(host.start(), BP_OK) << "as after a swap that failed";
    write("much");
    EXPECT_THAT(host.quiesce(), LeftState(3, SizeIs(1u << 20)));
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AStateOfAFakeHost, that_is_declined_leaves_the_instance_as_it_was) {
    ASSERT_EQ(host.create(), BP_OK);
    EXPECT_EQ(host.restore(state(4, "five eggs")), BP_E_UNSUPPORTED);
    EXPECT_EQ(host.restore(state(3, std::string(101, 'x'))), BP_E_INVALID);
    EXPECT_EQ(host.error(), "the notebook has one page");
    ASSERT_EQ(host.start(), BP_OK);
    EXPECT_THAT(host.events(), ElementsAre(IsEvent("open", HasMember("text", "new"))));
    EXPECT_THAT(host.faults(), IsEmpty());
}

TEST_F(AStateOfAFakeHost, cannot_be_left_to_a_host_that_is_too_old) {
    host.without_extension(BP_EXT_STATE);
    begin(host);
    EXPECT_EQ(host.quiesce(), std::nullopt);
    EXPECT_EQ(host.error(), "the host has no extension backplane.state/1: update the box");
    EXPECT_THAT(host.faults(), IsEmpty());
}

// An interface has no entry of its own here: the bus is tried through the table, from a driver's
// instance.
TEST_F(AFakeHost, keeps_the_devices_of_a_bus_and_refuses_incomplete_descriptors) {
    Puppet::on_start = [](Puppet& self) {
        const auto& bus = self.host().require<bp_host_bus>(BP_EXT_BUS);
        const auto* raw = self.host().raw();
        using backplane::sdk::view;
        EXPECT_EQ(
            bus.added(raw,
                      view(R"({"key":"a","bus":"serial","address":"/dev/ttyS0","identifier":"a"})"),
                      -1),
            BP_OK);
        EXPECT_EQ(bus.added(raw, view(R"({"key":"b","bus":"serial","identifier":"b"})"), -1),
                  BP_E_INVALID);
        EXPECT_EQ(bus.removed(raw, view("nobody")), BP_E_INVALID);
        EXPECT_EQ(bus.settled(raw), BP_OK);
        EXPECT_EQ(bus.removed(raw, view("a")), BP_OK);
        EXPECT_EQ(bus.settled(raw), BP_E_BAD_STATE);
    };
    begin();
    EXPECT_THAT(host.bus(), SizeIs(3));
    EXPECT_THAT(host.devices(), IsEmpty());
    EXPECT_THAT(host.faults(), ElementsAre("the descriptor of a device lacks the text \"address\"",
                                           "bus.settled() was called twice after one start()"));
    end();
}

}  // namespace
