#include "measure.h"

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "core/error.h"

namespace circuit::bench {
namespace {

int64_t peak_resident() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

// In the child: its growth goes to `channel`.
[[noreturn]] void measure_and_exit(const std::function<void()>& work, int channel) {
  int64_t growth = -1;
  try {
    at::set_num_threads(1);
    const int64_t before = peak_resident();
    work();
    growth = peak_resident() - before;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  const bool written = write(channel, &growth, sizeof growth) == sizeof growth;
  _exit(written ? 0 : 1);
}

}  // namespace

double seconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<double> in_turn(const std::vector<std::function<void()>>& actions, int rounds) {
  for (const auto& action : actions) action();
  std::vector<std::vector<double>> times(actions.size());
  for (int i = 0; i < rounds; ++i) {
    for (size_t k = 0; k < actions.size(); ++k) times[k].push_back(seconds(actions[k]));
  }
  std::vector<double> medians;
  for (const auto& of_one : times) medians.push_back(median(of_one));
  return medians;
}

double peak_growth(const std::function<void()>& work) {
  int channel[2];
  if (pipe(channel) != 0) fail("bench", "pipe failed.");
  // Freed blocks that this process keeps would be used by the child and not count.
  malloc_trim(0);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) fail("bench", "fork failed.");
  if (child == 0) measure_and_exit(work, channel[1]);
  close(channel[1]);
  int64_t growth = -1;
  if (read(channel[0], &growth, sizeof growth) != sizeof growth) growth = -1;
  waitpid(child, nullptr, 0);
  close(channel[0]);
  return static_cast<double>(growth);
}

void row(const std::string& name, double value, const std::string& unit, const std::string& target,
         const std::string& note) {
  fmt::print("{:<58} {:>9.3f} {:<8} {:>12}  {}\n", name, value, unit, target, note);
  std::fflush(stdout);
}

void title(const std::string& text) { fmt::print("\n{}\n", text); }

}  // namespace circuit::bench
