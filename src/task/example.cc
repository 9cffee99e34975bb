#include "task/example.h"

#include <ATen/ops/tensor.h>

#include "core/error.h"

namespace circuit {
namespace {

void check(const Example& e, const std::vector<int64_t>& ids, const std::vector<Readout>& readouts,
           const Architecture& a) {
  const auto length = static_cast<int64_t>(ids.size());
  if (length == 0) fail(e.place, "the record has no tokens.");
  if (length > a.position_limit().value_or(length)) {
    fail(e.place, "{} tokens, the model has {} positions. Shorten the text or set data.max_length.", length,
         a.n_positions);
  }
  for (const int64_t id : ids) {
    if (id < 0 || id >= a.vocab) fail(e.place, "token id {} is outside the vocabulary of {}.", id, a.vocab);
  }
  for (const Readout& r : readouts) {
    if (r.position < 1 || r.position > length) {
      fail(e.place, "readout position {} is outside 1 … {}.", r.position, length);
    }
    for (const auto* answers : {&r.correct, &r.wrong}) {
      for (const int64_t id : *answers) {
        if (id < 0 || id >= a.vocab) fail(e.place, "answer id {} is outside the vocabulary of {}.", id, a.vocab);
      }
    }
  }
}

const std::vector<int64_t>& ids_of(const Example& e, Side side) {
  return side == Side::kClean ? e.ids : e.counterfactual_ids;
}

const std::vector<Readout>& readouts_of(const Example& e, Side side) {
  const bool own = side == Side::kClean || e.counterfactual_readouts.empty();
  return own ? e.readouts : e.counterfactual_readouts;
}

at::Tensor to_tensor(const std::vector<int64_t>& values, at::Device device) {
  return values.empty() ? at::Tensor() : at::tensor(values, at::kLong).to(device);
}

}  // namespace

void check_example(const Example& e, const Architecture& architecture, Side side) {
  if (side == Side::kCounterfactual && e.counterfactual_ids.size() != e.ids.size()) {
    if (e.counterfactual_ids.empty()) {
      fail(e.place, "the record has no counterfactual. Add one, or use ablation mean or zero.");
    }
    fail(e.place, "the text has {} tokens, its counterfactual {}: they must be equally long.", e.ids.size(),
         e.counterfactual_ids.size());
  }
  check(e, ids_of(e, side), readouts_of(e, side), architecture);
}

ExampleBatch make_example_batch(const std::vector<const Example*>& examples, const Architecture& architecture,
                                at::Device device, Side side) {
  ExampleBatch batch;
  batch.examples = static_cast<int64_t>(examples.size());
  std::vector<std::vector<int64_t>> sequences;
  for (const Example* e : examples) {
    check_example(*e, architecture, side);
    sequences.push_back(ids_of(*e, side));
    batch.places.push_back(e->place);
  }
  batch.tokens = make_token_batch(sequences, architecture, device);
  std::vector<int64_t> readout_rows;
  std::vector<int64_t> target_rows;
  std::vector<int64_t> target_ids;
  for (int64_t i = 0; i < batch.examples; ++i) {
    const Example& e = *examples[i];
    const int64_t start = batch.tokens.starts[i];
    const std::vector<Readout>& readouts = readouts_of(e, side);
    for (const Readout& r : readouts) {
      batch.readouts.push_back(r);
      batch.readout_example.push_back(i);
      readout_rows.push_back(start + r.position - 1);
    }
    batch.readouts_per_example.push_back(static_cast<int64_t>(readouts.size()));
    for (int64_t t = std::max<int64_t>(1, e.first_target); t < batch.tokens.lengths[i]; ++t) {
      target_rows.push_back(start + t - 1);
      target_ids.push_back(sequences[i][t]);
      batch.target_example.push_back(i);
    }
  }
  batch.readout_rows = to_tensor(readout_rows, device);
  batch.targets.rows = to_tensor(target_rows, device);
  batch.targets.ids = to_tensor(target_ids, device);
  return batch;
}

}  // namespace circuit
