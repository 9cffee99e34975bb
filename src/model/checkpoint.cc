#include "model/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "model/finite.h"
#include "model/gguf_tensors.h"
#include "model/model_files.h"
#include "model/text_part.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// Names of the shard files. An index that points outside its folder is refused.
std::vector<std::string> shard_names(const std::string& directory) {
  const std::string index_path = directory + "/" + kIndexFile;
  if (file_exists(directory + "/" + kSingleFile)) return {kSingleFile};
  if (!file_exists(index_path)) {
    fail(directory, "no {} and no {} here. Give a Hugging Face model directory with safetensors weights.", kSingleFile,
         kIndexFile);
  }
  const Json index = read_json(index_path);
  const Json& map = require(index, "weight_map", index_path);
  if (!map.is_object()) fail(index_path, "weight_map: found a {}, expected an object.", map.type_name());
  std::set<std::string> names;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string()) fail(index_path, "weight_map.{}: expected a file name.", tensor);
    const auto name = file.get<std::string>();
    if (name.empty() || name == "." || name == ".." || fs::path(name).filename() != name) {
      fail(index_path, "weight_map.{}: '{}' is not a file name in this folder.", tensor, name);
    }
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

void check_index(const std::string& directory, const std::map<std::string, size_t>& shard_of) {
  const std::string index_path = directory + "/" + kIndexFile;
  if (file_exists(directory + "/" + kSingleFile)) return;
  const Json index = read_json(index_path);
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    if (shard_of.count(tensor) == 0) fail(index_path, "tensor '{}' is in none of the shards.", tensor);
  }
}

at::Tensor value_to_write(const at::Tensor& changed, const TensorEntry& entry, const std::string& path) {
  const at::ScalarType stored = scalar_type_of(entry.dtype, path + ", tensor '" + entry.name + "'");
  at::Tensor value = changed.to(at::kCPU, stored).contiguous();
  if (value.sizes() != entry.shape) fail(path, "tensor '{}': shape differs from the base model's.", entry.name);
  require_finite(value, entry.name, path + " in " + entry.dtype);
  return value;
}

// A safetensors file of tensors that are made one by one.
void write_made(const TensorFile& made, const std::map<std::string, at::Tensor>& changed, const std::string& path) {
  AtomicFile file(path);
  file.write(safetensors_prefix(made.header().tensors, made.header().metadata));
  for (const TensorEntry& entry : made.header().tensors) {
    const auto found = changed.find(entry.name);
    const at::Tensor value =
        found == changed.end() ? made.tensor(entry.name).contiguous() : value_to_write(found->second, entry, path);
    file.write(value.data_ptr(), entry.size);
  }
  file.commit();
}

// The base's file byte for byte, its header with it, but for the tensors that changed.
void write_shard(const TensorFile& shard, const std::map<std::string, at::Tensor>& changed, const std::string& path) {
  const MappedFile pristine(shard.path());  // the base's bytes, whatever was written to the mapping in memory
  AtomicFile file(path);
  size_t written = 0;
  for (const TensorEntry& entry : shard.header().tensors) {
    const auto found = changed.find(entry.name);
    if (found == changed.end()) continue;
    const at::Tensor value = value_to_write(found->second, entry, path);
    file.write(pristine.data() + written, entry.begin - written);
    file.write(value.data_ptr(), entry.size);
    written = entry.begin + entry.size;
  }
  file.write(pristine.data() + written, pristine.size() - written);
  file.commit();
}

}  // namespace

void Checkpoint::take(std::shared_ptr<const TensorSource> tensors) {
  shards_.emplace_back(std::move(tensors));
  for (const TensorEntry& entry : shards_.back().header().tensors) shard_of_.emplace(entry.name, 0);
}

Checkpoint Checkpoint::of(const std::string& directory, std::shared_ptr<const TensorSource> tensors) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  checkpoint.config_path_ = config_place(directory);
  checkpoint.config_ = read_model_config(directory);
  checkpoint.take(std::move(tensors));
  return checkpoint;
}

Checkpoint Checkpoint::open(const std::string& path) {
  Checkpoint checkpoint;
  if (const auto gguf = gguf_of(path)) {
    const auto model = std::make_shared<const GgufModel>(*gguf);
    checkpoint.directory_ = checkpoint.config_path_ = *gguf;
    checkpoint.config_ = model->config();
    checkpoint.take(model);
    return checkpoint;
  }
  checkpoint.directory_ = path;
  while (checkpoint.directory_.size() > 1 && checkpoint.directory_.back() == '/') checkpoint.directory_.pop_back();
  if (!fs::is_directory(checkpoint.directory_)) {
    fail(checkpoint.directory_, "not a folder. Give a Hugging Face model directory or a GGUF file.");
  }
  checkpoint.config_path_ = config_place(checkpoint.directory_);
  checkpoint.config_ = read_model_config(checkpoint.directory_);
  for (const std::string& name : shard_names(checkpoint.directory_)) {
    checkpoint.shards_.emplace_back(checkpoint.directory_ + "/" + name);
    const TensorFile& shard = checkpoint.shards_.back();
    for (const TensorEntry& entry : shard.header().tensors) {
      if (!checkpoint.shard_of_.emplace(entry.name, checkpoint.shards_.size() - 1).second) {
        fail(shard.path(), "tensor '{}' stands in two shards.", entry.name);
      }
    }
  }
  check_index(checkpoint.directory_, checkpoint.shard_of_);
  return checkpoint;
}

at::Tensor Checkpoint::tensor(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) fail(directory_, "tensor '{}' is missing from the checkpoint.", name);
  return shards_[found->second].tensor(name);
}

const std::string& Checkpoint::dtype(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) fail(directory_, "tensor '{}' is missing from the checkpoint.", name);
  return shards_[found->second].dtype(name);
}

std::string Checkpoint::sha256(const std::string& name) const {
  const auto found = shard_of_.find(name);
  if (found == shard_of_.end()) fail(directory_, "tensor '{}' is missing from the checkpoint.", name);
  std::string& hash = hashes_[name];
  if (hash.empty()) hash = shards_[found->second].sha256(name);
  return hash;
}

void write_checkpoint(const Checkpoint& base, const std::map<std::string, at::Tensor>& given,
                      const std::string& target) {
  for (const auto& [name, tensor] : given) {
    if (!base.contains(name)) fail(target, "tensor '{}' is not in the base model.", name);
  }
  std::map<std::string, at::Tensor> changed = given;
  const std::optional<TiedCopy> tied = given.empty() ? std::nullopt : tied_copy(base);
  if (tied && given.count(tied->embedding) > 0) changed.emplace(tied->head, given.at(tied->embedding));
  write_directory(target, IfExists::kRefuse, [&](const std::string& folder) {
    for (const TensorFile& shard : base.shards()) {
      if (shard.is_made()) {
        write_made(shard, changed, folder + "/" + kSingleFile);
      } else {
        write_shard(shard, changed, folder + "/" + fs::path(shard.path()).filename().string());
      }
    }
    write_side_files(base.directory(), folder, target);
    const std::string index = base.directory() + "/" + kIndexFile;
    std::error_code error;
    if (file_exists(index)) fs::copy_file(index, folder + "/" + kIndexFile, error);
    if (error) fail(target, "cannot copy {}: {}.", kIndexFile, error.message());
  });
}

}  // namespace circuit
