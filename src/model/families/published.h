// For tests: Llama-like models, Gemma, GPT-NeoX and OPT from their published formulas, in plain loops over scalars in
// float64. It reads a Hugging Face directory's tensors by their names there and knows nothing of Layout.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/json.h"

namespace circuit {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;

inline Vector plus(Vector a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

inline Vector part(const Vector& x, int64_t first, int64_t count) {
  return {x.begin() + first, x.begin() + first + count};
}

class Published {
 public:
  Published(Json config, std::map<std::string, at::Tensor> tensors)
      : config_(std::move(config)), tensors_(std::move(tensors)) {}

  // [tokens][vocab]
  Rows logits(const std::vector<int64_t>& ids) const {
    const std::string family = config_.at("model_type");
    if (family == "gpt_neox") return neox(ids);
    if (family == "opt") return opt(ids);
    if (family == "gemma3") return gemma(ids, config_.at("text_config"), "language_model.model.");
    return family.rfind("gemma", 0) == 0 ? gemma(ids, config_, "model.") : llama(ids);
  }

 private:
  double weight(const std::string& name, int64_t i) const { return tensors_.at(name).data_ptr<double>()[i]; }
  Vector row(const std::string& name, int64_t i) const {
    const int64_t width = tensors_.at(name).size(1);
    Vector values;
    for (int64_t j = 0; j < width; ++j) values.push_back(weight(name, i * width + j));
    return values;
  }
  // y_o = Σ_i W[o, i] x_i + b_o
  Vector linear(const std::string& module, const Vector& x) const {
    Vector y;
    for (int64_t o = 0; o < tensors_.at(module + ".weight").size(0); ++o) {
      const Vector w = row(module + ".weight", o);
      double sum = tensors_.count(module + ".bias") > 0 ? weight(module + ".bias", o) : 0;
      for (size_t i = 0; i < x.size(); ++i) sum += w[i] * x[i];
      y.push_back(sum);
    }
    return y;
  }
  Vector rms_norm(const std::string& module, Vector x) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / x.size() + config_.value("rms_norm_eps", 1e-6));
    for (size_t i = 0; i < x.size(); ++i) x[i] *= scale * weight(module + ".weight", i);
    return x;
  }
  Vector layer_norm(const std::string& module, Vector x) const {
    double mean = 0;
    double variance = 0;
    for (const double v : x) mean += v / x.size();
    for (const double v : x) variance += (v - mean) * (v - mean) / x.size();
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight(module + ".weight", i) + weight(module + ".bias", i);
    }
    return x;
  }
  // Channels i and i + dims/2 turn by position · theta^(−2i/dims).
  static Vector turned(Vector x, double position, int64_t dims, double theta) {
    const Vector before = x;
    for (int64_t i = 0; i < dims / 2; ++i) {
      const double angle = position * std::pow(theta, -2.0 * i / dims);
      x[i] = before[i] * std::cos(angle) - before[i + dims / 2] * std::sin(angle);
      x[i + dims / 2] = before[i + dims / 2] * std::cos(angle) + before[i] * std::sin(angle);
    }
    return x;
  }
  // cap · tanh(x / cap); no cap: 0
  static double capped(double x, double cap) { return cap > 0 ? cap * std::tanh(x / cap) : x; }
  // Σ_s softmax_s(⟨q, k_s⟩/√scalar) v_s over s = first … last; scalar 0: that of q's width.
  static Vector attend(const Vector& q, const Rows& k, const Rows& v, int64_t first, int64_t last, double scalar = 0,
                       double cap = 0) {
    Vector z(q.size());
    double total = 0;
    for (int64_t s = first; s <= last; ++s) {
      double score = 0;
      for (size_t i = 0; i < q.size(); ++i) score += q[i] * k[s][i];
      const double p = std::exp(capped(score / std::sqrt(scalar > 0 ? scalar : q.size()), cap));
      total += p;
      for (size_t i = 0; i < q.size(); ++i) z[i] += p * v[s][i];
    }
    for (double& value : z) value /= total;
    return z;
  }

  Rows llama(const std::vector<int64_t>& ids) const {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t heads = config_.at("num_attention_heads");
    const int64_t kv_heads = config_.at("num_key_value_heads");
    const int64_t width = config_.value("head_dim", config_.at("hidden_size").get<int64_t>() / heads);
    const double theta = config_.value("rope_theta", 10000.0);
    const bool window = config_.at("model_type") == "mistral" && config_.at("sliding_window").is_number();
    const int64_t reach = window ? config_.at("sliding_window").get<int64_t>() : tokens;
    Rows x;
    for (const int64_t id : ids) x.push_back(row("model.embed_tokens.weight", id));
    for (int l = 0; l < config_.at("num_hidden_layers"); ++l) {
      const std::string at = "model.layers." + std::to_string(l) + ".";
      const auto head = [&](const std::string& name, int64_t t, int64_t h) {
        const Vector y = rms_norm(at + "input_layernorm", x[t]);
        Vector values = part(linear(at + "self_attn." + name + "_proj", y), h * width, width);
        if (name == "v") return values;
        if (config_.at("model_type") == "qwen3") values = rms_norm(at + "self_attn." + name + "_norm", values);
        return turned(values, t, width, theta);
      };
      Rows z(tokens);
      for (int64_t h = 0; h < heads; ++h) {
        Rows k;
        Rows v;
        for (int64_t t = 0; t < tokens; ++t) {
          k.push_back(head("k", t, h * kv_heads / heads));
          v.push_back(head("v", t, h * kv_heads / heads));
          const Vector out = attend(head("q", t, h), k, v, std::max<int64_t>(0, t - reach + 1), t);
          z[t].insert(z[t].end(), out.begin(), out.end());
        }
      }
      for (int64_t t = 0; t < tokens; ++t) {
        x[t] = plus(x[t], linear(at + "self_attn.o_proj", z[t]));
        const Vector y = rms_norm(at + "post_attention_layernorm", x[t]);
        Vector hidden = linear(at + "mlp.gate_proj", y);
        const Vector up = linear(at + "mlp.up_proj", y);
        for (size_t i = 0; i < hidden.size(); ++i) hidden[i] *= up[i] / (1 + std::exp(-hidden[i]));
        x[t] = plus(x[t], linear(at + "mlp.down_proj", hidden));
      }
    }
    const bool tied = config_.value("tie_word_embeddings", false);
    for (Vector& stream : x) stream = linear(tied ? "model.embed_tokens" : "lm_head", rms_norm("model.norm", stream));
    return x;
  }

  // Gemma stores γ − 1.
  Vector shifted_norm(const std::string& module, const Vector& x, double eps) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    Vector y;
    for (size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] / std::sqrt(squares / x.size() + eps) * (1 + weight(module + ".weight", i)));
    }
    return y;
  }

  Rows gemma(const std::vector<int64_t>& ids, const Json& config, const std::string& prefix) const {
    const bool third = config_.at("model_type") != "gemma2";
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t heads = config.at("num_attention_heads");
    const int64_t kv_heads = config.at("num_key_value_heads");
    const int64_t width = config.at("head_dim");
    const int64_t n_layers = config.at("num_hidden_layers");
    const double eps = config.value("rms_norm_eps", 1e-6);
    const double scalar = config.value("query_pre_attn_scalar", 256.0);
    const auto number = [&](const char* key, double fallback) {
      if (!config.contains(key)) return fallback;
      return config.at(key).is_null() ? 0 : config.at(key).get<double>();
    };
    const double score_cap = number("attn_logit_softcapping", third ? 0 : 50);
    const double logit_cap = number("final_logit_softcapping", third ? 0 : 30);
    const auto norm = [&](const std::string& module, const Vector& x) { return shifted_norm(prefix + module, x, eps); };
    Rows x;
    for (const int64_t id : ids) {
      x.push_back(row(prefix + "embed_tokens.weight", id));
      for (double& value : x.back()) value *= std::sqrt(static_cast<double>(x.back().size()));
    }
    for (int64_t l = 0; l < n_layers; ++l) {
      const std::string at = "layers." + std::to_string(l) + ".";
      bool local = third ? (l + 1) % config.value("sliding_window_pattern", 6) != 0 : l % 2 == 0;
      if (config.contains("layer_types")) local = config.at("layer_types")[l] == "sliding_attention";
      double theta = third ? config.value("rope_theta", 1e6) : config.value("rope_theta", 1e4);
      double stretch = 1;
      if (third && config.contains("rope_scaling") && !local) stretch = config.at("rope_scaling").at("factor");
      if (third && local) theta = config.value("rope_local_base_freq", 1e4);
      if (config.contains("rope_parameters")) {
        const Json& rope = config.at("rope_parameters").at(local ? "sliding_attention" : "full_attention");
        theta = rope.at("rope_theta");
        stretch = rope.value("factor", 1.0);
      }
      const int64_t reach = local ? config.at("sliding_window").get<int64_t>() : tokens;
      const auto head = [&](const std::string& name, int64_t t, int64_t h) {
        const Vector y = norm(at + "input_layernorm", x[t]);
        Vector values = part(linear(prefix + at + "self_attn." + name + "_proj", y), h * width, width);
        if (name == "v") return values;
        if (third) values = norm(at + "self_attn." + name + "_norm", values);
        return turned(values, t / stretch, width, theta);
      };
      Rows z(tokens);
      for (int64_t h = 0; h < heads; ++h) {
        Rows k;
        Rows v;
        for (int64_t t = 0; t < tokens; ++t) {
          k.push_back(head("k", t, h * kv_heads / heads));
          v.push_back(head("v", t, h * kv_heads / heads));
          const int64_t first = std::max<int64_t>(0, t - reach + 1);
          const Vector out = attend(head("q", t, h), k, v, first, t, scalar, score_cap);
          z[t].insert(z[t].end(), out.begin(), out.end());
        }
      }
      for (int64_t t = 0; t < tokens; ++t) {
        x[t] = plus(x[t], norm(at + "post_attention_layernorm", linear(prefix + at + "self_attn.o_proj", z[t])));
        const Vector y = norm(at + "pre_feedforward_layernorm", x[t]);
        Vector hidden = linear(prefix + at + "mlp.gate_proj", y);
        const Vector up = linear(prefix + at + "mlp.up_proj", y);
        for (size_t i = 0; i < hidden.size(); ++i) {
          const double g = hidden[i];
          const double pi = std::acos(-1.0);
          hidden[i] = up[i] * 0.5 * g * (1 + std::tanh(std::sqrt(2 / pi) * (g + 0.044715 * g * g * g)));
        }
        x[t] = plus(x[t], norm(at + "post_feedforward_layernorm", linear(prefix + at + "mlp.down_proj", hidden)));
      }
    }
    for (Vector& stream : x) {
      stream = linear(prefix + "embed_tokens", norm("norm", stream));
      for (double& logit : stream) logit = capped(logit, logit_cap);
    }
    return x;
  }

  Rows opt(const std::vector<int64_t>& ids) const {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t heads = config_.at("num_attention_heads");
    const int64_t width = config_.at("hidden_size").get<int64_t>() / heads;
    const std::string body = "model.decoder.";
    Rows x;
    for (int64_t t = 0; t < tokens; ++t) {
      // The position table starts two rows late.
      x.push_back(plus(row(body + "embed_tokens.weight", ids[t]), row(body + "embed_positions.weight", t + 2)));
    }
    for (int l = 0; l < config_.at("num_hidden_layers"); ++l) {
      const std::string at = body + "layers." + std::to_string(l) + ".";
      const auto head = [&](const std::string& name, int64_t t, int64_t h) {
        const Vector y = layer_norm(at + "self_attn_layer_norm", x[t]);
        return part(linear(at + "self_attn." + name + "_proj", y), h * width, width);
      };
      Rows z(tokens);
      for (int64_t h = 0; h < heads; ++h) {
        Rows k;
        Rows v;
        for (int64_t t = 0; t < tokens; ++t) {
          k.push_back(head("k", t, h));
          v.push_back(head("v", t, h));
          const Vector out = attend(head("q", t, h), k, v, 0, t);
          z[t].insert(z[t].end(), out.begin(), out.end());
        }
      }
      for (int64_t t = 0; t < tokens; ++t) {
        x[t] = plus(x[t], linear(at + "self_attn.out_proj", z[t]));
        Vector hidden = linear(at + "fc1", layer_norm(at + "final_layer_norm", x[t]));
        for (double& value : hidden) value = std::max(value, 0.0);
        x[t] = plus(x[t], linear(at + "fc2", hidden));
      }
    }
    const bool tied = config_.value("tie_word_embeddings", true);
    for (Vector& stream : x) {
      stream = linear(tied ? body + "embed_tokens" : "lm_head", layer_norm(body + "final_layer_norm", stream));
    }
    return x;
  }

  Rows neox(const std::vector<int64_t>& ids) const {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t heads = config_.at("num_attention_heads");
    const int64_t width = config_.at("hidden_size").get<int64_t>() / heads;
    const bool newer = config_.contains("rope_parameters");
    const Json& rope = newer ? config_.at("rope_parameters") : config_;
    const auto dims =
        static_cast<int64_t>(width * rope.at(newer ? "partial_rotary_factor" : "rotary_pct").get<double>());
    const double theta = rope.at(newer ? "rope_theta" : "rotary_emb_base");
    Rows x;
    for (const int64_t id : ids) x.push_back(row("gpt_neox.embed_in.weight", id));
    for (int l = 0; l < config_.at("num_hidden_layers"); ++l) {
      const std::string at = "gpt_neox.layers." + std::to_string(l) + ".";
      Rows fused;
      for (const Vector& row : x) {
        fused.push_back(linear(at + "attention.query_key_value", layer_norm(at + "input_layernorm", row)));
      }
      Rows z(tokens);
      for (int64_t h = 0; h < heads; ++h) {
        // The rows of the fused matrix: [head, q k v, d_head].
        const auto third = [&](int64_t t, int64_t i) { return part(fused[t], (3 * h + i) * width, width); };
        Rows k;
        Rows v;
        for (int64_t t = 0; t < tokens; ++t) {
          k.push_back(turned(third(t, 1), t, dims, theta));
          v.push_back(third(t, 2));
          const Vector out = attend(turned(third(t, 0), t, dims, theta), k, v, 0, t);
          z[t].insert(z[t].end(), out.begin(), out.end());
        }
      }
      for (int64_t t = 0; t < tokens; ++t) {
        const Vector after = plus(x[t], linear(at + "attention.dense", z[t]));
        const bool parallel = config_.value("use_parallel_residual", true);
        const Vector y = layer_norm(at + "post_attention_layernorm", parallel ? x[t] : after);
        Vector hidden = linear(at + "mlp.dense_h_to_4h", y);
        for (double& value : hidden) value *= 0.5 * (1 + std::erf(value / std::sqrt(2.0)));
        x[t] = plus(after, linear(at + "mlp.dense_4h_to_h", hidden));
      }
    }
    for (Vector& row : x) row = linear("embed_out", layer_norm("gpt_neox.final_layer_norm", row));
    return x;
  }

  Json config_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace circuit
