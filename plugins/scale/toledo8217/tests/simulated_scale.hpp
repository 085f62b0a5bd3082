// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A Toledo 8217 at the other end of a FakePort, byte by byte at the speed of the line, with every
// fault a real one has.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backplane/testkit/fake_host.hpp"
#include "backplane/testkit/fake_port.hpp"

namespace backplane::toledo8217 {

class SimulatedScale {
public:
    SimulatedScale(testkit::FakeHost& host, testkit::FakePort& port) : host_(host), port_(port) {
        host_.on_readable(port_.peer(), [this] { hear(); });
    }

    std::string weight = "01.234";       ///< between the first byte and the carriage return
    std::optional<std::uint8_t> status;  ///< answers "?" and this instead
    std::optional<std::string> raw;      ///< answers "W" with exactly this
    bool on = true;
    bool echo = false;
    testkit::Duration delay{};          ///< before an answer
    std::optional<std::size_t> cut;     ///< sends only so many bytes of an answer
    std::optional<std::size_t> drop;    ///< the byte that gets lost, in the next answer only
    std::optional<std::size_t> damage;  ///< the byte with a parity error, in each answer
    bool damage_once = false;
    std::optional<std::size_t>
        pull_at;  ///< the cable is pulled after so many bytes of the next answer

    std::vector<testkit::Duration> questions;  ///< when each "W" was heard

private:
    static constexpr testkit::Duration k_character{1'041'666};

    void hear() {
        for (const char byte : port_.take_sent()) {
            if (!on) continue;
            if (echo && byte != 'F')
                send(std::string(1, byte));
            else if (byte == 'W')
                answer();
            else if (byte == 'E' || byte == 'F') {
                echo = byte == 'E';
                send(std::string("\x02") + byte + "\r");
            } else
                send("\x02?\x40\r");
        }
    }
    void answer() {
        questions.push_back(host_.now());
        std::string bytes = raw      ? *raw
                            : status ? std::string("\x02?") + static_cast<char>(*status) + "\r"
                                     : "\x02" + weight + "\r";
        if (drop) bytes.erase(*std::exchange(drop, std::nullopt), 1);
        if (cut) bytes.resize(std::min(*cut, bytes.size()));
        send(bytes, true);
    }
    void send(const std::string& bytes, bool of_weight = false) {
        free_ = std::max(free_, host_.now() + k_character) + delay;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            free_ += k_character;
            const bool bad = of_weight && damage == i;
            if (bad && damage_once) damage.reset();
            if (of_weight && pull_at == i) {
                pull_at.reset();
                host_.after(free_ - host_.now(), [this] {
                    host_.forget_readable(port_.peer());
                    port_.hang_up();
                });
                return;
            }
            host_.after(free_ - host_.now(), [this, byte = bytes[i], bad] {
                if (!on) return;
                if (bad)
                    port_.answer_damaged(static_cast<std::uint8_t>(byte));
                else
                    port_.answer(std::string(1, byte));
            });
        }
    }

    testkit::FakeHost& host_;
    testkit::FakePort& port_;
    testkit::Duration free_{};  // when the line has sent everything so far
};

}  // namespace backplane::toledo8217
