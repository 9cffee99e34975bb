// circuit report --serve: the address it prints answers, Ctrl-C ends it, no page is written.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/files.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The server as a child process; the constructor returns when it has printed its address.
class ServingProgram {
 public:
  explicit ServingProgram(const std::string& run) {
    int out[2];
    if (pipe(out) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      execl(CIRCUIT_PROGRAM, CIRCUIT_PROGRAM, "report", run.c_str(), "--serve", "--quiet", nullptr);
      _exit(127);
    }
    close(out[1]);
    for (char c; read(out[0], &c, 1) == 1 && c != '\n';) url_ += c;
    close(out[0]);
  }
  ~ServingProgram() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  ServingProgram(const ServingProgram&) = delete;
  ServingProgram& operator=(const ServingProgram&) = delete;

  const std::string& url() const { return url_; }
  // Its exit code after Ctrl-C; −1: the signal killed it.
  int interrupted() {
    int status = 0;
    kill(child_, SIGINT);
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t child_ = -1;
  std::string url_;
};

// What the address answers; empty when nobody listens.
std::string fetched(const std::string& url, const std::string& path) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  std::string answer;
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    send(descriptor, request.data(), request.size(), MSG_NOSIGNAL);
    char bytes[65536];
    for (ssize_t n; (n = recv(descriptor, bytes, sizeof(bytes), 0)) > 0;) answer.append(bytes, static_cast<size_t>(n));
  }
  close(descriptor);
  return answer;
}

class Serve : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = new TinyRuns({}, {"selection.n=12", "tuning.steps=4", "tuning.batch=2", "evaluation.every=2"});
    ASSERT_EQ(run_program(runs_->tune("run")).exit_code, 0);
  }
  static void TearDownTestSuite() { delete runs_; }
  static TinyRuns* runs_;
};
TinyRuns* Serve::runs_ = nullptr;

TEST_F(Serve, AnswersUntilInterrupted) {
  const std::string page = read_file(runs_->run("run") + "/report.html");
  ServingProgram program(runs_->run("run"));
  ASSERT_THAT(program.url(), StartsWith("http://127.0.0.1:"));
  EXPECT_THAT(fetched(program.url(), "/"), HasSubstr("circuit report"));
  EXPECT_THAT(fetched(program.url(), "/state"), HasSubstr("4 steps, 4 discoveries, "));
  EXPECT_EQ(program.interrupted(), 0);
  EXPECT_EQ(fetched(program.url(), "/"), "");
  EXPECT_EQ(read_file(runs_->run("run") + "/report.html"), page);
}

TEST_F(Serve, RefusesWhatDoesNotGoTogether) {
  const auto refused = [&](const Arguments& more, const std::string& words) {
    Arguments all{"report", runs_->run("run")};
    all.insert(all.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(all);
    EXPECT_NE(result.exit_code, 0);
    ASSERT_EQ(result.error_lines.size(), 1u) << result.err;
    EXPECT_THAT(result.error_lines[0], HasSubstr(words));
  };
  refused({"--port", "8000"}, "[report] --port");
  refused({"--serve", "-o", "x.html"}, "[report] --serve writes nothing");
}

}  // namespace
}  // namespace circuit
