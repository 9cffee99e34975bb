#include "core/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/setting_name.h"
#include "core/watcher.h"

namespace circuit {
namespace {

constexpr int kBarWidth = 24;
constexpr int kDefaultColumns = 80;

int terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kDefaultColumns;
}

}  // namespace

Progress::Progress(std::string title, int64_t total, int64_t done)
    : title_(std::move(title)),
      total_(total),
      first_(done),
      visible_(isatty(STDERR_FILENO) == 1 && !is_quiet()),
      start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { clear(); }

void Progress::update(int64_t done, const std::string& detail) {
  if (Watcher* watcher = thread_watcher()) {
    watcher->progress(title_, done, total_, detail);
    return;
  }
  if (!visible_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool last = total_ > 0 && done >= total_;
  if (drawn_ && !last && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  drawn_ = true;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  std::string line = title_ + " ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    const int filled = static_cast<int>(share * kBarWidth);
    for (int i = 0; i < kBarWidth; ++i) line += i < filled ? '#' : '.';
    line += fmt::format(" {}/{}", done, total_);
    if (done > first_) {
      const double left = elapsed / static_cast<double>(done - first_) * static_cast<double>(total_ - done);
      line += " ETA " + format_duration(left);
    }
  } else {
    line += fmt::format("{}", done);
  }
  if (!detail.empty()) line += "  " + detail;
  const int columns = terminal_columns() - 1;
  if (static_cast<int>(line.size()) > columns) line.resize(columns);
  fmt::print(stderr, "\r\x1b[2K{}", line);
  std::fflush(stderr);
}

void Progress::clear() {
  if (!visible_ || !drawn_) return;
  fmt::print(stderr, "\r\x1b[2K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string format_duration(double seconds) {
  const int64_t s = std::max<int64_t>(0, std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

int64_t parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit;
  for (const char* c = end; *c != '\0'; ++c) {
    if (*c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  }
  double factor = 0;
  if (unit.empty() || unit == "b") factor = 1;
  if (unit == "k" || unit == "kib") factor = 1024.0;
  if (unit == "m" || unit == "mib") factor = 1024.0 * 1024;
  if (unit == "g" || unit == "gib") factor = 1024.0 * 1024 * 1024;
  if (unit == "kb") factor = 1e3;
  if (unit == "mb") factor = 1e6;
  if (unit == "gb") factor = 1e9;
  if (end == text.c_str() || factor == 0 || !(number > 0) || number * factor > 9e18) {
    fail(setting("memory"), "'{}' is not a size. Write e.g. 16GiB or 500MB.", text);
  }
  return static_cast<int64_t>(number * factor);
}

}  // namespace circuit
