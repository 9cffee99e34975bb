// The contraction of edge scores where every product is launched: few large ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace circuit {

// Positions of a tile: as many as a gigabyte holds.
int64_t tile_positions_on_device(int64_t bytes_each);

// sums [spans, visible, readers] += Σ_t of a span up[t] down[t]ᵀ. up [positions, visible, d_model], down [positions,
// readers, d_model]; spans: of each position; null: all the first.
void contract_on_device(const at::Tensor& up, const at::Tensor& down, const int64_t* spans, const at::Tensor& sums);

}  // namespace circuit
