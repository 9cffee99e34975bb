#include "tests/tiny_model.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/rng.h"
#include "io/files.h"
#include "io/safetensors.h"

namespace circuit {
namespace {

constexpr int64_t kLayers = 2;
constexpr int64_t kModelWidth = 12;
constexpr int64_t kHeadWidth = 4;
constexpr int64_t kMlpWidth = 20;
constexpr double kWeightScale = 0.3;  // large enough that no score is rounding

std::string random_bytes(const std::vector<int64_t>& shape, const std::string& dtype, bool gain, Rng rng) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  std::string bytes;
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>((gain ? 1.0 : 0.0) + kWeightScale * rng.normal());
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    // The upper half of a float32 is a bfloat16.
    const bool half = dtype == "BF16";
    const char* start = reinterpret_cast<const char*>(&bits) + (half ? 2 : 0);
    bytes.append(start, half ? 2 : 4);
  }
  return bytes;
}

class Builder {
 public:
  Builder(const TinySpec& spec, TinyModel* model) : spec_(spec), model_(model) {}
  void add(const std::string& name, const std::vector<int64_t>& shape) {
    const bool gain = shape.size() == 1 && name.find("bias") == std::string::npos;
    model_->tensors.push_back(
        {name, spec_.dtype, shape, random_bytes(shape, spec_.dtype, gain, Rng(spec_.seed).split(name))});
  }

 private:
  const TinySpec& spec_;
  TinyModel* model_;
};

void add_gpt2(const TinySpec& spec, TinyModel* model) {
  constexpr int64_t d = kModelWidth;
  model->config = {{"model_type", "gpt2"},
                   {"n_layer", kLayers},
                   {"n_head", 3},
                   {"n_embd", d},
                   {"n_inner", kMlpWidth},
                   {"vocab_size", kTinyVocab},
                   {"n_positions", kTinyPositions},
                   {"tie_word_embeddings", spec.tied}};
  Builder b(spec, model);
  b.add("transformer.wte.weight", {kTinyVocab, d});
  b.add("transformer.wpe.weight", {kTinyPositions, d});
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string at = "transformer.h." + std::to_string(l) + ".";
    b.add(at + "ln_1.weight", {d});
    b.add(at + "ln_1.bias", {d});
    b.add(at + "attn.c_attn.weight", {d, 3 * d});
    b.add(at + "attn.c_attn.bias", {3 * d});
    b.add(at + "attn.c_proj.weight", {d, d});
    b.add(at + "attn.c_proj.bias", {d});
    b.add(at + "ln_2.weight", {d});
    b.add(at + "ln_2.bias", {d});
    b.add(at + "mlp.c_fc.weight", {d, kMlpWidth});
    b.add(at + "mlp.c_fc.bias", {kMlpWidth});
    b.add(at + "mlp.c_proj.weight", {kMlpWidth, d});
    b.add(at + "mlp.c_proj.bias", {d});
  }
  b.add("transformer.ln_f.weight", {d});
  b.add("transformer.ln_f.bias", {d});
  if (!spec.tied) b.add("lm_head.weight", {kTinyVocab, d});
}

void add_gpt_neox(const TinySpec& spec, TinyModel* model) {
  constexpr int64_t d = kModelWidth;
  model->config = {{"model_type", "gpt_neox"},        {"num_hidden_layers", kLayers},
                   {"num_attention_heads", 3},        {"hidden_size", d},
                   {"intermediate_size", kMlpWidth},  {"rotary_pct", 0.5},
                   {"vocab_size", kTinyVocab},        {"max_position_embeddings", kTinyPositions},
                   {"tie_word_embeddings", spec.tied}};
  Builder b(spec, model);
  const auto linear = [&](const std::string& module, int64_t out, int64_t in) {
    b.add(module + ".weight", {out, in});
    b.add(module + ".bias", {out});
  };
  const auto norm = [&](const std::string& module) {
    b.add(module + ".weight", {d});
    b.add(module + ".bias", {d});
  };
  b.add("gpt_neox.embed_in.weight", {kTinyVocab, d});
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string at = "gpt_neox.layers." + std::to_string(l) + ".";
    norm(at + "input_layernorm");
    norm(at + "post_attention_layernorm");
    linear(at + "attention.query_key_value", 3 * d, d);
    linear(at + "attention.dense", d, d);
    // The mask that older checkpoints hold: nothing reads it, an export keeps it.
    model->tensors.push_back({at + "attention.bias", "BOOL", {1, 1, 4, 4}, std::string(16, '\1')});
    linear(at + "mlp.dense_h_to_4h", kMlpWidth, d);
    linear(at + "mlp.dense_4h_to_h", d, kMlpWidth);
  }
  norm("gpt_neox.final_layer_norm");
  if (!spec.tied) b.add("embed_out.weight", {kTinyVocab, d});
}

void add_opt(const TinySpec& spec, TinyModel* model) {
  constexpr int64_t d = kModelWidth;
  model->config = {{"model_type", "opt"},
                   {"num_hidden_layers", kLayers},
                   {"num_attention_heads", 3},
                   {"hidden_size", d},
                   {"ffn_dim", kMlpWidth},
                   {"vocab_size", kTinyVocab},
                   {"max_position_embeddings", kTinyPositions},
                   {"tie_word_embeddings", spec.tied}};
  Builder b(spec, model);
  const auto with_bias = [&](const std::string& module, const std::vector<int64_t>& shape) {
    b.add(module + ".weight", shape);
    b.add(module + ".bias", {shape[0]});
  };
  const std::string body = "model.decoder.";
  b.add(body + "embed_tokens.weight", {kTinyVocab, d});
  b.add(body + "embed_positions.weight", {kTinyPositions + 2, d});
  with_bias(body + "final_layer_norm", {d});
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string at = body + "layers." + std::to_string(l) + ".";
    for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"}) with_bias(at + "self_attn." + name, {d, d});
    with_bias(at + "self_attn_layer_norm", {d});
    with_bias(at + "fc1", {kMlpWidth, d});
    with_bias(at + "fc2", {d, kMlpWidth});
    with_bias(at + "final_layer_norm", {d});
  }
  if (!spec.tied) b.add("lm_head.weight", {kTinyVocab, d});
}

void add_llama_like(const TinySpec& spec, TinyModel* model) {
  constexpr int64_t d = kModelWidth;
  constexpr int64_t kHeads = 4;
  constexpr int64_t kKvHeads = 2;
  model->config = {{"model_type", spec.family},
                   {"num_hidden_layers", kLayers},
                   {"num_attention_heads", kHeads},
                   {"num_key_value_heads", kKvHeads},
                   {"hidden_size", d},
                   {"head_dim", kHeadWidth},
                   {"intermediate_size", kMlpWidth},
                   {"vocab_size", kTinyVocab},
                   {"max_position_embeddings", kTinyPositions},
                   {"tie_word_embeddings", spec.tied}};
  const bool gemma = spec.family == "gemma2" || spec.family == "gemma3_text";
  if (spec.family == "mistral" || gemma) model->config["sliding_window"] = 3;
  if (gemma) model->config["query_pre_attn_scalar"] = 6;
  if (spec.family == "gemma2") model->config["final_logit_softcapping"] = 5;
  if (spec.family == "gemma3_text") model->config["sliding_window_pattern"] = 2;
  Builder b(spec, model);
  b.add("model.embed_tokens.weight", {kTinyVocab, d});
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string at = "model.layers." + std::to_string(l) + ".";
    b.add(at + "self_attn.q_proj.weight", {kHeads * kHeadWidth, d});
    b.add(at + "self_attn.k_proj.weight", {kKvHeads * kHeadWidth, d});
    b.add(at + "self_attn.v_proj.weight", {kKvHeads * kHeadWidth, d});
    b.add(at + "self_attn.o_proj.weight", {d, kHeads * kHeadWidth});
    if (spec.family == "qwen2") {
      b.add(at + "self_attn.q_proj.bias", {kHeads * kHeadWidth});
      b.add(at + "self_attn.k_proj.bias", {kKvHeads * kHeadWidth});
      b.add(at + "self_attn.v_proj.bias", {kKvHeads * kHeadWidth});
    }
    if (spec.family == "qwen3" || spec.family == "gemma3_text") {
      b.add(at + "self_attn.q_norm.weight", {kHeadWidth});
      b.add(at + "self_attn.k_norm.weight", {kHeadWidth});
    }
    b.add(at + "mlp.gate_proj.weight", {kMlpWidth, d});
    b.add(at + "mlp.up_proj.weight", {kMlpWidth, d});
    b.add(at + "mlp.down_proj.weight", {d, kMlpWidth});
    b.add(at + "input_layernorm.weight", {d});
    b.add(at + "post_attention_layernorm.weight", {d});
    if (gemma) b.add(at + "pre_feedforward_layernorm.weight", {d});
    if (gemma) b.add(at + "post_feedforward_layernorm.weight", {d});
  }
  b.add("model.norm.weight", {d});
  if (!spec.tied) b.add("lm_head.weight", {kTinyVocab, d});
}

Json tiny_tokenizer() {
  Json vocabulary;
  for (char c = 'a'; c <= 'z'; ++c) vocabulary[std::string(1, c)] = c - 'a';
  int64_t id = 26;
  for (const char* token : {" ", "ca", "cat", " cat", "do", "dog", " dog"}) vocabulary[token] = id++;
  // Pairs, since a merge may hold a space.
  Json merges = Json::array();
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
           {"c", "a"}, {"ca", "t"}, {" ", "cat"}, {"d", "o"}, {"do", "g"}, {" ", "dog"}}) {
    merges.push_back(Json::array({left, right}));
  }
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", {{"type", "Fuse"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
}

void write_shard(const std::string& path, const std::vector<TinyTensor>& tensors) {
  std::vector<TensorBytes> views;
  for (const TinyTensor& t : tensors) views.push_back({t.name, t.dtype, t.shape, t.bytes.data()});
  write_safetensors(path, views, {{"format", "pt"}, {"note", "of a test"}});
}

}  // namespace

TinyTensor& TinyModel::tensor(const std::string& name) {
  for (TinyTensor& t : tensors) {
    if (t.name == name) return t;
  }
  throw std::runtime_error("the tiny model has no tensor " + name);
}

void TinyModel::remove(const std::string& name) {
  const TinyTensor* found = &tensor(name);
  tensors.erase(tensors.begin() + (found - tensors.data()));
}

TinyModel make_tiny_model(const TinySpec& spec) {
  TinyModel model;
  model.shards = spec.shards;
  if (spec.family == "gpt2") {
    add_gpt2(spec, &model);
  } else if (spec.family == "gpt_neox") {
    add_gpt_neox(spec, &model);
  } else if (spec.family == "opt") {
    add_opt(spec, &model);
  } else {
    add_llama_like(spec, &model);
  }
  return model;
}

void write_tiny_model(const std::string& folder, const TinyModel& model) {
  make_directories(folder);
  write_file(folder + "/config.json", model.config.dump(1));
  write_file(folder + "/tokenizer.json", tiny_tokenizer().dump());
  write_file(folder + "/generation_config.json", "{}\n");
  write_file(folder + "/LICENSE", "none\n");
  if (model.shards == 1) {
    write_shard(folder + "/model.safetensors", model.tensors);
    return;
  }
  std::vector<std::vector<TinyTensor>> parts(model.shards);
  Json map;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const size_t part = i * parts.size() / model.tensors.size();
    parts[part].push_back(model.tensors[i]);
    map[model.tensors[i].name] = "model-" + std::to_string(part + 1) + ".safetensors";
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    write_shard(folder + "/model-" + std::to_string(p + 1) + ".safetensors", parts[p]);
  }
  write_file(folder + "/model.safetensors.index.json", Json({{"weight_map", map}}).dump(1));
}

std::string write_tiny_model(const std::string& folder, const TinySpec& spec) {
  write_tiny_model(folder, make_tiny_model(spec));
  return folder;
}

std::string tiny_records(int64_t count, uint64_t seed) {
  Rng rng = Rng(seed).split("records");
  const auto id = [&] { return static_cast<int64_t>(rng.below(kTinyVocab)); };
  std::string lines;
  for (int64_t i = 0; i < count; ++i) {
    const auto length = static_cast<int64_t>(4 + rng.below(7));
    std::vector<int64_t> clean;
    std::vector<int64_t> other;
    for (int64_t t = 0; t < length; ++t) {
      clean.push_back(id());
      other.push_back(t % 3 == 1 ? id() : clean.back());
    }
    Json readouts = Json::array();
    const auto add = [&](int64_t position, const std::vector<int64_t>& correct) {
      int64_t wrong = id();
      while (std::count(correct.begin(), correct.end(), wrong) > 0) wrong = (wrong + 1) % kTinyVocab;
      readouts.push_back({{"position", position}, {"correct_id", correct}, {"wrong_id", wrong}});
    };
    add(length, {id(), id()});
    if (i % 2 == 0) add(2, {id()});
    lines += Json({{"text_ids", clean}, {"counterfactual_ids", other}, {"readouts", readouts}}).dump() + "\n";
  }
  return lines;
}

}  // namespace circuit
