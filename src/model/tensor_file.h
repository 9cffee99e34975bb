// safetensors files as tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/files.h"
#include "io/safetensors.h"

namespace circuit {

// safetensors dtype ↔ torch. Throws Error for a dtype torch lacks.
at::ScalarType scalar_type_of(const std::string& dtype, const std::string& place);
std::string dtype_name(at::ScalarType type);

// Tensors that are no safetensors file's bytes: made when they are asked for, from a file of another format, or there
// already.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const std::string& path() const = 0;
  // As a safetensors file made of it would have it; begin counts from where its data begins.
  virtual const SafetensorsHeader& header() const = 0;
  // The tensor of entry `index` of the header, in that entry's dtype and shape.
  virtual at::Tensor tensor(size_t index) const = 0;
};

// One mapped file; its tensors share the mapping (read on touch, private copy when written to).
class TensorFile {
 public:
  explicit TensorFile(const std::string& path);
  explicit TensorFile(std::shared_ptr<const TensorSource> source);

  const SafetensorsHeader& header() const { return header_; }
  // Whether its tensors are made on demand: there is no safetensors file whose bytes could be copied.
  bool is_made() const { return source_ != nullptr; }
  bool contains(const std::string& name) const { return index_.count(name) > 0; }
  // As the file's header names it. Throws Error naming the tensor and the file.
  const std::string& dtype(const std::string& name) const { return entry(name).dtype; }
  // The tensor in the file's dtype, on the CPU. Throws Error naming the tensor and the file.
  at::Tensor tensor(const std::string& name) const;
  // Lets go of the memory of a mapped tensor's pages; what was written to it in memory is lost.
  void release(const std::string& name) const;
  // The tensor's bytes in the file (not what was written to it in memory).
  std::string sha256(const std::string& name) const;
  const std::string& path() const { return is_made() ? source_->path() : file_->path(); }

 private:
  void make_index();
  const TensorEntry& entry(const std::string& name) const;
  std::shared_ptr<MappedFile> file_;            // null where they are made
  std::shared_ptr<const TensorSource> source_;  // null where they are mapped
  SafetensorsHeader header_;
  std::map<std::string, size_t> index_;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Writes tensors (any device, made contiguous) by atomic rename, in the order given.
void save_tensors(const std::string& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata);

}  // namespace circuit
