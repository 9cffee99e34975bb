// What of a model is no weights: the files of its directory, or what a GGUF file's metadata says in their place.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "io/json.h"

namespace circuit {

// `model`: a Hugging Face directory, or a GGUF file. Errors name the file.
std::string config_place(const std::string& model);  // the file that config comes from
Json read_model_config(const std::string& model);
std::string generation_place(const std::string& model);              // the file that the next one comes from
std::optional<Json> read_generation_json(const std::string& model);  // nothing: there is none

// Copies every file of the directory that holds no weights into `folder`; of a GGUF file, writes config.json,
// generation_config.json and the tokenizer's files. target: what messages call the folder. The index of shards counts
// as weights.
void write_side_files(const std::string& model, const std::string& folder, const std::string& target);

// Whether a file of a model directory holds weights, in any form that is about: copies leave it behind.
bool is_weight_file(const std::filesystem::path& file);

}  // namespace circuit
