#include "tuning/batches.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/rng.h"

namespace circuit {
namespace {

// Records first … first + count − 1 of an endless sequence of epochs.
ExampleList in_epochs(const std::vector<Example>& data, uint64_t seed, const std::string& purpose, int64_t first,
                      int64_t count) {
  const auto n = static_cast<int64_t>(data.size());
  ExampleList records;
  int64_t epoch = -1;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t position = first + i;
    if (position / n != epoch) {
      epoch = position / n;
      Rng rng = Rng(seed).split(purpose + " " + std::to_string(epoch));
      order = permutation(n, rng);
    }
    records.push_back(&data[order[position % n]]);
  }
  return records;
}

std::vector<ExampleList> in_parts(const ExampleList& records, int64_t size) {
  std::vector<ExampleList> parts;
  for (size_t i = 0; i < records.size(); ++i) {
    if (i % static_cast<size_t>(size) == 0) parts.emplace_back();
    parts.back().push_back(records[i]);
  }
  return parts;
}

}  // namespace

std::vector<ExampleList> task_batches(const BatchSpec& spec, int64_t step) {
  const int64_t count = spec.batch * spec.accumulation;
  return in_parts(in_epochs(*spec.train, spec.seed, "epoch", step * count, count), spec.batch);
}

std::vector<ExampleList> replay_batches(const BatchSpec& spec, int64_t step) {
  if (spec.replay == nullptr || spec.replay_records == 0) return {};
  const auto due = [&](int64_t updates) {
    return static_cast<int64_t>(std::floor(static_cast<double>(updates) * spec.replay_records));
  };
  const int64_t first = due(step);
  return in_parts(in_epochs(*spec.replay, spec.seed, "replay epoch", first, due(step + 1) - first), spec.batch);
}

double mean_targets(const std::vector<Example>& examples) {
  double sum = 0;
  for (const Example& e : examples) {
    sum += static_cast<double>(static_cast<int64_t>(e.ids.size()) - std::max<int64_t>(1, e.first_target));
  }
  return sum / static_cast<double>(examples.size());
}

std::vector<ExampleList> drawn_batches(const BatchSpec& spec, int64_t step, int64_t batches) {
  Rng rng = Rng(spec.seed).split("discovery " + std::to_string(step));
  std::vector<ExampleList> drawn(batches);
  for (ExampleList& batch : drawn) {
    for (int64_t i = 0; i < spec.batch; ++i) batch.push_back(&(*spec.train)[rng.below(spec.train->size())]);
  }
  return drawn;
}

}  // namespace circuit
