#include "tests/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "cli/program.h"
#include "io/files.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceMilliseconds = 60'000;  // against a program that hangs; nothing takes so long
constexpr const char* kSlowBlasWarning = "warning: matrix products run at";

std::string content_of(int descriptor) {
  std::string text(static_cast<size_t>(lseek(descriptor, 0, SEEK_END)), '\0');
  const ssize_t got = pread(descriptor, text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

[[noreturn]] void become_circuit(const Arguments& arguments, int out, int err, uint64_t file_bytes) {
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (file_bytes > 0) {
    const rlimit limit{file_bytes, file_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);  // kept over exec: writes then fail with EFBIG
  }
  std::vector<char*> argv{const_cast<char*>("circuit")};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  // This program has all of circuit in it, loaded and with its kernels chosen: a start costs nothing. Where nobody
  // chose them, circuit itself is started, which does.
  if (std::getenv("CIRCUIT_KERNELS") != nullptr) {
    close_range(STDERR_FILENO + 1, ~0U, 0);
    std::exit(circuit_main(static_cast<int>(argv.size()) - 1, argv.data()));
  }
  execv(CIRCUIT_PROGRAM, argv.data());
  _exit(127);
}

}  // namespace

Program::Program(const Arguments& arguments, uint64_t file_bytes) {
  out_ = memfd_create("stdout", MFD_CLOEXEC);
  err_ = memfd_create("stderr", MFD_CLOEXEC);
  std::cout.flush();
  std::fflush(nullptr);
  child_ = fork();
  if (child_ == 0) become_circuit(arguments, out_, err_, file_bytes);
  ended_ = static_cast<int>(syscall(SYS_pidfd_open, child_, 0));
  EXPECT_GE(ended_, 0) << "pidfd_open: " << std::strerror(errno);
}

Program::~Program() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  for (const int descriptor : {ended_, out_, err_}) close(descriptor);
}

bool Program::wait_until(const std::vector<std::string>& folders, const std::function<bool()>& reached) {
  const int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  bool came = false;
  while (true) {
    // Adding a watch twice is harmless, and new folders are picked up.
    for (const std::string& folder : folders) {
      inotify_add_watch(watch, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_DELETE);
    }
    if ((came = reached())) break;
    pollfd wanted[2] = {{watch, POLLIN, 0}, {ended_, POLLIN, 0}};
    if (poll(wanted, 2, kPatienceMilliseconds) <= 0 || (wanted[1].revents & POLLIN) != 0) break;
    char events[1 << 14];
    while (read(watch, events, sizeof events) > 0) {
    }
  }
  close(watch);
  return came;
}

void Program::send(int signal) { kill(child_, signal); }

ProgramResult Program::wait() {
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = -1;
  ProgramResult result;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.out = content_of(out_);
  std::istringstream lines(content_of(err_));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(kSlowBlasWarning, 0) == 0) continue;
    result.err += line + "\n";
    result.error_lines.push_back(line);
  }
  // In a build with sanitizers: their findings end the program with 1, as a refusal does.
  if (result.err.find("Sanitizer: ") != std::string::npos) ADD_FAILURE() << "the program itself: " << result.err;
  return result;
}

ProgramResult run_program(const Arguments& arguments, uint64_t file_bytes) {
  return Program(arguments, file_bytes).wait();
}

Arguments quiet(Arguments arguments) {
  for (const char* flag : {"--threads", "1", "--quiet"}) arguments.emplace_back(flag);
  return arguments;
}

ProgramResult run_quiet(Arguments arguments, uint64_t file_bytes) {
  return run_program(quiet(std::move(arguments)), file_bytes);
}

ScratchFolder::ScratchFolder() {
  static std::atomic<int> count{0};
  path_ = fs::temp_directory_path() / ("circuit-e2e-" + std::to_string(getpid()) + "-" + std::to_string(++count));
  fs::create_directories(path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::map<std::string, std::string> snapshot(const std::string& folder) {
  std::map<std::string, std::string> entries;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    entries[item.path().lexically_relative(folder).string()] =
        item.is_regular_file() ? read_file(item.path().string()) : "";
  }
  return entries;
}

}  // namespace circuit
