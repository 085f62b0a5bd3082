// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "http/http_types.hpp"
#include "http/response_head.hpp"

namespace backplane::core::test {
namespace {

struct Where {
    sockaddr_storage address{};
    socklen_t length = 0;
};

Where where(const std::string& address, std::uint16_t port) {
    Where out;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&out.address, &v4, sizeof v4);
        out.length = sizeof v4;
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&out.address, &v6, sizeof v6);
        out.length = sizeof v6;
    } else {
        throw std::runtime_error("not an address: " + address);
    }
    return out;
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

bool ready(int fd, short events) {
    pollfd poll{fd, events, 0};
    return ::poll(&poll, 1, static_cast<int>(std::chrono::milliseconds{k_patience}.count())) == 1;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos && at + 2 < head.size()) {
        const std::size_t end = head.find("\r\n", at + 2);
        const std::string_view line = std::string_view{head}.substr(at + 2, end - at - 2);
        const std::size_t colon = line.find(": ");
        if (colon != std::string_view::npos && equal_ignoring_case(line.substr(0, colon), name)) {
            return std::string{line.substr(colon + 2)};
        }
        at = end;
    }
    return {};
}

HttpClient HttpClient::tcp(std::uint16_t port, const std::string& address) {
    return tcp(port, address, Options{});
}

HttpClient HttpClient::tcp(std::uint16_t port, const std::string& address, const Options& options) {
    const Where to = where(address, port);
    Fd fd{::socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd) fail("socket");
    if (options.receive_buffer_bytes > 0 &&
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int)) !=
            0) {
        fail("SO_RCVBUF");
    }
    if (!options.from.empty()) {
        const Where from = where(options.from, 0);
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from.address), from.length) != 0)
            fail("bind");
    }
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to.address), to.length) != 0)
        fail("connect");
    return HttpClient{std::move(fd)};
}

HttpClient HttpClient::local(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd) fail("socket");
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail("connect");
    return HttpClient{std::move(fd)};
}

void FreeSsl::operator()(SSL* ssl) const noexcept {
    SSL_free(ssl);
}

HttpClient HttpClient::tls(std::uint16_t port, const Tls& tls, const std::string& from) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2)
    Options options;
    options.from = from;
    HttpClient client = tcp(port, "127.0.0.1", options);
    timeval patience{};
    patience.tv_sec = k_patience.count();
    ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{
        SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    if (!tls.authority_pem.empty()) {
        const std::unique_ptr<BIO, decltype(&BIO_free)> bio{
            BIO_new_mem_buf(tls.authority_pem.data(), static_cast<int>(tls.authority_pem.size())),
            &BIO_free};
        X509* const authority = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority);
        X509_free(authority);
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    }
    if (tls.newest_version != 0) {
        SSL_CTX_set_security_level(context.get(), 0);  // or it would not even try
        SSL_CTX_set_cipher_list(context.get(), "ALL");
        SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context.get(), tls.newest_version);
    }
    client.ssl_.reset(SSL_new(context.get()));
    SSL* const ssl = client.ssl_.get();
    SSL_set1_host(ssl, tls.name.c_str());
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(tls.name.c_str()));
    if (!tls.alpn.empty()) {
        SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(tls.alpn.data()),
                            static_cast<unsigned>(tls.alpn.size()));
    }
    if (tls.resume != nullptr) SSL_set_session(ssl, tls.resume);
    SSL_set_fd(ssl, client.fd());
    ERR_clear_error();
    if (SSL_connect(ssl) != 1) {
        const char* const reason = ERR_reason_error_string(ERR_peek_error());
        throw std::runtime_error(reason != nullptr ? reason : "the connection ended");
    }
    return client;
}

bool HttpClient::send(std::string_view bytes) {
    if (ssl_) {
        ERR_clear_error();
        return bytes.empty() ||
               SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
    }
    while (!bytes.empty()) {
        const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno != EAGAIN || !ready(fd_.get(), POLLOUT)) {
            return false;
        }
    }
    return true;
}

bool HttpClient::receive() {
    if (ended_ || ((!ssl_ || SSL_pending(ssl_.get()) == 0) && !ready(fd_.get(), POLLIN)))
        return false;
    std::array<char, 65536> bytes;
    ERR_clear_error();
    const auto n = ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                        : ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (n <= 0) {
        ended_ = true;
        reset_ = n < 0 && errno == ECONNRESET;
        return false;
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    return true;
}

std::string HttpClient::read_until(std::string_view mark) {
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos) {
        if (!receive()) return std::exchange(buffer_, {});
    }
    std::string out = buffer_.substr(0, at + mark.size());
    buffer_.erase(0, out.size());
    return out;
}

Answer HttpClient::read(bool head_request) {
    Answer answer;
    answer.head = read_until("\r\n\r\n");
    if (!answer.head.ends_with("\r\n\r\n")) return answer;
    answer.status = static_cast<unsigned>(std::stoul(answer.head.substr(9, 3)));
    if (head_request || answer.status < 200 || is_bodiless(answer.status)) {
        answer.complete = true;
    } else if (answer.header("Transfer-Encoding") == "chunked") {
        for (;;) {
            const std::string line = read_until("\r\n");
            if (!line.ends_with("\r\n")) return answer;
            const std::size_t size = std::stoul(line, nullptr, 16);
            while (buffer_.size() < size + 2) {
                if (!receive()) return answer;
            }
            answer.body += buffer_.substr(0, size);
            buffer_.erase(0, size + 2);
            if (size == 0) break;
        }
        answer.complete = true;
    } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
        const std::size_t size = std::stoul(length);
        while (buffer_.size() < size) {
            if (!receive()) break;
        }
        answer.body = buffer_.substr(0, size);
        buffer_.erase(0, answer.body.size());
        answer.complete = answer.body.size() == size;
    } else {
        while (receive()) {
        }
        answer.body = std::exchange(buffer_, {});
        answer.complete = ended_ && !reset_;
    }
    return answer;
}

Answer HttpClient::ask(std::string_view request) {
    send(request);
    return read(request.starts_with("HEAD "));
}

std::optional<std::string> HttpClient::read_to_end() {
    while (receive()) {
    }
    if (!ended_) return std::nullopt;
    return std::exchange(buffer_, {});
}

bool HttpClient::is_closed() {
    return read_to_end() == std::string{};
}

void HttpClient::close_sending() {
    ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace backplane::core::test
