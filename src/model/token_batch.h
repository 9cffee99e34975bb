// Sequences of different lengths without padding: their tokens one after another. Only attention sees a
// [batch, pos] grid; everything else works on [tokens, …], so padding enters no sum and costs nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/architecture.h"

namespace circuit {

struct TokenBatch {
  at::Tensor ids;                // [tokens], int64
  at::Tensor positions;          // [tokens], int64, index within the sequence
  at::Tensor grid_rows;          // [tokens], int64, sequence · longest + position
  std::vector<int64_t> lengths;  // per sequence, ≥ 1
  std::vector<int64_t> starts;   // first row of each sequence
  int64_t longest = 0;
  bool equal_lengths = false;  // the grid and the rows are the same

  int64_t size() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const { return ids.size(0); }
};

// Throws Error when there is no sequence, one is empty or longer than the architecture's learned positions,
// or an id is outside the vocabulary; `place` names the data, the message the sequence's index.
TokenBatch make_token_batch(const std::vector<std::vector<int64_t>>& sequences, const Architecture& architecture,
                            at::Device device, const std::string& place = "batch");

// [tokens, …] → [batch, longest, …], zeros where there is no token; and back. Views where lengths are equal.
at::Tensor to_grid(const at::Tensor& rows, const TokenBatch& batch);
at::Tensor from_grid(const at::Tensor& grid, const TokenBatch& batch);

}  // namespace circuit
