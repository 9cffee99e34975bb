#include "report/live/page_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "core/error.h"
#include "io/files.h"
#include "io/sqlite.h"
#include "report/kit/browser.h"
#include "report/live/live.h"
#include "report/run_page/run_page.h"
#include "store/synthetic_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A connection to 127.0.0.1 that says something and reads until the other side closes.
class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void say(const std::string& text) const { send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
  std::string rest() const {
    std::string text;
    char bytes[65536];
    for (ssize_t n; (n = recv(socket_, bytes, sizeof(bytes), 0)) > 0;) text.append(bytes, static_cast<size_t>(n));
    return text;
  }

 private:
  int socket_;
  bool connected_;
};

class Served {
 public:
  explicit Served(PageServer::Handler handler)
      : server_(0, std::move(handler)), thread_([this] { server_.serve([this] { return stop_.load(); }); }) {}
  ~Served() {
    stop_ = true;
    thread_.join();
  }
  int port() const { return server_.port(); }
  std::string host() const { return "Host: 127.0.0.1:" + std::to_string(port()) + "\r\n"; }
  std::string ask(const std::string& request) const {
    const Client client(port());
    client.say(request);
    return client.rest();
  }
  std::string get(const std::string& path) const { return ask("GET " + path + " HTTP/1.1\r\n" + host() + "\r\n"); }

 private:
  std::atomic<bool> stop_{false};
  PageServer server_;
  std::thread thread_;
};

Response echo(const std::string& path) { return {200, "text/plain", "path " + path}; }

TEST(PageServer, AnswersWithThePage) {
  const Served served(echo);
  const std::string answer = served.get("/some?query=1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\npath /some"));
}

TEST(PageServer, SendsLargePagesWhole) {
  std::string page(20'000'000, 'x');
  page.back() = 'z';
  const Served served([&](const std::string&) -> Response { return {200, "text/html", page}; });
  const std::string answer = served.get("/");
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), page);
}

TEST(PageServer, HeadHasNoBody) {
  const Served served(echo);
  const std::string answer = served.ask("HEAD / HTTP/1.1\r\n" + served.host() + "\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 6\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST(PageServer, AnotherHostsNameGetsNothing) {
  const Served served(echo);
  for (const char* host : {"Host: evil.example\r\n", "Host: 127.0.0.1.evil.example:80\r\n", ""}) {
    EXPECT_THAT(served.ask(std::string("GET / HTTP/1.1\r\n") + host + "\r\n"), StartsWith("HTTP/1.1 403 "));
  }
  EXPECT_THAT(served.ask("GET / HTTP/1.1\r\nhOST:localhost\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST(PageServer, RefusesWhatIsNoReading) {
  const Served served(echo);
  EXPECT_THAT(served.ask("POST / HTTP/1.1\r\n" + served.host() + "\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(served.ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(served.ask("GET / HTTP/1.1\r\nX: " + std::string(16'500, 'x')), StartsWith("HTTP/1.1 431 "));
}

TEST(PageServer, AFailureIsAnAnswerAndNotTheEnd) {
  bool fails = true;
  const Served served([&](const std::string& path) {
    if (fails) throw Error("[report run] run.db: not there.");
    return echo(path);
  });
  const std::string answer = served.get("/");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, HasSubstr("[report run] run.db: not there.\n"));
  fails = false;
  EXPECT_THAT(served.get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST(PageServer, IdleAndHalfRequestsKeepNobodyWaiting) {
  const Served served(echo);
  const Client idle(served.port()), half(served.port());
  half.say("GET / HT");
  EXPECT_THAT(served.get("/"), HasSubstr("path /"));
  half.say("TP/1.1\r\n" + served.host() + "\r\n");
  EXPECT_THAT(half.rest(), HasSubstr("path /"));
}

TEST(PageServer, ATakenPortIsAnError) {
  const Served served(echo);
  try {
    PageServer(served.port(), echo);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "[serve] port " + std::to_string(served.port()) +
                  ": Address already in use, expected a free one. Leave port out to have one chosen.");
  }
}

class LiveReport : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("circuit-live-test-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    run_ = (folder_ / "run").string();
    write_synthetic_run(run_, {});
  }
  void TearDown() override { fs::remove_all(folder_); }
  // The run goes on by a step.
  void step() const {
    Database(run_ + "/run.db", Database::Mode::kReadWrite)
        .execute("INSERT INTO steps SELECT max(step) + 1, 1, 1, 1, 1, 1, 1, 1 FROM steps");
  }
  fs::path folder_;
  std::string run_;
};

// serve_report in a thread of its own until it is destroyed.
class ServedReport {
 public:
  explicit ServedReport(const std::string& run) {
    thread_ = std::thread([this, run] {
      serve_report(
          {run}, 0, [this](const std::string& where) { url_.set_value(where); }, [this] { return stop_.load(); });
    });
    url = url_.get_future().get();
  }
  ~ServedReport() {
    stop_ = true;
    thread_.join();
  }
  std::string url;

 private:
  std::promise<std::string> url_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::string fetched(const ServedReport& served, const std::string& path) {
  const int port = std::stoi(served.url.substr(served.url.rfind(':') + 1));
  const Client client(port);
  client.say("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const std::string answer = client.rest();
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST_F(LiveReport, IsTheRunAsItIsNow) {
  const ServedReport served(run_);
  EXPECT_EQ(fetched(served, "/state"), "300 steps, 30 discoveries, 72 evaluations, finished; ");
  EXPECT_THAT(fetched(served, "/"), HasSubstr(": 300 steps"));
  step();
  EXPECT_EQ(fetched(served, "/state"), runs_state({run_}));
  EXPECT_THAT(fetched(served, "/"), HasSubstr(": 301 steps"));
  EXPECT_THAT(fetched(served, "/other"), HasSubstr("There is / and /state."));
}

TEST_F(LiveReport, OnlyAServedPageMayAsk) {
  const ServedReport served(run_);
  EXPECT_THAT(fetched(served, "/"), HasSubstr("connect-src 'self'"));
  const std::string file = render_report({run_});
  EXPECT_THAT(file, Not(HasSubstr("connect-src")));
  EXPECT_THAT(file, Not(HasSubstr("fetch(\"/state\"")));
}

// The page in a browser loads itself again when the run has gone on, and stands where it stood.
TEST_F(LiveReport, ThePageFollowsTheRun) {
  const std::string browser = find_browser();
  if (browser.empty()) GTEST_SKIP() << "no chromium on this machine: the served page was not opened in a browser";
  std::atomic<int> loads{0};
  std::atomic<bool> failed{false};
  std::promise<std::string> seen;
  const Served served([&](const std::string& path) -> Response {
    if (path == "/state") {
      // The first time the run cannot be read: the page stays and asks again.
      if (!failed.exchange(true)) return {500, "text/plain", "run.db: not there"};
      if (loads == 1) step();
      return {200, "text/plain", runs_state({run_})};
    }
    if (path.rfind("/seen/", 0) == 0) {
      seen.set_value(from_base64(path.substr(6)));
      return {};
    }
    if (path != "/") return {404, "text/plain", ""};
    // The reader goes to the sixth discovery in the first page and sets a filter; the second says where it stands.
    const char* act =
        ++loads == 1 ? "const set = (id, value) => { const c = document.getElementById(id); c.value = value; "
                       "c.dispatchEvent(new Event('input')); }; set('discovery', 5); set('limit', 50); "
                       "document.querySelector('[data-into=q]').click();"
                     : "setTimeout(() => fetch('/seen/' + btoa(document.getElementById('state').textContent + '|' + "
                       "document.getElementById('limit').value + document.querySelector('[data-into=q]').checked)), "
                       "500);";
    std::string page = render_report({run_}, runs_state({run_}));
    page.insert(page.rfind("</body>"),
                "<script>(async () => { while (document.body.dataset.state !== 'ready') await new "
                "Promise((done) => setTimeout(done, 20));" +
                    std::string(act) + "})()</script>");
    return {200, "text/html; charset=utf-8", page};
  });
  const OpenBrowser open(browser, "http://127.0.0.1:" + std::to_string(served.port()) + "/",
                         (folder_ / "profile").string(), (folder_ / "log").string());
  std::future<std::string> state = seen.get_future();
  ASSERT_EQ(state.wait_for(std::chrono::seconds(60)), std::future_status::ready)
      << read_file((folder_ / "log").string());
  const std::string stands = state.get();
  EXPECT_THAT(stands, StartsWith("Step 50: 200 edges"));
  EXPECT_THAT(stands, HasSubstr("|50false"));
  EXPECT_EQ(loads, 2);
}

}  // namespace
}  // namespace circuit
