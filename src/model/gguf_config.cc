#include "model/gguf_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "model/rotary.h"

namespace circuit {
namespace {

struct GgufArchitecture {
  const char* name;  // general.architecture, and Hugging Face's model_type
  const char* class_name;
  bool pairs_rows;
  bool has_biases;  // may have, where config.json says so
};
constexpr GgufArchitecture kArchitectures[] = {{"llama", "LlamaForCausalLM", true, true},
                                               {"qwen2", "Qwen2ForCausalLM", false, false},
                                               {"qwen3", "Qwen3ForCausalLM", false, true}};

// Keys below the architecture's name that are read here. Any other may change what is computed.
constexpr const char* kKnownKeys[] = {"block_count",
                                      "context_length",
                                      "embedding_length",
                                      "feed_forward_length",
                                      "vocab_size",
                                      "attention.head_count",
                                      "attention.head_count_kv",
                                      "attention.key_length",
                                      "attention.value_length",
                                      "attention.layer_norm_rms_epsilon",
                                      "rope.dimension_count",
                                      "rope.freq_base",
                                      "rope.scaling.type",
                                      "rope.scaling.factor",
                                      "rope.scaling.original_context_length",
                                      "rope.scaling.finetuned"};
// Those that say nothing where they are 0.
constexpr const char* kZeroKeys[] = {"expert_count", "expert_used_count", "attention.sliding_window"};

struct TensorName {
  const char *gguf, *hugging_face;
};
constexpr TensorName kWholeNames[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                      {"output_norm.weight", "model.norm.weight"},
                                      {"output.weight", "lm_head.weight"}};
constexpr TensorName kLayerNames[] = {{"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
                                      {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
                                      {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
                                      {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
                                      {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
                                      {"ffn_down", "mlp.down_proj"}};
constexpr const char* kRopeFactors = "rope_freqs.weight";

const GgufArchitecture& architecture_of(const GgufHeader& header) {
  const std::string name = header.text("general.architecture");
  for (const GgufArchitecture& known : kArchitectures) {
    if (name == known.name) return known;
  }
  fail(header.place(), "general.architecture: '{}' is not read. Read are llama, qwen2, qwen3.", name);
}

void refuse_unknown_gguf_keys(const GgufHeader& header, const std::string& prefix) {
  for (const std::string& key : header.keys()) {
    if (key.compare(0, prefix.size(), prefix) != 0) continue;
    const std::string name = key.substr(prefix.size());
    const auto is = [&](const char* known) { return name == known; };
    if (std::any_of(std::begin(kKnownKeys), std::end(kKnownKeys), is)) continue;
    const bool zero = std::any_of(std::begin(kZeroKeys), std::end(kZeroKeys), is);
    if (zero && header.integer(key) == 0) continue;
    fail(header.place(), "{}: is not read, and may change what the model computes.", key);
  }
  if (header.optional_integer("split.count").value_or(1) > 1) {
    fail(header.place(), "split.count: the file is one of {}. Join them first, as llama-gguf-split does.",
         header.integer("split.count"));
  }
}

// What a float32 was written as: the shortest decimal number that rounds to it, as in the config.json it came from.
double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (narrow != value) return value;
  const std::string text = fmt::format("{}", narrow);
  double found = value;
  std::from_chars(text.data(), text.data() + text.size(), found);
  return found;
}

int64_t rows_of(const GgufHeader& header, const std::string& tensor) {
  const GgufTensor* found = header.find_tensor(tensor);
  if (found == nullptr) fail(header.place(), "tensor '{}': is missing.", tensor);
  return found->shape.front();
}

// Llama 3.1 and later: its frequencies' divisors stand in a tensor, made of four numbers that the metadata does not
// have. Those of the published models are tried.
Json llama3_scaling(const GgufHeader& header, std::string_view file, double theta, int64_t head_dim) {
  const GgufTensor& tensor = *header.find_tensor(kRopeFactors);
  const auto pairs = static_cast<size_t>(head_dim / 2);
  if (std::strcmp(tensor.type->name, "F32") != 0 || tensor.size != pairs * sizeof(float)) {
    fail(header.place(), "tensor '{}': found {} bytes of {}, expected {} numbers of F32.", kRopeFactors, tensor.size,
         tensor.type->name, pairs);
  }
  std::vector<float> divisors(pairs);
  std::memcpy(divisors.data(), file.data() + tensor.begin, tensor.size);
  RotarySpec plain;
  plain.theta = theta;
  plain.dims = head_dim;
  const std::vector<double> unscaled = rotary_frequencies(plain, 1);
  constexpr double kRounding = 1e-5;  // of float32, in which llama.cpp's converter computes
  for (const double factor : {8.0, 32.0}) {
    RotarySpec scaled = plain;
    Llama3Scaling scaling;
    scaling.factor = factor;
    scaling.low_freq_factor = 1;
    scaling.high_freq_factor = 4;
    scaling.original_positions = 8192;
    scaled.llama3 = scaling;
    const std::vector<double> frequencies = rotary_frequencies(scaled, 1);
    bool same = true;
    for (size_t i = 0; i < pairs && same; ++i) {
      same = std::fabs(unscaled[i] / frequencies[i] / divisors[i] - 1) < kRounding;
    }
    if (!same) continue;
    return {{"rope_type", "llama3"},
            {"factor", factor},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 8192}};
  }
  fail(header.place(), "tensor '{}': its divisors are not those of Llama 3.1, 3.2 or 3.3.", kRopeFactors);
}

Json rope_scaling(const GgufHeader& header, std::string_view file, const std::string& prefix, double theta,
                  int64_t head_dim) {
  const std::string type = header.text(prefix + "rope.scaling.type", "none");
  if (header.find_tensor(kRopeFactors) != nullptr) {
    if (type != "none") fail(header.place(), "{}rope.scaling.type: {} beside tensor '{}'.", prefix, type, kRopeFactors);
    return llama3_scaling(header, file, theta, head_dim);
  }
  if (type == "none") return nullptr;
  if (type != "linear" && type != "yarn") {
    fail(header.place(), "{}rope.scaling.type: '{}' is not read. Read are none, linear, yarn.", prefix, type);
  }
  Json scaling{{"rope_type", type}, {"factor", shortest(header.number(prefix + "rope.scaling.factor"))}};
  if (type == "yarn") {
    scaling["original_max_position_embeddings"] = header.integer(prefix + "rope.scaling.original_context_length");
  }
  return scaling;
}

void put_token(const GgufHeader& header, const char* role, const char* key, Json* config) {
  const auto id = header.optional_integer(std::string("tokenizer.ggml.") + role + "_token_id");
  if (id && *id >= 0 && *id != UINT32_MAX) (*config)[key] = *id;
}

}  // namespace

bool gguf_pairs_rows(const std::string& architecture) {
  return std::any_of(std::begin(kArchitectures), std::end(kArchitectures),
                     [&](const GgufArchitecture& a) { return architecture == a.name && a.pairs_rows; });
}

std::string gguf_tensor_name(const GgufHeader& header, const std::string& name) {
  const GgufArchitecture& architecture = architecture_of(header);
  if (name == kRopeFactors && architecture.pairs_rows) return "";
  for (const TensorName& known : kWholeNames) {
    if (name == known.gguf) return known.hugging_face;
  }
  // blk.LAYER.PART.weight or .bias
  const std::string block = "blk.";
  const size_t part = name.find('.', block.size());
  const size_t end = name.rfind('.');
  if (name.compare(0, block.size(), block) == 0 && part != std::string::npos && end > part) {
    const std::string layer = name.substr(block.size(), part - block.size());
    const std::string middle = name.substr(part + 1, end - part - 1);
    const std::string last = name.substr(end);
    int64_t index = -1;
    const auto parsed = std::from_chars(layer.data(), layer.data() + layer.size(), index);
    const bool whole = parsed.ec == std::errc() && std::to_string(index) == layer;
    for (const TensorName& known : kLayerNames) {
      if (!whole || middle != known.gguf || (last != ".weight" && last != ".bias")) continue;
      return "model.layers." + layer + "." + known.hugging_face + last;
    }
  }
  fail(header.place(), "tensor '{}': has no place in the architecture {}.", name, architecture.name);
}

Json gguf_config(const GgufHeader& header, std::string_view file) {
  const GgufArchitecture& architecture = architecture_of(header);
  const std::string prefix = std::string(architecture.name) + ".";
  refuse_unknown_gguf_keys(header, prefix);
  const auto size = [&](const char* name) {
    const int64_t found = header.integer(prefix + name);
    if (found < 1 || found > INT32_MAX) {
      fail(header.place(), "{}{}: found {}, expected a positive size.", prefix, name, found);
    }
    return found;
  };
  const int64_t heads = size("attention.head_count");
  const int64_t width = size("embedding_length");
  const auto optional_size = [&](const char* name, int64_t fallback) {
    return header.has(prefix + name) ? size(name) : fallback;
  };
  const int64_t head_dim = optional_size("attention.key_length", optional_size("rope.dimension_count", width / heads));
  for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
    if (optional_size(name, head_dim) == head_dim) continue;
    fail(header.place(), "{}{}: found {}, but heads have {} channels; they are read where both are the same.", prefix,
         name, size(name), head_dim);
  }
  const double theta = shortest(header.optional_number(prefix + "rope.freq_base").value_or(10000));
  Json config{{"architectures", {architecture.class_name}},
              {"model_type", architecture.name},
              {"hidden_act", "silu"},
              {"num_hidden_layers", size("block_count")},
              {"num_attention_heads", heads},
              {"num_key_value_heads", optional_size("attention.head_count_kv", heads)},
              {"head_dim", head_dim},
              {"hidden_size", width},
              {"intermediate_size", size("feed_forward_length")},
              {"max_position_embeddings", size("context_length")},
              {"rms_norm_eps", shortest(header.number(prefix + "attention.layer_norm_rms_epsilon"))},
              {"rope_theta", theta},
              {"vocab_size", rows_of(header, "token_embd.weight")},
              {"tie_word_embeddings", header.find_tensor("output.weight") == nullptr},
              {"use_cache", true}};
  const Json scaling = rope_scaling(header, file, prefix, theta, head_dim);
  if (!scaling.is_null()) config["rope_scaling"] = scaling;
  if (architecture.has_biases) config["attention_bias"] = header.find_tensor("blk.0.attn_q.bias") != nullptr;
  if (std::strcmp(architecture.name, "llama") == 0) {
    config["mlp_bias"] = header.find_tensor("blk.0.ffn_up.bias") != nullptr;
  }
  if (std::strcmp(architecture.name, "qwen2") == 0) config["use_sliding_window"] = false;
  put_token(header, "bos", "bos_token_id", &config);
  put_token(header, "eos", "eos_token_id", &config);
  put_token(header, "padding", "pad_token_id", &config);
  return config;
}

Json gguf_generation_config(const GgufHeader& header) {
  Json config = Json::object();
  put_token(header, "bos", "bos_token_id", &config);
  put_token(header, "eos", "eos_token_id", &config);
  put_token(header, "padding", "pad_token_id", &config);
  // Where a turn ends with another token than a text.
  Json turn = Json::object();
  put_token(header, "eot", "eos_token_id", &turn);
  if (turn.contains("eos_token_id") && config.contains("eos_token_id") &&
      turn["eos_token_id"] != config["eos_token_id"]) {
    config["eos_token_id"] = {config["eos_token_id"], turn["eos_token_id"]};
  }
  return config;
}

}  // namespace circuit
