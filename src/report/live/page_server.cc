#include "report/live/page_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <map>

#include "core/error.h"
#include "core/setting_name.h"

namespace circuit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxRequest = 16 << 10;  // bytes; browsers send one or two kB
constexpr size_t kMaxConnections = 64;
constexpr std::chrono::seconds kPatience{20};  // without a byte, either way
constexpr int kPollMilliseconds = 200;

std::string reason(int status) {
  static const std::map<int, std::string> reasons = {{200, "OK"},
                                                     {400, "Bad Request"},
                                                     {403, "Forbidden"},
                                                     {404, "Not Found"},
                                                     {405, "Method Not Allowed"},
                                                     {431, "Request Header Fields Too Large"},
                                                     {500, "Internal Server Error"}};
  return reasons.at(status);
}

Response failure(int status, const std::string& text) { return {status, "text/plain; charset=utf-8", text + "\n"}; }

// The value of the first header of that name (in lower case), or nothing.
std::string header(const std::string& request, const std::string& name) {
  for (size_t at = request.find("\r\n"); at != std::string::npos && at + 2 < request.size();
       at = request.find("\r\n", at + 2)) {
    const size_t begin = at + 2, end = request.find("\r\n", begin), colon = request.find(':', begin);
    if (colon == std::string::npos || colon > end) continue;
    std::string key = request.substr(begin, colon - begin);
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    if (key != name) continue;
    const size_t value = request.find_first_not_of(" \t", colon + 1);
    return request.substr(value, request.find_last_not_of(" \t", end - 1) + 1 - value);
  }
  return "";
}

bool is_this_machine(const std::string& host) {
  const std::string name = host.substr(0, host.rfind(':'));
  return name == "127.0.0.1" || name == "localhost";
}

std::string head_of(const Response& response) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: "
      "no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n\r\n",
      response.status, reason(response.status), response.type, response.body.size());
}

}  // namespace

struct PageServer::Connection {
  explicit Connection(int socket) : descriptor(socket), last(Clock::now()) {}
  ~Connection() { close(descriptor); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor;
  Clock::time_point last;  // when a byte came or went
  std::string in, out;
  size_t sent = 0;
};

PageServer::PageServer(int port, Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0) fail("serve", "no socket: {}.", std::strerror(errno));
  const int yes = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, kMaxConnections) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    const int error = errno;
    close(listener_);
    fail("serve", "port {}: {}, expected a free one. Leave {} out to have one chosen.", port, std::strerror(error),
         setting("port"));
  }
  port_ = ntohs(address.sin_port);
}

PageServer::~PageServer() { close(listener_); }

void PageServer::accept_all() {
  while (connections_.size() < kMaxConnections) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    connections_.push_back(std::make_unique<Connection>(socket));
  }
}

std::string PageServer::answer(const std::string& request) const {
  const size_t method_end = request.find(' '), path_end = request.find_first_of(" ?\r", method_end + 1);
  const std::string line = request.substr(0, request.find("\r\n"));
  if (method_end == std::string::npos || line.find(" HTTP/1.") == std::string::npos) {
    const Response bad = failure(400, "This is no HTTP request.");
    return head_of(bad) + bad.body;
  }
  const std::string method = request.substr(0, method_end);
  Response response;
  if (!is_this_machine(header(request, "host"))) {
    response = failure(403, "Ask for it as 127.0.0.1 or localhost.");
  } else if (method != "GET" && method != "HEAD") {
    response = failure(405, "Pages are only read here.");
  } else {
    try {
      response = handler_(request.substr(method_end + 1, path_end - method_end - 1));
    } catch (const std::exception& error) {
      // The run may be moved or being written: the next request may find it well.
      response = failure(500, error.what());
    }
  }
  return head_of(response) + (method == "HEAD" ? "" : response.body);
}

bool PageServer::go_on(Connection& connection, short events) {
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  if (connection.out.empty()) {
    if ((events & (POLLIN | POLLHUP)) == 0) return true;
    std::array<char, 4096> bytes;
    const ssize_t n = recv(connection.descriptor, bytes.data(), bytes.size(), 0);
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    connection.in.append(bytes.data(), static_cast<size_t>(n));
    if (connection.in.find("\r\n\r\n") != std::string::npos) {
      connection.out = answer(connection.in);
    } else if (connection.in.size() > kMaxRequest) {
      const Response response = failure(431, "The request is too long.");
      connection.out = head_of(response) + response.body;
    }
  }
  // An answer may have taken long to make: patience counts from its end.
  connection.last = Clock::now();
  if (connection.out.empty()) return true;
  const ssize_t n = send(connection.descriptor, connection.out.data() + connection.sent,
                         connection.out.size() - connection.sent, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<size_t>(n);
  if (connection.sent < connection.out.size()) return true;
  shutdown(connection.descriptor, SHUT_WR);
  return false;
}

void PageServer::serve(const std::function<bool()>& stop) {
  std::vector<pollfd> polled;
  while (!stop()) {
    polled.assign(1, {listener_, POLLIN, 0});
    for (const auto& connection : connections_) {
      const short wanted = connection->out.empty() ? POLLIN : POLLOUT;
      polled.push_back({connection->descriptor, wanted, 0});
    }
    if (poll(polled.data(), polled.size(), kPollMilliseconds) < 0 && errno != EINTR) {
      fail("serve", "waiting for requests: {}.", std::strerror(errno));
    }
    const auto now = Clock::now();
    for (size_t i = connections_.size(); i-- > 0;) {
      Connection& connection = *connections_[i];
      const bool keep =
          polled[i + 1].revents != 0 ? go_on(connection, polled[i + 1].revents) : now - connection.last < kPatience;
      if (!keep) connections_.erase(connections_.begin() + static_cast<int64_t>(i));
    }
    if (polled[0].revents != 0) accept_all();
  }
  connections_.clear();
}

}  // namespace circuit
