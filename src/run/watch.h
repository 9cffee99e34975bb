// A run seen while it goes on, as text and as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "io/json.h"
#include "store/run_view.h"

namespace circuit {

constexpr double kQuietSeconds = 10;  // and kQuietSteps steps: from then on silence is worth a word
constexpr double kQuietSteps = 5;

// The view with what the configuration knows.
struct Watched {
  RunView view;
  int64_t total = 0;
  std::string metric;
  bool running() const { return view.status == "running"; }
  // Of training alone: evaluations come on top.
  double seconds_left() const { return view.step_seconds * static_cast<double>(total - view.steps); }
  bool silent() const {
    return running() && view.idle_seconds > std::max(kQuietSeconds, kQuietSteps * view.step_seconds);
  }
  double trainable_share() const {
    return view.parameters == 0 ? 0 : static_cast<double>(view.trainable) / static_cast<double>(view.parameters);
  }
};

// Throws Error where there is no run.
Watched watch_run(const std::string& run);

Json watched_json(const std::string& run, const Watched& watched);
std::string watched_text(const std::string& run, const Watched& watched);  // lines

}  // namespace circuit
