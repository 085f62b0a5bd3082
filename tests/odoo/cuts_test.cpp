// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Cuts at random moments, of the server, of the line and of the box itself, while the server sends actions: each action's
// effect happens once, or, where that is better than never, again and marked. Nothing is lost in silence.
//
// BP_CUTS and BP_ACTIONS set how many; BP_SEED repeats a run, which prints its own.
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "odoo_fixture.hpp"

namespace backplane::tests {

namespace {

int number_from(const char* variable, int usual) {
    const char* text = std::getenv(variable);
    return text ? std::atoi(text) : usual;
}

struct Effects {
    int first = 0, repeated = 0;
};

}  // namespace

using AnOrderOfTheServer = ABoxAndOdoo;

TEST_F(AnOrderOfTheServer, has_its_effect_once_or_marked_whatever_is_cut) {
    const int cuts = number_from("BP_CUTS", 1'000);
    const int actions = number_from("BP_ACTIONS", 10'000);
    const auto seed = static_cast<unsigned>(
        number_from("BP_SEED", static_cast<int>(std::random_device{}() >> 1)));
    std::printf("%d cuts, %d actions, BP_SEED=%u\n", cuts, actions, seed);
    std::mt19937 random{seed};
    const auto up_to = [&](int most) {
        return std::uniform_int_distribution<int>{0, most}(random);
    };

    start_box();
    pair();

    // Sent while cuts go on: as many between two cuts as there are actions for each.
    const std::vector<std::string> types{"printer", "payment", "camera"};
    std::map<std::string, std::string> sent;  // n → type
    int next = 0, killed = 0;
    const auto send = [&](int count) {
        for (int i = 0; i < count && next < actions; ++i) {
            const std::string n = std::to_string(++next);
            const std::string& type = types[static_cast<std::size_t>(up_to(2))];
            sent[n] = type;
            odoo_.notify_action("ledger_" + type,
                                type == "printer"   ? "print_receipt"
                                : type == "payment" ? "pay"
                                                    : "take_picture",
                                {{"n", n}, {"action_unique_id", "id-" + n}, {"session_id", n}});
        }
    };
    const int each = (actions + cuts - 1) / cuts;
    for (int cut = 0; cut < cuts; ++cut) {
        send(each);
        // At any moment of what follows: reading the frame, writing it down, running it, telling how it ended.
        std::this_thread::sleep_for(std::chrono::microseconds{up_to(20'000)});
        switch (up_to(5)) {
            case 0:
                odoo_.stop();
                std::this_thread::sleep_for(std::chrono::milliseconds{up_to(100)});
                odoo_.start();
                break;
            case 1:
                odoo_.reset_connections();
                break;
            case 2:
                odoo_.fault(Fault::black_hole());
                std::this_thread::sleep_for(std::chrono::milliseconds{up_to(300)});
                odoo_.heal();
                break;
            case 3:
                odoo_.fault("/iot/box/send_websocket", Fault::lost_answer());
                std::this_thread::sleep_for(std::chrono::milliseconds{up_to(100)});
                odoo_.heal();
                break;
            case 4:
                odoo_.close_websockets(up_to(1) == 0 ? 1001 : 4002);
                break;
            default:
                crash_and_restart();
                ++killed;
                break;
        }
    }
    send(actions);

    // All is well again. The last one of each kind that is done shows that those before it are, too.
    std::set<std::string> unsure;
    const auto answered = [&] {
        std::set<std::string> out;
        for (const json::object& reply : odoo_.replies())
            if (reply.contains("status")) out.emplace(text_at(reply, {"session_id"}));
        return out;
    };
    std::map<std::string, Effects> effects;
    const bool all_done = eventually(
        [&] {
            effects.clear();
            for (const LedgerLine& line : ledger())
                ++(line.repeated ? effects[line.n].repeated : effects[line.n].first);
            const auto told = answered();
            return std::all_of(sent.begin(), sent.end(), [&](const auto& action) {
                return effects.contains(action.first) || told.contains(action.first);
            });
        },
        120s * k_patience);
    EXPECT_TRUE(all_done);
    for (const json::object& reply : odoo_.replies())
        if (text_at(reply, {"status"}) == "error") unsure.emplace(text_at(reply, {"session_id"}));

    int lost = 0, unmarked = 0, doubled = 0, repeated = 0, not_repeated = 0;
    for (const auto& [n, type] : sent) {
        const Effects& effect = effects[n];
        if (type == "payment") {
            if (effect.first + effect.repeated > 1) ++doubled;
            if (effect.first + effect.repeated == 0) unsure.contains(n) ? ++not_repeated : ++lost;
        } else {
            if (effect.first + effect.repeated == 0) ++lost;
            // Who takes two pictures has done no harm.
            if (type == "printer" && effect.first > 1) ++unmarked;
            if (type == "printer") repeated += effect.repeated;
        }
    }
    std::printf(
        "killed %d times; receipts repeated and marked: %d; payments cut off before their effect "
        "and said "
        "so: %d\n",
        killed, repeated, not_repeated);
    EXPECT_EQ(lost, 0);
    EXPECT_EQ(unmarked, 0) << "receipts that were printed again without a mark";
    EXPECT_EQ(doubled, 0) << "payments that were carried out twice";
}

}  // namespace backplane::tests
