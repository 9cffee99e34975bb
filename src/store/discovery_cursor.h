// The discoveries of a run in turn, each with its circuit and its vectors: nothing of the others is held in memory.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "store/run_reader.h"

namespace circuit {

class DiscoveryCursor {
 public:
  // Before the first discovery. The reader must outlive it.
  explicit DiscoveryCursor(RunReader& run);

  // Goes on to the discovery of `step`, or the first after it. False: there is none.
  bool go_to(int64_t step);

  // (edge id, score) of the circuit, by id.
  const std::vector<std::pair<int64_t, float>>& circuit() const { return circuit_; }
  // Whether the scores of all edges were kept; else scores() must not be asked for.
  bool kept_scores() const;
  // Throw Error naming the reader's place, the step and the column when it has another length.
  void scores(size_t edges, float* to) const;
  void upstream_strength(size_t nodes, float* to) const;
  void downstream_strength(size_t nodes, float* to) const;

 private:
  void copy(int column, const char* name, size_t expected, float* to) const;

  std::string place_;
  Statement rows_, members_;
  bool more_members_ = false;
  int64_t step_ = 0;
  std::vector<std::pair<int64_t, float>> circuit_;
};

}  // namespace circuit
