// Rotary position embedding (Su et al. 2021), in halves as in Hugging Face's Llama or interleaved as in GPT-J.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "model/architecture.h"
#include "model/token_batch.h"

namespace circuit {

// Angle per position of each channel pair, 1/token, of a sequence of `length` tokens; with the config's scaling.
std::vector<double> rotary_frequencies(const RotarySpec& spec, int64_t length);

struct RotaryTable {
  at::Tensor cos, sin;  // [tokens, 1, dims/2], dtype of the computation; undefined: the model has none
  bool interleaved = false;
  int64_t first = 0;  // of a head's channels, the first that rotates
};
// positions [tokens] int64; lengths: of each token's sequence as far as it goes by now, as many.
RotaryTable make_rotary_table(const std::optional<RotarySpec>& spec, const at::Tensor& positions,
                              const std::vector<int64_t>& lengths, at::ScalarType dtype);

// The tables of all layers, one per kind of layer; kinds that rotate alike share theirs.
struct RotaryTables {
  std::vector<RotaryTable> of_kind;
  const RotaryTable& of(const Architecture& architecture, int64_t layer) const {
    return of_kind[architecture.kind_of(layer)];
  }
};
RotaryTables make_rotary_tables(const Architecture& architecture, const TokenBatch& batch, at::ScalarType dtype);
// Of one new token of each sequence, the last of it.
RotaryTables make_rotary_tables(const Architecture& architecture, const at::Tensor& positions, at::ScalarType dtype);

// Rotates dims channels of x [tokens, heads, d_head] from the table's first on; kBackward applies the transpose.
enum class Direction { kForward, kBackward };
at::Tensor rotate(const at::Tensor& x, const RotaryTable& table, Direction direction);

}  // namespace circuit
