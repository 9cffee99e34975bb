// The program as a child process: what it prints, how it ends, and when to kill it. The child is a fork of the test,
// which has the program's objects in it; tests that are about how it starts run the built binary.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace circuit {

using Arguments = std::vector<std::string>;

struct ProgramResult {
  int exit_code = -1;  // −1: a signal ended it
  int signal = 0;
  std::string out, err;                  // err without the warning about a slow BLAS or a busy machine
  std::vector<std::string> error_lines;  // err, line by line
};

// One running `circuit`. The destructor kills what still runs.
class Program {
 public:
  // file_bytes: the largest file it may write (RLIMIT_FSIZE, its signal ignored); 0: no limit.
  explicit Program(const Arguments& arguments, uint64_t file_bytes = 0);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Blocks until reached() holds, looking again whenever an entry below one of the folders changes (inotify;
  // a folder that does not exist yet counts from when it does, if its parent is watched too).
  // False: the program ended first, or nothing happened for a minute.
  bool wait_until(const std::vector<std::string>& folders, const std::function<bool()>& reached);
  void send(int signal);
  ProgramResult wait();

 private:
  pid_t child_ = -1;
  int ended_ = -1;  // pidfd: readable when the child has ended
  int out_ = -1;
  int err_ = -1;
};

// The program with these arguments as they are.
ProgramResult run_program(const Arguments& arguments, uint64_t file_bytes = 0);
// With --threads 1 --quiet after them: reproducible, and silent unless something is wrong.
ProgramResult run_quiet(Arguments arguments, uint64_t file_bytes = 0);
Arguments quiet(Arguments arguments);

// A folder of the test's own, removed with all it holds.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Every file below a folder with its bytes, and every folder with none: equal before and after says that
// nothing was written.
std::map<std::string, std::string> snapshot(const std::string& folder);

}  // namespace circuit
