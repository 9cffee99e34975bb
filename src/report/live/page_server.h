// Pages over HTTP to browsers on this machine alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace circuit {

struct Response {
  int status = 200;
  std::string type = "text/html; charset=utf-8";
  std::string body;
};

// One thread; every answer closes its connection. Only GET and HEAD, and only requests that name this machine
// as their host: a page of another site whose name leads here (DNS rebinding) gets nothing.
class PageServer {
 public:
  using Handler = std::function<Response(const std::string& path)>;
  // Listens on 127.0.0.1. port 0: a free one. Throws Error when the port cannot be had.
  PageServer(int port, Handler handler);
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  int port() const { return port_; }
  // Until stop() holds; it is asked several times a second and after every signal.
  void serve(const std::function<bool()>& stop);

 private:
  struct Connection;
  void accept_all();
  bool go_on(Connection& connection, short events);  // false: it is done with
  std::string answer(const std::string& request) const;

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace circuit
