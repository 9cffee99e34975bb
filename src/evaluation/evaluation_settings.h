// What a run evaluates, and when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/settings.h"

namespace circuit {

struct EvaluationSettings {
  int64_t every = 100;  // steps
  enum class Keep { kBest, kAll } keep = Keep::kBest;
  int64_t patience = 0;  // evaluations without a better dev metric that end the run; 0: never
  std::string stop_at;   // a number: the dev metric that ends the run; empty: none does
  int64_t batch = 32;    // sequences in one forward
  int64_t window = 0;    // tokens of untouched text; 0: the model's positions
  std::vector<std::string> files;
  int64_t max_tokens = 256;             // generated for a record of those
  int64_t circuit_records = 0;          // dev records on which the circuit is measured; 0: it is not
  bool kl = false;                      // untouched text, and text and records of the files, against the base
  std::vector<std::string> mask_words;  // not compared
  bool mask_task = false;               // nor the words and readouts of the training records
  std::vector<std::string> leave_out;   // groups of minimal pairs of the files

  void declare(Settings* settings);
  // stop_at as a number; none where it is empty or is not one, which a checked configuration has not.
  std::optional<double> stop_metric() const;
};

}  // namespace circuit
