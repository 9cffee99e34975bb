// Which slices are trained: a circuit's own, or as many parameters chosen for another reason, so that what a circuit
// is worth can be told from what its size is worth. A choice is one file in choices/ and one line in
// CIRCUIT_SLICE_CHOICES.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/parameters.h"
#include "core/rng.h"
#include "graph/slices.h"
#include "model/checkpoint.h"

namespace circuit {

// What a choice asks of a backward; empty where it does not.
struct SliceEvidence {
  // ‖∂loss/∂slice‖₂ of every slice of the table on the discovery's records.
  std::vector<double> gradients;
  // Mean of ‖∂loss/∂slice‖₂² over single windows of general text (data.replay), an empirical Fisher information.
  std::vector<double> general;
};

struct ChosenFrom {
  const SliceTable& table;
  const std::vector<int64_t>& circuit;  // ids of the circuit's slices, ascending
  const std::vector<int64_t>& all;      // ids of all that may be trained, ascending
  const SliceEvidence& evidence;
};

class SliceChoice {
 public:
  virtual ~SliceChoice() = default;
  // Ids, ascending. rng: of this discovery.
  virtual std::vector<int64_t> choose(const ChosenFrom& from, Rng& rng) const = 0;
  virtual bool reads_gradients() const { return false; }
  virtual bool reads_general() const { return false; }
};

struct SliceChoiceKind {
  std::string name;
  std::string help;
  // own: its settings. Throws Error for what it cannot read.
  std::unique_ptr<const SliceChoice> (*make)(const Model& base, const Checkpoint& files, const SliceTable& table,
                                             const Parameters& own);
  ParameterList parameters = {};
  bool reads_general = false;  // general text, which a run must have
};

const std::vector<SliceChoiceKind>& slice_choices();
const SliceChoiceKind& find_slice_choice(const std::string& name);  // throws UsageError listing the known ones

// The slices of the largest values per parameter, as many as have no more parameters together than `budget`.
// values: of every slice of the table, at least 0.
std::vector<int64_t> densest(const SliceTable& table, const std::vector<int64_t>& from,
                             const std::vector<double>& values, int64_t budget);

// Declared, and listed in this order; the first is the default.
#define CIRCUIT_SLICE_CHOICES(METHOD) \
  METHOD(circuit_choice)              \
  METHOD(random_stratified_choice)    \
  METHOD(gradient_norm_choice)        \
  METHOD(contrastive_choice)          \
  METHOD(oracle_choice)
#define CIRCUIT_DECLARE(name) SliceChoiceKind name();
CIRCUIT_SLICE_CHOICES(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
