// A GGUF file's tensors by their Hugging Face names: dequantised to F32 when asked for, F16 and BF16 as they are.
#pragma once

#include <memory>
#include <string>

#include "io/files.h"
#include "io/gguf.h"
#include "io/json.h"
#include "model/tensor_file.h"

namespace circuit {

class GgufModel : public TensorSource {
 public:
  // Throws Error naming the key or tensor that is missing, damaged or not read.
  explicit GgufModel(const std::string& path);

  const std::string& path() const override { return file_.path(); }
  const SafetensorsHeader& header() const override { return header_; }
  // Where llama.cpp paired the rows of q and k for its rotary positions, they stand in halves again.
  at::Tensor tensor(size_t index) const override;

  const GgufHeader& metadata() const { return metadata_; }
  const Json& config() const { return config_; }

 private:
  void check_names() const;
  MappedFile file_;
  GgufHeader metadata_;
  Json config_;
  SafetensorsHeader header_;
  std::vector<const GgufTensor*> tensors_;  // by entry
  std::vector<int64_t> paired_heads_;       // by entry: the heads whose rows are paired; 0: none are
};

}  // namespace circuit
