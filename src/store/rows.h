// The rows of run.db as values, with the names that docs/formats.md explains.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace circuit {

struct StepRow {
  int64_t step = 0;
  double loss = 0;
  std::optional<double> metric;  // of this step's discovery
  double learning_rate = 0;
  double gradient_norm = 0;
  int64_t target_tokens = 0;
  int64_t trainable_parameters = 0;
  double seconds = 0;
};

// Without its vectors and its circuit. What is not defined, such as an overlap at the first, is not there.
struct DiscoveryRow {
  int64_t step = 0;
  int64_t n_edges = 0;
  int64_t n_nodes = 0;
  int64_t trainable_parameters = 0;
  double trainable_share = 0;
  double metric = 0;
  int64_t examples = 0;
  std::optional<double> jaccard_edges_previous, jaccard_edges_first;
  std::optional<double> jaccard_nodes_previous, jaccard_nodes_first;
  std::optional<double> rank_correlation_previous;
  int64_t entered = 0;
  int64_t left = 0;
  std::optional<double> sum_rule_error;
  double seconds = 0;
};

struct EvaluationRow {
  int64_t step = 0;
  std::string name;
  double value = 0;  // may be NaN or infinite
};

struct EdgeRow {
  int64_t id = 0;
  std::string upstream, downstream;
};

struct SliceRow {
  int64_t id = 0;
  std::string node;
  int64_t parameters = 0;
};

struct SliceNormRow {
  int64_t step = 0;
  int64_t slice = 0;       // SliceRow::id
  double update_norm = 0;  // ‖w_after − w_before‖
};

}  // namespace circuit
