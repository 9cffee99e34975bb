// A progress bar with an estimate of the time left; silent when stderr is no terminal or with --quiet. Of a thread that
// is watched (watcher.h) the watcher sees it instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace circuit {

class Progress {
 public:
  // title: what is counted, e.g. "discover"; total: units of work, 0 if unknown; done: already finished.
  Progress(std::string title, int64_t total, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Moves to `done` units; `detail` is shown after the bar. Redraws at most ten times a second.
  void update(int64_t done, const std::string& detail = "");
  // Clears the line, so that other output can be printed; the next update draws it again.
  void clear();

 private:
  std::string title_;
  int64_t total_;
  int64_t first_;
  bool visible_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
};

// "12 s", "3 min 05 s", "1 h 20 min".
std::string format_duration(double seconds);
// "512 B", "1.5 KiB", "16.0 GiB".
std::string format_bytes(double bytes);
// "16GiB", "500MB", "1073741824" → bytes. Throws Error naming the text.
int64_t parse_bytes(const std::string& text);

}  // namespace circuit
