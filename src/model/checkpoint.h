// A Hugging Face model directory: config.json and its tensors, in one file or in the shards of an index. Or a GGUF
// file, which is read as the directory that write_checkpoint makes of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/json.h"
#include "model/tensor_file.h"

namespace circuit {

class Checkpoint {
 public:
  // path: a directory, a GGUF file, or a folder with one (gguf_of). Throws Error naming the file or key that is missing
  // or wrong.
  static Checkpoint open(const std::string& path);
  // The directory's files that are no weights, with tensors from elsewhere. Throws Error for a bad config.json.
  static Checkpoint of(const std::string& directory, std::shared_ptr<const TensorSource> tensors);

  // The directory, or the GGUF file.
  const std::string& directory() const { return directory_; }
  bool is_gguf() const { return directory_ == config_path_; }
  const Json& config() const { return config_; }
  // The file that config comes from.
  const std::string& config_path() const { return config_path_; }
  bool contains(const std::string& name) const { return shard_of_.count(name) > 0; }
  at::Tensor tensor(const std::string& name) const;
  // Its dtype as the file names it, F32 of what a GGUF file has quantised: without making it.
  const std::string& dtype(const std::string& name) const;
  // Of the tensor's bytes in the file.
  std::string sha256(const std::string& name) const;
  const std::vector<TensorFile>& shards() const { return shards_; }

 private:
  void take(std::shared_ptr<const TensorSource> tensors);  // as the only shard
  std::string directory_;
  std::string config_path_;
  Json config_;
  std::vector<TensorFile> shards_;
  std::map<std::string, size_t> shard_of_;
  mutable std::map<std::string, std::string> hashes_;  // computed once: tensors are large
};

// Writes a copy of the checkpoint's directory to `target`, with `changed` (by tensor name, any float dtype)
// in place of the base tensors; names, order, shapes, dtypes, shards and metadata stay the base's, and headers
// their bytes: with the base's own tensors put back, its weight files are there again. Files that are no weights
// (tokenizer, generation config, licence) are copied as they are. Of a GGUF file, model.safetensors is written with its
// tensors in F32 (F16 and BF16 as they are), and the other files of the metadata.
// Throws Error when target exists, a name is unknown or a shape differs.
void write_checkpoint(const Checkpoint& base, const std::map<std::string, at::Tensor>& changed,
                      const std::string& target);

}  // namespace circuit
