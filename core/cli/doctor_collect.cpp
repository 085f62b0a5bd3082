// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "doctor_collect.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "backplane/core/fd.hpp"
#include "util/redaction.hpp"
#include "util/utf8.hpp"

namespace backplane::cli {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t k_item_bytes = 2u << 20;  // of a piece; all together stay far below 20 MB
// No question to the box is begun after the first; each ends within the second.
constexpr auto k_box_time = 4s;
constexpr auto k_box_limit = 3s;
constexpr std::size_t k_most_files = 2'000;

enum class Kind { text, json, yaml };

struct Item {
    std::string name;
    Kind kind;
    std::function<std::string()> collect;
};

/// JSON by the names of its members; what is none, as text.
std::string redacted_json(const std::string& text) {
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error) return core::redacted(std::string_view{text});
    // The code that pairs this box with a database is good for minutes; until then it is a key.
    if (auto* object = value.if_object())
        if (auto* pairing = object->if_contains("pairing"); pairing && pairing->is_object())
            if (auto* code = pairing->get_object().if_contains("code");
                code && code->is_string() && !code->get_string().empty())
                *code = "***";
    return json::serialize(core::redacted(value)) + "\n";
}

std::string finished(Kind kind, const std::string& text) {
    std::string out = kind == Kind::json   ? redacted_json(text)
                      : kind == Kind::yaml ? core::redacted_yaml(text)
                                           : core::redacted(std::string_view{text});
    return core::to_valid_utf8(out, k_item_bytes);
}

/// Names, sizes and times; never a content.
std::string listing(const std::string& folder) {
    std::string out = folder + "\n";
    std::error_code error;
    std::vector<std::string> lines;
    fs::recursive_directory_iterator entries{folder, fs::directory_options::skip_permission_denied,
                                             error};
    for (; !error && entries != fs::recursive_directory_iterator{}; entries.increment(error)) {
        if (lines.size() == k_most_files) {
            out += "(only the first " + std::to_string(k_most_files) + " are listed)\n";
            break;
        }
        struct stat info {};
        if (::lstat(entries->path().c_str(), &info) != 0) continue;
        char time[32] = "";
        std::tm parts{};
        if (::gmtime_r(&info.st_mtime, &parts))
            std::strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", &parts);
        char mode[8];
        std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
        lines.push_back(std::string(mode) + " " + std::to_string(info.st_uid) + " " +
                        std::to_string(info.st_size) + " " + time + " " +
                        entries->path().lexically_relative(folder).string());
    }
    if (error) out += "(cannot list: " + error.message() + ")\n";
    std::sort(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
        return a.substr(a.rfind(' ')) < b.substr(b.rfind(' '));
    });
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

std::string usb_devices() {
    std::string out;
    std::error_code error;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator{"/sys/bus/usb/devices", error})
        if (found.size() < 500) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    const auto attribute = [](const fs::path& path) {
        std::string text = content_of(path.string(), 4096);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    };
    for (const fs::path& device : found) {
        if (!fs::exists(device / "idVendor", error)) continue;
        out += device.filename().string() + " " + attribute(device / "idVendor") + ":" +
               attribute(device / "idProduct");
        for (const char* const name : {"manufacturer", "product", "serial"})
            if (fs::exists(device / name, error)) out += " \"" + attribute(device / name) + "\"";
        out += "\n";
    }
    for (const char* const folder : {"/dev/serial/by-id", "/dev/usb", "/dev/input/by-id"})
        for (const auto& entry : fs::directory_iterator{folder, error})
            out += entry.path().string() + "\n";
    return out.empty() ? "none\n" : out;
}

std::string system_facts(const std::string& state_dir) {
    std::string out = "backplane " BP_VERSION "\n";
    utsname name{};
    if (::uname(&name) == 0)
        out += std::string(name.sysname) + " " + name.release + " " + name.machine + " " +
               name.nodename + "\n";
    char time[64] = "";
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    if (::gmtime_r(&now, &parts)) std::strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S UTC", &parts);
    out += std::string(time) + "\n";
    for (const std::string& folder : {state_dir, std::string("/"), std::string("/tmp")}) {
        struct statvfs disk {};
        if (::statvfs(folder.c_str(), &disk) != 0) continue;
        out += folder + ": " + std::to_string(disk.f_bavail * disk.f_frsize >> 20) + " of " +
               std::to_string(disk.f_blocks * disk.f_frsize >> 20) + " MiB free, " +
               std::to_string(disk.f_favail) + " files" +
               ((disk.f_flag & ST_RDONLY) != 0 ? ", read-only" : "") + "\n";
    }
    for (const char* const file : {"/etc/os-release", "/proc/uptime", "/proc/loadavg",
                                   "/proc/meminfo", "/proc/device-tree/model"})
        out += std::string("\n== ") + file + "\n" + content_of(file, 64u << 10) + "\n";
    return out;
}

std::string network_facts() {
    std::string out;
    for (const char* const file : {"/proc/net/dev", "/proc/net/route", "/etc/resolv.conf",
                                   "/proc/net/tcp", "/proc/net/tcp6"})
        out += std::string("== ") + file + "\n" + content_of(file, 256u << 10) + "\n";
    return out;
}

std::string configuration(const std::string& file) {
    std::string out = "file: " + file + "\n" + content_of(file, 512u << 10) + "\n";
    std::error_code error;
    std::vector<fs::path> fragments;
    for (const auto& entry : fs::directory_iterator{fs::path{file}.parent_path() / "conf.d", error})
        if (entry.path().extension() == ".yaml" && fragments.size() < 100)
            fragments.push_back(entry.path());
    std::sort(fragments.begin(), fragments.end());
    // A key for the name of each: comments do not survive the redaction.
    for (const fs::path& fragment : fragments)
        out +=
            "file: " + fragment.string() + "\n" + content_of(fragment.string(), 512u << 10) + "\n";
    return out;
}

std::string journal() {
    const auto log = output_of({"journalctl", "-u", "backplaned", "-u", "backplane", "-n", "5000",
                                "--no-pager", "-o", "short-iso-precise"},
                               5s, k_item_bytes);
    return log ? *log : "not available: " + log.error().text + "\n";
}

std::vector<Item> items_of(const BoxClient& box, const DoctorOptions& options) {
    std::vector<Item> items;
    // One after the other: a box that has much to do takes few connections at once.
    const auto turn = std::make_shared<std::mutex>();
    const auto until = steady_clock::now() + k_box_time;
    const auto ask_box = [box, turn, until](const std::string& target) {
        const std::lock_guard lock{*turn};
        if (steady_clock::now() >= until)
            return core::Result<std::string>{
                core::failure("box.slow", "the box is too slow to answer all questions")};
        return box.get(target, k_box_limit);
    };
    for (const auto& [name, target] :
         std::vector<std::pair<std::string, std::string>>{{"status", "/api/v1/status"},
                                                          {"devices", "/api/v1/devices"},
                                                          {"plugins", "/api/v1/plugins"},
                                                          {"update", "/api/v1/update"},
                                                          {"odoo", "/api/v1/odoo"},
                                                          {"log-levels", "/api/v1/logs/levels"},
                                                          {"logs", "/api/v1/logs?limit=5000"}})
        items.push_back(
            {"box/" + name + ".json", Kind::json, [ask_box, target = target] {
                 const auto answer = ask_box(target);
                 if (answer) return *answer;
                 return json::serialize(json::object{{"not_collected", answer.error().text}});
             }});
    items.push_back({"box/metrics.txt", Kind::text, [ask_box] {
                         const auto answer = ask_box("/metrics");
                         return answer ? *answer : "not collected: " + answer.error().text + "\n";
                     }});
    items.push_back({"configuration.yaml", Kind::yaml,
                     [file = options.config] { return configuration(file); }});
    items.push_back(
        {"state-folder.txt", Kind::text, [folder = options.state_dir] { return listing(folder); }});
    items.push_back({"journal.txt", Kind::text, &journal});
    items.push_back(
        {"system.txt", Kind::text, [folder = options.state_dir] { return system_facts(folder); }});
    items.push_back({"usb.txt", Kind::text, &usb_devices});
    items.push_back({"network.txt", Kind::text, &network_facts});
    return items;
}

/// Results of threads that may outlive whoever waits for them.
struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::optional<std::string>> results;  // guarded by mutex
    std::size_t missing = 0;                          // guarded by mutex
};

std::vector<std::optional<std::string>> run_all(std::vector<std::function<std::string()>> work,
                                                std::chrono::milliseconds limit) {
    const auto shared = std::make_shared<Shared>();
    shared->results.resize(work.size());
    shared->missing = work.size();
    for (std::size_t i = 0; i < work.size(); ++i)
        std::thread{[shared, i, job = std::move(work[i])] {
            std::string result;
            try {
                result = job();
            } catch (const std::exception& error) {
                result = std::string("not collected: ") + error.what() + "\n";
            }
            const std::lock_guard lock{shared->mutex};
            shared->results[i] = std::move(result);
            --shared->missing;
            shared->changed.notify_all();
        }}.detach();
    std::unique_lock lock{shared->mutex};
    shared->changed.wait_for(lock, limit, [&] { return shared->missing == 0; });
    return shared->results;
}

}  // namespace

std::optional<std::string> within(std::chrono::milliseconds limit,
                                  std::function<std::string()> work) {
    return run_all({std::move(work)}, limit).front();
}

core::Result<std::string> output_of(const std::vector<std::string>& command,
                                    std::chrono::milliseconds limit, std::size_t most) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return core::failure("doctor.pipe", std::generic_category().message(errno));
    core::Fd in{ends[0]};
    core::Fd out{ends[1]};
    std::vector<std::string> words = command;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDERR_FILENO);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return core::failure("doctor.program", "cannot run " + command[0] + ": " +
                                                   std::generic_category().message(error));
    out.reset();
    std::string text;
    const auto until = steady_clock::now() + limit;
    bool ended = false;
    while (!ended) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
        pollfd watched{in.get(), POLLIN, 0};
        if (left <= 0ms || ::poll(&watched, 1, static_cast<int>(left.count())) <= 0) break;
        char buffer[64u << 10];
        const ssize_t count = ::read(in.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        ended = count <= 0;
        if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
        // Of a log the end is what matters.
        if (text.size() > 2 * most) text.erase(0, text.size() - most);
    }
    if (!ended) ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (text.size() > most) text.erase(0, text.size() - most);
    if (!ended) text += "\n(ended: it took too long)\n";
    return text;
}

std::string content_of(const std::string& path, std::size_t most) {
    const core::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) return "(cannot read: " + std::generic_category().message(errno) + ")";
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "(is no regular file)";
    std::string text;
    char buffer[16384];
    while (text.size() < most) {
        const ssize_t count =
            ::read(file.get(), buffer, std::min(sizeof buffer, most - text.size()));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
}

std::vector<std::pair<std::string, std::string>> collect(const BoxClient& box,
                                                         const DoctorOptions& options,
                                                         std::chrono::milliseconds limit) {
    std::vector<Item> items = items_of(box, options);
    std::vector<std::function<std::string()>> work;
    for (const Item& item : items)
        // Redacted in the same thread: that, too, is part of the deadline.
        work.push_back([item] { return finished(item.kind, item.collect()); });
    const auto results = run_all(std::move(work), limit);
    std::vector<std::pair<std::string, std::string>> out;
    for (std::size_t i = 0; i < items.size(); ++i)
        out.emplace_back(items[i].name, results[i]
                                            ? *results[i]
                                            : "not collected: it took longer than " +
                                                  std::to_string(limit.count() / 1000) + " s\n");
    return out;
}

}  // namespace backplane::cli
