// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The main loop's half of a download: starts the worker, looks at its pace, tells of its progress,
// and hands over what it brings.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "backplane/core/log.hpp"
#include "backplane/sync/handlers.hpp"
#include "browser/guarded.hpp"
#include "handlers/exchange.hpp"
#include "handlers/pace.hpp"
#include "handlers/refusals.hpp"
#include "server/line.hpp"
#include "server/server_url.hpp"
#include "server/worker_thread.hpp"

namespace backplane::sync {

using namespace std::chrono_literals;
using core::BundleAnswer;
using core::Result;

class HandlerDownload::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(boost::asio::io_context& loop, HandlerDownloadOptions with)
        : loop_(loop), timer_(loop), options_(std::move(with)) {}
    ~Impl() { stop(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    HandlerServer server() const { return options_.server ? options_.server() : HandlerServer{}; }

    void fetch(core::BundleRequest request, Progress progress, Done done) {
        if (worker_.joinable()) {
            // Said later, like everything else.
            boost::asio::post(
                loop_, guarded("update", [weak = weak_from_this(), done = std::move(done)] {
                    if (weak.lock() && done)
                        done(core::failure("update.running",
                                           "a download of driver updates is running already: wait "
                                           "until it has ended"));
                }));
            return;
        }
        HandlerServer server = this->server();
        warn_of(server.url);
        line_ = std::make_shared<Line>();
        progress_ = std::move(progress);
        done_ = std::move(done);
        told_ = {0, 0};
        pace_.emplace(options_.limits, std::chrono::steady_clock::now());
        worker_ = std::jthread([&loop = loop_, weak = weak_from_this(), line = line_,
                                options = options_, server = std::move(server),
                                request = std::move(request)](const std::stop_token& stop) {
            begin_worker_thread("bp-bundles");
            auto result =
                std::make_shared<Result<BundleAnswer>>(work(server, options, request, *line, stop));
            boost::asio::post(loop, [weak, line, result] {
                if (const auto self = weak.lock(); self && self->line_ == line)
                    self->end(std::move(*result));
            });
            line->finish();
        });
        look_again();
    }

    /// Once for each server, in the log.
    void warn_of(const std::string& url) {
        if (url == std::exchange(warned_of_, url)) return;
        if (const auto text = warning_of(url); !text.empty())
            core::log_warning("update", "server.not_encrypted", {{"reason", text}});
    }

    static std::string warning_of(const std::string& server) {
        const auto url = parse_server_url(server);
        if (!url || url->tls) return {};
        return url->origin() +
               " is asked for driver updates without encryption: whoever is on the way can hold "
               "them back (they cannot forge them), so use https if the server has it";
    }

    /// Ends a running download without a word.
    void stop() noexcept {
        stopped_ = true;
        progress_ = nullptr;
        done_ = nullptr;
        join(Line::Cut::owner);
    }

private:
    static Result<BundleAnswer> work(const HandlerServer& server,
                                     const HandlerDownloadOptions& options,
                                     const core::BundleRequest& request, Line& line,
                                     const std::stop_token& stop) noexcept {
        try {
            return ask_for_handlers(server, options, request, line, stop);
        } catch (const std::exception& error) {
            return core::failure("E_NET",
                                 "the download of driver updates failed in the box itself (" +
                                     std::string(error.what()) + "): try again");
        }
    }

    void join(Line::Cut why) noexcept {
        if (!worker_.joinable()) return;
        worker_.request_stop();
        if (why != Line::Cut::none) line_->cut(why);
        while (!line_->wait_finished(20ms)) line_->cut(Line::Cut::owner);
        worker_.join();
    }

    void look_again() {
        timer_.expires_after(options_.limits.look_every);
        timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            if (const auto self = weak.lock(); self && !error) self->look();
        });
    }

    void look() {
        if (stopped_ || !worker_.joinable()) return;
        const auto cut = pace_->look(std::chrono::steady_clock::now(),
                                     {line_->received, line_->wire_bytes(), line_->sockets()});
        // Once cut, again each time until the worker has noticed.
        if (cut != Line::Cut::none || line_->why() != Line::Cut::none) {
            line_->cut(cut);
            worker_.request_stop();
        }
        tell();
        if (!stopped_) look_again();
    }

    void tell() {
        const std::pair<std::uint64_t, std::uint64_t> now{line_->received, line_->expected};
        if (!progress_ || now == std::exchange(told_, now)) return;
        guarded("update", progress_)(now.first, now.second);
    }

    void end(Result<BundleAnswer> result) {
        timer_.cancel();
        join(Line::Cut::none);
        tell();
        // Who is told may ask again, or destroy this.
        progress_ = nullptr;
        if (auto done = std::exchange(done_, nullptr))
            guarded("update", std::move(done))(std::move(result));
    }

    boost::asio::io_context& loop_;
    boost::asio::steady_timer timer_;
    const HandlerDownloadOptions options_;
    std::string warned_of_;
    bool stopped_ = false;

    // Of the running fetch.
    std::shared_ptr<Line> line_;  ///< two owners: this and the worker
    Progress progress_;
    Done done_;
    std::pair<std::uint64_t, std::uint64_t> told_;
    std::optional<Pace> pace_;
    std::jthread worker_;
};

HandlerDownload::HandlerDownload(boost::asio::io_context& loop, HandlerDownloadOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {
    impl_->warn_of(impl_->server().url);
}

HandlerDownload::~HandlerDownload() {
    impl_->stop();
}

std::string HandlerDownload::name() const {
    const std::string url = impl_->server().url;
    const auto parsed = parse_server_url(url);
    return parsed ? parsed->origin() : url;
}

void HandlerDownload::fetch(core::BundleRequest request, Progress progress, Done done) {
    impl_->fetch(std::move(request), std::move(progress), std::move(done));
}

std::string HandlerDownload::warning() const {
    return Impl::warning_of(impl_->server().url);
}

}  // namespace backplane::sync
