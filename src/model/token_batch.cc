#include "model/token_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"

namespace circuit {

TokenBatch make_token_batch(const std::vector<std::vector<int64_t>>& sequences, const Architecture& architecture,
                            at::Device device, const std::string& place) {
  if (sequences.empty()) fail(place, "there is no sequence in it.");
  TokenBatch batch;
  int64_t tokens = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const auto length = static_cast<int64_t>(sequences[s].size());
    if (length == 0) fail(place, "sequence {} is empty.", s);
    if (length > architecture.position_limit().value_or(length)) {
      fail(place, "sequence {} has {} tokens, the model has {} positions. Shorten it or set data.max_length.", s,
           length, architecture.n_positions);
    }
    batch.starts.push_back(tokens);
    batch.lengths.push_back(length);
    batch.longest = std::max(batch.longest, length);
    tokens += length;
  }
  batch.equal_lengths = batch.longest * batch.size() == tokens;
  const at::Tensor table = at::empty({3, tokens}, at::kLong);
  auto* ids = table.data_ptr<int64_t>();
  int64_t row = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (int64_t t = 0; t < batch.lengths[s]; ++t, ++row) {
      const int64_t id = sequences[s][t];
      if (id < 0 || id >= architecture.vocab) {
        fail(place, "sequence {}: token id {} is outside the vocabulary of {}.", s, id, architecture.vocab);
      }
      ids[row] = id;
      ids[tokens + row] = t;
      ids[2 * tokens + row] = static_cast<int64_t>(s) * batch.longest + t;
    }
  }
  const at::Tensor moved = table.to(device);
  batch.ids = moved.select(0, 0);
  batch.positions = moved.select(0, 1);
  batch.grid_rows = moved.select(0, 2);
  return batch;
}

at::Tensor to_grid(const at::Tensor& rows, const TokenBatch& batch) {
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = batch.longest;
  shape.insert(shape.begin(), batch.size());
  if (batch.equal_lengths) return rows.reshape(shape);
  std::vector<int64_t> flat = rows.sizes().vec();
  flat[0] = batch.size() * batch.longest;
  at::Tensor grid = at::zeros(flat, rows.options());
  grid.index_copy_(0, batch.grid_rows, rows);
  return grid.view(shape);
}

at::Tensor from_grid(const at::Tensor& grid, const TokenBatch& batch) {
  std::vector<int64_t> shape = grid.sizes().vec();
  shape.erase(shape.begin());
  shape[0] = batch.size() * batch.longest;
  const at::Tensor flat = grid.reshape(shape);
  return batch.equal_lengths ? flat : flat.index_select(0, batch.grid_rows);
}

}  // namespace circuit
