// What a model can do: metric and accuracy on records, perplexity of text, minimal pairs, multiple choice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "task/choice_records.h"
#include "task/example.h"
#include "task/metric.h"
#include "task/minimal_pairs.h"
#include "task/records.h"

namespace circuit {

// Progress in units of work (examples, windows, pairs).
using EvaluationProgress = std::function<void(int64_t done, int64_t total)>;

struct TaskResult {
  double metric = 0;                          // mean of M_i
  double logit_diff = 0;                      // mean over readouts
  double accuracy = 0;                        // share of readouts with logit difference > 0
  std::map<std::string, double> accuracy_by;  // per readout label
  std::map<std::string, int64_t> count_by;
  int64_t readouts = 0;                       // 0: the records have none; the five above are unset
  int64_t compared = 0;                       // readouts with both answers; 0: all above but the metric are unset
  std::vector<double> right_of, compared_of;  // per example, readouts: what accuracy is the ratio of
  double nll = 0;                             // mean nats per target token
  int64_t target_tokens = 0;                  // 0: nll is unset
};
// Where some record has readouts every record must have what the metric reads. Throws Error naming a record that does
// not, and one whose metric, logit difference or log-probability is not a finite number.
TaskResult evaluate_task(const Model& model, const std::vector<Example>& examples, const Metric& metric, int64_t batch,
                         const EvaluationProgress& progress = {});

struct TextResult {
  double nll = 0;       // nats per token
  double nll_byte = 0;  // nats per byte of the text
  int64_t tokens = 0;   // scored: all but begin tokens and the first
  int64_t bytes = 0;
};
// Windows of `window` tokens (at most the model's positions) that overlap by one, so that every token after
// the first and the begin tokens is scored once. Throws Error where no token is left to score.
TextResult evaluate_text(const Model& model, const EncodedText& text, int64_t window, int64_t batch,
                         const EvaluationProgress& progress = {});

struct PairsResult {
  double accuracy = 0;  // share of pairs with log p(good) > log p(bad), sums over tokens
  std::map<std::string, double> accuracy_by;
  int64_t pairs = 0;
  // Per pair:
  struct LogProbs {
    double good = 0;
    double bad = 0;
  };
  std::vector<LogProbs> log_probs;  // nats
  std::vector<double> right;        // 1 or 0
};
// Throws Error naming the pair when a log-probability is not a finite number, which cannot be compared.
PairsResult evaluate_pairs(const Model& model, const std::vector<MinimalPair>& pairs, int64_t batch,
                           const EvaluationProgress& progress = {});

// Per record: which choice is the likeliest, by Σ log p over its tokens and by that sum over its bytes.
struct ChoicesResult {
  struct Answer {
    std::vector<double> log_probs;  // per choice, nats
    int64_t by_sum = 0;             // index; of equals the first
    int64_t by_byte = 0;
  };
  std::vector<Answer> answers;
  std::vector<double> right, right_per_byte;  // 1 or 0
  std::map<std::string, double> accuracy_by;  // per group
};
// Throws as evaluate_pairs does.
ChoicesResult evaluate_choices(const Model& model, const std::vector<ChoiceRecord>& records, int64_t batch,
                               const EvaluationProgress& progress = {});

}  // namespace circuit
