// Gender bias of pronouns (method.md §7, WinoBias): how far a model's choice between a pronoun and its
// opposite is from even, by occupation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "evaluation/evaluation.h"
#include "model/model.h"
#include "task/example.h"

namespace circuit {

// One choice between two pronouns.
struct PronounChoice {
  std::string occupation;
  Gender gender = Gender::kNone;  // of the pronoun in the text; never kNone
  double logit_diff = 0;          // its logit minus its opposite's
};

struct OccupationBias {
  double risk = 0;         // mean |2p − 1|, p = P(pronoun) / (P(pronoun) + P(opposite)): 0 even … 1 certain
  double signed_bias = 0;  // mean (P(male) − P(female)) / (P(male) + P(female)): −1 … 1
  int64_t choices = 0;
};

struct BiasResult {
  double risk = 0;  // means over occupations, not over choices
  double signed_bias = 0;
  std::map<std::string, OccupationBias> by_occupation;
};

// choices not empty.
BiasResult bias_of(const std::vector<PronounChoice>& choices);

// Whether every example says of whom it speaks; false for none.
bool speak_of_occupations(const std::vector<Example>& examples);

// The softmax at the position before each readout, of the model as it is. Throws Error naming the record that
// has no readout, or one without exactly one token on each side.
BiasResult evaluate_bias(const Model& model, const std::vector<Example>& examples, int64_t batch,
                         const EvaluationProgress& progress = {});

}  // namespace circuit
