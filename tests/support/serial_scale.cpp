// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "support/serial_scale.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>

#include "support/box_process.hpp"

namespace backplane::tests {

namespace {

constexpr auto k_character_time =
    std::chrono::nanoseconds{1'000'000'000 / 960};  // 9600 baud, 10 bits a character

}  // namespace

SerialScale::SerialScale(std::filesystem::path link, double kilograms)
    : link_(std::move(link)), kilograms_(kilograms) {
    if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0)
        throw std::runtime_error("no pipe for the scale");
    thread_ = std::thread([this] { serve(); });
    plug();
}

SerialScale::~SerialScale() {
    stop_ = true;
    (void)!::write(wake_[1], "x", 1);
    thread_.join();
    close_terminal();
    ::close(wake_[0]);
    ::close(wake_[1]);
}

void SerialScale::set_weight(double kilograms) {
    const std::lock_guard lock{mutex_};
    kilograms_ = kilograms;
    status_.reset();
}
void SerialScale::set_status(std::optional<std::uint8_t> status) {
    const std::lock_guard lock{mutex_};
    status_ = status;
}
void SerialScale::switch_off() {
    const std::lock_guard lock{mutex_};
    off_ = true;
    echo_ = false;
}
void SerialScale::switch_on() {
    const std::lock_guard lock{mutex_};
    off_ = false;
}
void SerialScale::set_garbage(bool on) {
    const std::lock_guard lock{mutex_};
    garbage_ = on;
}
void SerialScale::set_format(std::string frame) {
    const std::lock_guard lock{mutex_};
    format_ = std::move(frame);
}
void SerialScale::unplug_within_answer() {
    {
        const std::lock_guard lock{mutex_};
        cut_next_ = true;
    }
    wait_until_open(false);
}
void SerialScale::unplug() {
    {
        const std::lock_guard lock{mutex_};
        plugged_ = false;
    }
    (void)!::write(wake_[1], "x", 1);
    wait_until_open(false);
}
void SerialScale::plug() {
    {
        const std::lock_guard lock{mutex_};
        plugged_ = true;
        cut_next_ = false;
        echo_ = false;
    }
    (void)!::write(wake_[1], "x", 1);
    wait_until_open(true);
}

void SerialScale::wait_until_open(bool open) {
    if (!eventually([&] { return open_ == open; }))
        throw std::runtime_error("the scale's terminal does not obey");
}

void SerialScale::open_terminal() {
    std::array<char, 64> name{};
    if (::openpty(&master_, &slave_, name.data(), nullptr, nullptr) != 0)
        throw std::runtime_error("no terminal left");
    termios line{};
    ::tcgetattr(slave_, &line);
    ::cfmakeraw(&line);
    ::tcsetattr(slave_, TCSANOW, &line);
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
    std::error_code ignored;
    std::filesystem::remove(link_, ignored);
    std::filesystem::create_symlink(name.data(), link_);
    open_ = true;
}

void SerialScale::close_terminal() {
    if (master_ < 0) return;
    std::error_code ignored;
    std::filesystem::remove(link_, ignored);
    ::close(slave_);
    ::close(master_);
    master_ = slave_ = -1;
    open_ = false;
}

void SerialScale::answer(const std::string& bytes) {
    bool cut = false;
    {
        const std::lock_guard lock{mutex_};
        cut = cut_next_;
    }
    auto due = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < bytes.size() && !stop_; ++i) {
        if (cut && i == bytes.size() / 2) {
            const std::lock_guard lock{mutex_};
            plugged_ = cut_next_ = false;
            return;
        }
        due += k_character_time;
        std::this_thread::sleep_until(due);  // this is the speed of the line
        (void)!::write(master_, &bytes[i], 1);
    }
}

void SerialScale::take(char command) {
    std::string reply;
    {
        const std::lock_guard lock{mutex_};
        if (off_) return;
        if (echo_ && command != 'F') {
            reply = std::string(1, command);
        } else if (command == 'E' || command == 'F') {
            echo_ = command == 'E';
            reply = std::string("\x02") + command + '\r';
        } else if (command == 'W') {
            ++requests_;
            std::array<char, 32> text{};
            std::snprintf(text.data(), text.size(), "\x02%06.3f\r", kilograms_);
            reply = garbage_           ? std::string("\x02\xff\x00?\x07", 5)
                    : !format_.empty() ? format_
                    : status_          ? std::string("\x02?") + static_cast<char>(*status_) + '\r'
                                       : std::string(text.data());
        } else {
            reply = "\x02?\x40\r";
        }
    }
    answer(reply);
}

void SerialScale::serve() {
    while (!stop_) {
        bool wanted = false;
        {
            const std::lock_guard lock{mutex_};
            wanted = plugged_;
        }
        if (wanted && master_ < 0) open_terminal();
        if (!wanted && master_ >= 0) close_terminal();
        std::array<pollfd, 2> fds{{{wake_[0], POLLIN, 0}, {master_, POLLIN, 0}}};
        ::poll(fds.data(), master_ < 0 ? 1 : 2, 1000);
        std::array<char, 64> buffer{};
        if (fds[0].revents) (void)!::read(wake_[0], buffer.data(), buffer.size());
        if (master_ < 0 || !(fds[1].revents & POLLIN)) continue;
        const ssize_t count = ::read(master_, buffer.data(), buffer.size());
        for (ssize_t i = 0; i < count; ++i) {
            ++bytes_received_;
            // A terminal hands it over at once; on a line the command takes its time as well.
            std::this_thread::sleep_for(k_character_time);
            take(buffer[static_cast<std::size_t>(i)]);
        }
    }
}

}  // namespace backplane::tests
