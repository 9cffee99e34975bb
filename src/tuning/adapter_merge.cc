// What an adapter makes of its base: every module that the file names, from its parts.
#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.h"
#include "model/finite.h"
#include "tuning/adapter_config.h"
#include "tuning/adapter_files.h"

namespace circuit {
namespace {

constexpr std::string_view kWrapped = "base_model.model.";

// What a tensor of the file is of its module. kWeight, kBias: in place of the base's.
enum class Part {
  kA,
  kB,
  kBiasOfB,
  kMagnitude,
  kEmbeddingA,
  kEmbeddingB,
  kTokens,
  kBaseWeight,
  kBaseBias,
  kWeight,
  kBias
};

struct Ending {
  std::string_view text;
  Part part;
};

// As PEFT writes them, now and before 0.12.
constexpr Ending kEndings[] = {{".lora_A.weight", Part::kA},
                               {".lora_B.weight", Part::kB},
                               {".lora_B.bias", Part::kBiasOfB},
                               {".lora_magnitude_vector", Part::kMagnitude},
                               {".lora_magnitude_vector.weight", Part::kMagnitude},
                               {".lora_embedding_A", Part::kEmbeddingA},
                               {".lora_embedding_B", Part::kEmbeddingB},
                               {".token_adapter.trainable_tokens_delta", Part::kTokens},
                               {".base_layer.weight", Part::kBaseWeight},
                               {".base_layer.bias", Part::kBaseBias},
                               {".weight", Part::kWeight},
                               {".bias", Part::kBias}};

using Parts = std::map<Part, std::string>;  // the tensor's name in the file

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

class Merge {
 public:
  Merge(const Checkpoint& base, const Model& model, const std::string& folder)
      : base_(base),
        model_(model),
        config_(AdapterConfig::read(folder + "/adapter_config.json")),
        file_(folder + "/adapter_model.safetensors") {
    for (const LinearLayer& layer : linear_layers(model, {"all-linear"})) linear_[layer.tensor] = layer.transposed;
  }

  std::map<std::string, at::Tensor> run() {
    for (const TensorEntry& entry : file_.header().tensors) sort(entry.name);
    if (modules_.empty()) fail(file_.path(), "there is no adapter in it.");
    for (const auto& [module, parts] : modules_) {
      if (parts.count(Part::kA) + parts.count(Part::kB) > 0) {
        low_rank(module, parts, Part::kA, Part::kB);
      } else if (parts.count(Part::kEmbeddingA) + parts.count(Part::kEmbeddingB) > 0) {
        low_rank(module, parts, Part::kEmbeddingA, Part::kEmbeddingB);
      } else if (parts.count(Part::kTokens) > 0) {
        tokens(module, parts);
      } else {
        replaced(module, parts);
      }
    }
    check_complete();
    return std::move(changed_);
  }

 private:
  // What the configuration promises and the file does not have.
  void check_complete() const {
    const auto any = [&](const auto& test) { return std::any_of(modules_.begin(), modules_.end(), test); };
    for (const std::string& name : config_.saved()) {
      if (!any([&](const auto& m) { return config_.saves(m.first) && ends_with("." + m.first, name); })) {
        fail(file_.path(), "modules_to_save names {}, of which there are no tensors.", name);
      }
    }
    if (config_.has_tokens() && !any([](const auto& m) { return m.second.count(Part::kTokens) > 0; })) {
      fail(file_.path(), "trainable_token_indices names tokens, of which there are no tensors.");
    }
  }

  void sort(const std::string& name) {
    std::string_view rest = name;
    if (rest.substr(0, kWrapped.size()) == kWrapped) {
      rest.remove_prefix(kWrapped.size());
      for (const Ending& ending : kEndings) {
        // ".weight" ends others too: the first that fits is the longest of its kind.
        if (!ends_with(rest, ending.text)) continue;
        modules_[std::string(rest.substr(0, rest.size() - ending.text.size()))][ending.part] = name;
        return;
      }
    }
    fail(file_.path(), "'{}' is no part of an adapter that is known.", name);
  }

  // The layout name of a module's tensor; the module's own path has the prefix whether or not the files have it.
  std::string tensor_of(const std::string& module, const char* end) const {
    const Layout& layout = model_.layout();
    const std::string whole = module + end;
    const auto known = [&](const std::string& name) { return model_.parameters().count(name) > 0; };
    const bool inside = whole.compare(0, layout.prefix.size(), layout.prefix) == 0;
    if (inside && known(whole.substr(layout.prefix.size()))) return whole.substr(layout.prefix.size());
    const bool head = whole.compare(0, layout.head_prefix.size(), layout.head_prefix) == 0;
    const std::string bare = head ? whole.substr(layout.head_prefix.size()) : whole;
    return known(bare) && (bare == layout.unembedding || bare == layout.unembedding_bias) ? bare : "";
  }

  at::Tensor read(const std::string& name) const {
    const at::Tensor t = file_.tensor(name);
    require_finite(t, name, file_.path());
    return t.to(at::kFloat);
  }

  [[noreturn]] void no_module(const std::string& name) const {
    fail(file_.path(), "'{}' belongs to no linear layer or embedding of this model.", name);
  }

  // A head that shares the embedding's tensor: what is put on one of them alone cannot be merged into both.
  void refuse_tied(const std::string& tensor, const std::string& name) const {
    const Layout& layout = model_.layout();
    if (layout.unembedding != layout.embedding || tensor != layout.embedding) return;
    fail(file_.path(), "'{}' changes the embedding alone, which is the unembedding too: that cannot be merged.", name);
  }

  // The base's tensor in float32, or what the file has in its place.
  at::Tensor base_of(const std::string& tensor, const Parts& parts, Part own) const {
    const at::Tensor stored = base_.tensor(model_.file_name(tensor));
    const auto other = parts.find(own);
    if (other == parts.end()) return stored.to(at::kFloat);
    at::Tensor given = read(other->second);
    if (given.sizes() != stored.sizes()) fail(file_.path(), "'{}' has another shape than the base's.", other->second);
    return given;
  }

  void put(const std::string& tensor, const at::Tensor& value) {
    const std::string name = model_.file_name(tensor);
    changed_[name] = value.to(base_.tensor(name).scalar_type()).contiguous();
  }

  // W + s B A, and with a magnitude m (DoRA, Liu et al. 2024, arXiv 2402.09353) its rows scaled to the norms m.
  void low_rank(const std::string& module, const Parts& parts, Part a_part, Part b_part) {
    const bool embedding = a_part == Part::kEmbeddingA;
    const auto a_name = parts.find(a_part);
    const auto b_name = parts.find(b_part);
    if (a_name == parts.end() || b_name == parts.end()) {
      fail(file_.path(), "'{}' is there without its other half.", (a_name == parts.end() ? b_name : a_name)->second);
    }
    const std::string tensor = tensor_of(module, ".weight");
    const Layout& layout = model_.layout();
    const bool head = tensor == layout.unembedding && tensor != layout.embedding;
    const auto linear = linear_.find(tensor);
    if (tensor.empty() || (embedding ? tensor != layout.embedding : !head && linear == linear_.end())) {
      no_module(a_name->second);
    }
    refuse_tied(tensor, a_name->second);
    const at::Tensor a = read(a_name->second);
    const at::Tensor b = read(b_name->second);
    const at::Tensor base = base_of(tensor, parts, Part::kBaseWeight);
    // As [outputs, inputs]; an embedding's inputs are its rows.
    const bool turned = embedding || (!head && !linear->second);
    const at::Tensor w = turned ? base.t() : base;
    const bool fits = a.dim() == 2 && b.dim() == 2 && a.size(1) == w.size(1) && b.size(0) == w.size(0) &&
                      a.size(0) == b.size(1) && a.size(0) > 0;
    if (!fits) {
      fail(file_.path(), "'{}' and its lora_B do not have the shapes [r, {}] and [{}, r].", a_name->second, w.size(1),
           w.size(0));
    }
    const double scale = config_.scale(module, a.size(0));
    const at::Tensor change = (turned ? at::mm(a.t(), b.t()).t() : at::mm(b, a)) * scale;
    // Where the adapter adds nothing the base keeps its bytes.
    at::Tensor sum = at::where(change == 0, w, w + change);
    const auto magnitude = parts.find(Part::kMagnitude);
    if (config_.uses_dora() != (magnitude != parts.end())) {
      fail(file_.path(), "'{}': use_dora and lora_magnitude_vector do not go together.", a_name->second);
    }
    if (magnitude != parts.end()) {
      const at::Tensor m = read(magnitude->second).flatten();
      if (m.size(0) != w.size(0)) {
        fail(file_.path(), "'{}' has {} elements, expected {}.", magnitude->second, m.size(0), w.size(0));
      }
      sum = sum * (m / at::linalg_vector_norm(sum, 2, {1})).unsqueeze(1);
      if (!sum.isfinite().all().item<bool>()) fail(file_.path(), "'{}' scales a row of zeros.", magnitude->second);
    }
    put(tensor, turned ? sum.t() : sum);
    bias(module, parts, scale);
  }

  // What the file says of the module's bias: another in its place (bias: lora_only), and what lora_bias adds.
  void bias(const std::string& module, const Parts& parts, double scale) {
    const auto added = parts.find(Part::kBiasOfB);
    if (config_.has_lora_bias() != (added != parts.end())) {
      fail(file_.path(), "'{}': lora_bias and lora_B.bias do not go together.", module);
    }
    const auto given = parts.find(Part::kBaseBias);
    if (added == parts.end() && given == parts.end()) return;
    const std::string& name = (added != parts.end() ? added : given)->second;
    const std::string tensor = tensor_of(module, ".bias");
    if (tensor.empty()) fail(file_.path(), "'{}': the model's layer has no bias that it could be merged into.", name);
    at::Tensor sum = base_of(tensor, parts, Part::kBaseBias);
    if (added != parts.end()) {
      const at::Tensor more = read(added->second);
      if (more.sizes() != sum.sizes()) fail(file_.path(), "'{}' has another shape than the model's bias.", name);
      sum = sum + more * scale;
    }
    put(tensor, sum);
  }

  // Rows of the embedding in place of the base's (trainable_token_indices).
  void tokens(const std::string& module, const Parts& parts) {
    const std::string& name = parts.at(Part::kTokens);
    const std::string tensor = tensor_of(module, ".weight");
    if (tensor.empty() || tensor != model_.layout().embedding) no_module(name);
    const at::Tensor rows = read(name);
    const std::vector<int64_t> ids = config_.token_indices(module);
    at::Tensor w = base_of(tensor, parts, Part::kBaseWeight).clone();
    if (rows.dim() != 2 || rows.size(0) != static_cast<int64_t>(ids.size()) || rows.size(1) != w.size(1)) {
      fail(file_.path(), "'{}' is not of the shape [{}, {}] that trainable_token_indices asks for.", name, ids.size(),
           w.size(1));
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= w.size(0)) fail(file_.path(), "trainable_token_indices: {} is no token of this model.", ids[i]);
      w[ids[i]].copy_(rows[static_cast<int64_t>(i)]);
    }
    put(tensor, w);
  }

  // Whole tensors: of modules_to_save, biases (bias: all), what stands under an adapter's tokens.
  void replaced(const std::string& module, const Parts& parts) {
    for (const auto& [part, name] : parts) {
      const bool weight = part == Part::kWeight || part == Part::kBaseWeight;
      const bool is_bias = part == Part::kBias || part == Part::kBaseBias;
      if (!weight && !is_bias) fail(file_.path(), "'{}' is there without the rest of its adapter.", name);
      const std::string tensor = tensor_of(module, weight ? ".weight" : ".bias");
      if (tensor.empty()) no_module(name);
      if (!config_.saves(module) && !(is_bias && config_.saves_biases())) {
        fail(file_.path(), "'{}' is a whole tensor that neither modules_to_save nor bias names.", name);
      }
      refuse_tied(tensor, name);
      put(tensor, base_of(tensor, parts, part));
    }
  }

  const Checkpoint& base_;
  const Model& model_;
  AdapterConfig config_;
  TensorFile file_;
  std::map<std::string, bool> linear_;  // linear layers by their tensor, and whether it is [out, in]
  std::map<std::string, Parts> modules_;
  std::map<std::string, at::Tensor> changed_;
};

}  // namespace

std::map<std::string, at::Tensor> merge_adapter(const Checkpoint& base, const Model& model, const std::string& folder) {
  return Merge(base, model, folder).run();
}

}  // namespace circuit
