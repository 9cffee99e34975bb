// Hugging Face model directories small enough for a test to make: random weights, every shape awkward
// (heads' total width ≠ d_model in all but gpt2, gpt_neox and opt, d_mlp ≠ 4 d_model, tensors in no alphabetical
// order).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuit {

constexpr int64_t kTinyVocab = 40;
constexpr int64_t kTinyPositions = 16;

struct TinySpec {
  // Or "gpt_neox", "opt"; or "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text": 4 query heads on 2
  // key/value heads.
  std::string family = "gpt2";
  bool tied = true;
  std::string dtype = "F32";  // or "BF16"
  int shards = 1;             // above 1: with an index
  uint64_t seed = 7;
};

struct TinyTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

// A model before it is written, for tests that spoil one thing of it.
struct TinyModel {
  Json config;
  std::vector<TinyTensor> tensors;
  int shards = 1;

  TinyTensor& tensor(const std::string& name);
  void remove(const std::string& name);
};

TinyModel make_tiny_model(const TinySpec& spec);

// The directory with config.json, weights, a tokenizer, generation_config.json and a LICENSE.
// The tokenizer: letters a–z are ids 0–25, space 26, "cat" 28, " cat" 29, "dog" 31, " dog" 32.
void write_tiny_model(const std::string& folder, const TinyModel& model);
std::string write_tiny_model(const std::string& folder, const TinySpec& spec);  // returns folder

// `count` contrast records of ids: lengths 4 to 10, a counterfactual, one or two readouts.
std::string tiny_records(int64_t count, uint64_t seed);

}  // namespace circuit
