#include "model/model_files.h"

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "model/gguf_config.h"
#include "text/gguf_tokenizer.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

void write_json(const std::string& path, const Json& json) { write_file(path, json.dump(2) + "\n"); }

void write_gguf_files(const std::string& path, const std::string& folder) {
  const MappedFile file(path);
  const GgufHeader header = GgufHeader::parse(file.text(), path);
  write_json(folder + "/config.json", gguf_config(header, file.text()));
  write_json(folder + "/generation_config.json", gguf_generation_config(header));
  // A file of weights alone is a model all the same, of token ids.
  if (!header.has("tokenizer.ggml.model")) return;
  write_json(folder + "/tokenizer.json", gguf_tokenizer_json(header));
  write_json(folder + "/tokenizer_config.json", gguf_tokenizer_config(header));
}

}  // namespace

bool is_weight_file(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::string extension = file.extension().string();
  return extension == ".safetensors" || extension == ".bin" || extension == ".pt" || extension == ".pth" ||
         extension == ".gguf" || extension == ".h5" || extension == ".msgpack" ||
         name == "model.safetensors.index.json";
}

std::string config_place(const std::string& model) { return gguf_of(model).value_or(model + "/config.json"); }

Json read_model_config(const std::string& model) {
  if (const auto gguf = gguf_of(model)) {
    const MappedFile file(*gguf);
    return gguf_config(GgufHeader::parse(file.text(), *gguf), file.text());
  }
  Json config = read_json(config_place(model), NonFinite::kKeep);
  if (!config.is_object()) fail(config_place(model), "expected a JSON object.");
  return config;
}

std::string generation_place(const std::string& model) {
  return gguf_of(model).value_or(model + "/generation_config.json");
}

std::optional<Json> read_generation_json(const std::string& model) {
  if (const auto gguf = gguf_of(model)) {
    const MappedFile file(*gguf);
    return gguf_generation_config(GgufHeader::parse(file.text(), *gguf));
  }
  const std::string path = generation_place(model);
  if (!file_exists(path)) return std::nullopt;
  Json config = read_json(path, NonFinite::kKeep);
  if (!config.is_object()) fail(path, "found a {}, expected an object.", config.type_name());
  return config;
}

void write_side_files(const std::string& model, const std::string& folder, const std::string& target) {
  if (const auto gguf = gguf_of(model)) return write_gguf_files(*gguf, folder);
  for (const auto& item : fs::directory_iterator(model)) {
    if (!item.is_regular_file() || is_weight_file(item.path())) continue;
    std::error_code error;
    fs::copy_file(item.path(), fs::path(folder) / item.path().filename(), error);
    if (error) fail(target, "cannot copy {}: {}.", item.path().filename().string(), error.message());
  }
}

}  // namespace circuit
