// What replaces a node's output when it is ablated (method.md §2). An ablation is one file in ablations/ and one line
// here.
#pragma once

#include <circuit/api.h>

#include <memory>
#include <string>
#include <vector>

#include "intervention/node_outputs.h"
#include "task/example.h"

namespace circuit {

// Ā for any batch of a data set: what its ablation shares between batches, computed once.
class AblatedOutputs {
 public:
  virtual ~AblatedOutputs() = default;
  // Ā_u at the tokens of `batch`, made of `examples`: per node [tokens, …], or [1, …] where every token has the
  // same. read: as forward()'s, of the counterfactual's run.
  virtual NodeOutputs of(const std::vector<const Example*>& examples, const ExampleBatch& batch,
                         const ReadRows& read = {}) const = 0;
};

inline void check_nothing(const std::vector<const Example*>& /*examples*/, const Architecture& /*architecture*/) {}

struct Ablation {
  std::string name;
  std::string help;
  // reference: the examples whose mean a mean is, in forwards of `batch`. The model outlives the result.
  // Throws Error naming the record that it cannot take.
  std::unique_ptr<const AblatedOutputs> (*prepare)(const Model& model, const std::vector<const Example*>& reference,
                                                   int64_t batch, MlpForm form);
  // Throws Error naming the first record that it cannot take.
  void (*check)(const std::vector<const Example*>& examples, const Architecture& architecture) = check_nothing;
  // Ā is the mean over all tokens of the reference: a method that runs that anyway needs no pass for it.
  bool mean_over_tokens = false;
};

const std::vector<Ablation>& ablations();
// One of ablations(), valid for ever. Throws UsageError listing the known ones.
CIRCUIT_API const Ablation* find_ablation(const std::string& name);

// Declared, and listed in this order.
#define CIRCUIT_ABLATIONS(METHOD)  \
  METHOD(counterfactual_ablation)  \
  METHOD(mean_ablation)            \
  METHOD(mean_positional_ablation) \
  METHOD(zero_ablation)
#define CIRCUIT_DECLARE(name) Ablation name();
CIRCUIT_ABLATIONS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
