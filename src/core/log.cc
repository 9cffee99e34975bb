#include "core/log.h"

#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>

#include "core/watcher.h"

namespace circuit {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct LogState {
  std::mutex mutex;
  bool quiet = false, silent = false;
  std::unique_ptr<std::FILE, FileCloser> file;
};

LogState& state() {
  static LogState instance;
  return instance;
}

void write(const std::string& message, bool to_terminal) {
  LogState& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (to_terminal) fmt::print(stderr, "{}\n", message);
  if (!s.file) return;
  const std::time_t now = std::time(nullptr);
  char stamp[32];
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
  // A full disk must not stop a run because of its log; the next checkpoint reports it.
  std::fputs(fmt::format("{} {}\n", stamp, message).c_str(), s.file.get());
  std::fflush(s.file.get());
}

}  // namespace

void set_quiet(bool quiet) { state().quiet = quiet; }
bool is_quiet() { return state().quiet; }
void set_silent() { state().quiet = state().silent = true; }

void set_log_file(const std::string& path) {
  LogState& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.file.reset(path.empty() ? nullptr : std::fopen(path.c_str(), "a"));
}

void log_line(const std::string& message) {
  Watcher* watcher = thread_watcher();
  write(message, watcher == nullptr && !is_quiet());
  if (watcher != nullptr) watcher->message(message);
}
void warn_line(const std::string& message) {
  Watcher* watcher = thread_watcher();
  write("warning: " + message, watcher == nullptr && !state().silent);
  if (watcher != nullptr) watcher->warning(message);
}

}  // namespace circuit
