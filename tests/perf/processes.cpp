// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "processes.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace backplane::perf {

namespace {

std::string proc(pid_t process, const char* file) {
    return "/proc/" + std::to_string(process) + "/" + file;
}

}  // namespace

std::vector<pid_t> process_tree(pid_t root) {
    std::vector<pid_t> out{root};
    for (std::size_t i = 0; i < out.size(); ++i) {
        std::error_code gone;
        for (std::filesystem::directory_iterator it{proc(out[i], "task"), gone}, end;
             !gone && it != end; it.increment(gone)) {
            std::ifstream children{it->path() / "children"};
            for (pid_t child = 0; children >> child;) out.push_back(child);
        }
    }
    return out;
}

Memory memory_of(const std::vector<pid_t>& processes) {
    Memory memory;
    for (const pid_t process : processes) {
        std::ifstream file{proc(process, "smaps_rollup")};
        bool any = false;
        for (std::string line; std::getline(file, line);) {
            std::istringstream words{line};
            std::string key;
            double kib = 0;
            if (!(words >> key >> kib)) continue;
            if (key == "Pss:") {
                memory.pss_mb += kib / 1024;
                any = true;
            }
            if (key == "Private_Clean:" || key == "Private_Dirty:") memory.private_mb += kib / 1024;
        }
        if (!any) throw std::runtime_error("cannot read " + proc(process, "smaps_rollup"));
    }
    return memory;
}

std::string name_of(pid_t process) {
    std::ifstream file{proc(process, "comm")};
    std::string name;
    std::getline(file, name);
    return name;
}

std::chrono::duration<double> processor_time(const std::vector<pid_t>& processes) {
    double ticks = 0;
    for (const pid_t process : processes) {
        std::ifstream file{proc(process, "stat")};
        std::string line;
        std::getline(file, line);
        // proc(5): the name, field 2, may hold blanks and brackets; utime and stime are fields 14 and 15.
        std::istringstream words{line.substr(std::min(line.size(), line.rfind(')') + 1))};
        std::string skipped;
        for (int field = 3; field < 14; ++field) words >> skipped;
        double user = 0, system = 0;
        if (words >> user >> system) ticks += user + system;
    }
    return std::chrono::duration<double>{ticks / static_cast<double>(::sysconf(_SC_CLK_TCK))};
}

bool drop_page_cache() {
    ::sync();
    std::ofstream file{"/proc/sys/vm/drop_caches"};
    file << "3" << std::flush;
    return static_cast<bool>(file);
}

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool ok = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    if (!ok) throw std::runtime_error("there is no free port");
    return ntohs(address.sin_port);
}

}  // namespace backplane::perf
