// A delta on disk: the slices of a base model that a run changed, and what leads back to the base's bytes
// (docs/formats.md). Its size is that of the slices, not of the model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace circuit {

// Indices start … end − 1 of a dimension of a tensor, by its name in the model's files.
struct Region {
  std::string tensor;
  int64_t dim = 0;
  int64_t start = 0;
  int64_t end = 0;
  std::string name() const;  // "h.0.attn.c_proj.weight[0:64:128]", as in checkpoints
  at::Tensor of(const at::Tensor& whole) const { return whole.narrow(dim, start, end - start); }
};
// The other way. Throws Error("[place] …") on anything else.
Region parse_region(const std::string& name, const std::string& place);

// Tensors of the slice's shape, on the CPU.
struct DeltaSlice {
  Region region;
  at::Tensor value;   // in the base tensor's dtype
  at::Tensor base;    // what stood there, in the same dtype
  at::Tensor master;  // float32, what the value was rounded from; undefined where the value is exact
};

struct Delta {
  std::string name;                                               // where it was read from, for messages
  std::vector<DeltaSlice> slices;                                 // by tensor, dimension, start; disjoint
  std::map<std::string, std::string> base_sha256, result_sha256;  // of every tensor with a slice, whole
  std::map<std::string, std::string> meta;                        // step, method, model, config, version
  int64_t parameters() const;                                     // in the slices
};

// The values of a run's checkpoint (slices.safetensors) against its base; slices without a change are left
// out. Throws Error naming the tensor when the base is not the one the values were trained from.
Delta make_delta(const Checkpoint& base, const std::string& values, const std::map<std::string, std::string>& meta);

// Writes the folder, with one file; it must not exist.
void write_delta(const Delta& delta, const std::string& folder);

// A folder that write_delta made, or the file in it. Throws Error naming the file and the tensor or key: no
// delta, truncated, a version this program does not know, slices that overlap, a value without its base, a
// sha256 without slice.
Delta read_delta(const std::string& path);

// Whether two tensors of one shape and dtype have the same bytes.
bool same_bytes(const at::Tensor& a, const at::Tensor& b);
// SHA-256 of a tensor's bytes, row-major.
std::string sha256_of(const at::Tensor& tensor);

}  // namespace circuit
