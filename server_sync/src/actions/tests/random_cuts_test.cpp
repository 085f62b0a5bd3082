// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A server that sends what the box has not confirmed, devices that end actions when they like, and a power supply that
// fails at any moment: what was run, and what was said of it, is counted.
#include <map>
#include <random>
#include <set>

#include "actions/tests/inbox_box.hpp"

namespace backplane::sync {
namespace {

using test::action;
namespace json = boost::json;

constexpr int k_actions = 400;

class AnUnreliablePowerSupply : public test::AnInbox, public testing::WithParamInterface<unsigned> {
protected:
    static const char* name_of(int id) {
        return id % 3 == 0 ? "cashbox" : id % 3 == 1 ? "print_receipt" : "read_once";
    }
    static std::string unique(int id) { return "id-" + std::to_string(id); }
    static Notification order(int id) {
        return action(id, id % 3 == 2 ? "scale" : "printer", name_of(id), unique(id));
    }
    int up_to(int most) { return std::uniform_int_distribution<int>(0, most)(random); }

    /// Whatever a device has been asked counts as done from then on.
    void look() {
        for (; seen < devices.asked.size(); ++seen) {
            const auto& request = devices.asked[seen].request;
            auto& runs = run[request.unique_id];
            const bool counts = request.name != "read_once";
            if (counts && runs > 0 && !request.data.contains("repeated")) ++unmarked;
            ++runs;
        }
    }
    void send() {
        std::vector<Notification> frame;
        const int last = std::min(k_actions, next + up_to(8));
        for (; next <= last; ++next) frame.push_back(order(next));
        if (!frame.empty()) inbox->take(std::move(frame), {});
    }
    void end_one() {
        look();
        if (devices.asked.empty()) return;
        --seen;
        devices.succeed();
    }
    void live_again() {
        look();
        cut_power();
        seen = 0;
        begin();
        next = static_cast<int>(inbox->last_id()) + 1;
        look();
        ++cuts;
    }

    std::mt19937 random{GetParam()};
    int next = 1, cuts = 0, unmarked = 0;
    std::size_t seen = 0;
    std::map<std::string, int> run;
};

TEST_P(AnUnreliablePowerSupply, makes_nothing_happen_twice_unmarked_and_nothing_get_lost) {
    while (next <= k_actions || cuts < 60) {
        send();
        if (up_to(2) > 0) settle();
        for (int i = up_to(6); i > 0; --i) {
            end_one();
            if (up_to(1) > 0) settle();
            look();
        }
        switch (up_to(3)) {
            case 0:
                hold_disk();  // whatever is asked for now comes too late
                send();
                end_one();
                live_again();
                break;
            case 1:
                settle();
                live_again();
                break;
            default:
                settle();
                look();
        }
    }
    for (settle(), look(); !devices.asked.empty(); settle(), look()) end_one();

    std::set<std::string> unsure;
    for (const auto& reply : replies)
        unsure.insert(std::string{reply.at("action_unique_id").as_string()});
    EXPECT_EQ(unmarked, 0);
    EXPECT_EQ(inbox->status().waiting, 0u);
    for (int id = 1; id <= k_actions; ++id) {
        const std::string name = unique(id);
        if (id % 3 == 0) {
            EXPECT_LE(run[name], 1) << name;
            EXPECT_TRUE(run[name] == 1 || unsure.contains(name)) << name << " was lost silently";
        } else {
            EXPECT_GE(run[name], 1) << name << " was lost";
            EXPECT_FALSE(unsure.contains(name)) << name;
        }
    }
    EXPECT_GE(cuts, 60);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnUnreliablePowerSupply, testing::Values(1u, 2u, 3u, 4u));

}  // namespace
}  // namespace backplane::sync
