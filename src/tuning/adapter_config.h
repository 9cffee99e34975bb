// adapter_config.json of a LoRA adapter, as PEFT writes it (peft, tuners/lora/config.py).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuit {

class AdapterConfig {
 public:
  // Throws Error naming the key where one changes what the adapter means in a way that is not understood here: start
  // values that were taken out of the base's weights (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA), activation after certain
  // tokens (aLoRA), … A key that is not known must be null, false or empty.
  static AdapterConfig read(const std::string& path);

  // s of W + s B A for a module by its full name ("transformer.h.0.attn.c_attn") and the rank of its tensors. Throws
  // Error when that is not the rank the configuration gives it, or the configuration does not name the module.
  double scale(const std::string& module, int64_t rank) const;

  bool uses_dora() const;
  bool has_lora_bias() const;
  bool has_tokens() const;
  // Whether whole tensors of a module are saved (modules_to_save), and biases of modules without an adapter (bias:
  // all).
  bool saves(const std::string& module) const;
  std::vector<std::string> saved() const;
  bool saves_biases() const;
  // The rows that trainable_token_indices names for an embedding, in the order of the file's rows. Throws Error when it
  // names none, or something else than tokens.
  std::vector<int64_t> token_indices(const std::string& module) const;

 private:
  void check_named(const std::string& module) const;
  // The entry of rank_pattern or alpha_pattern for a module; null: none.
  std::optional<double> of_pattern(const char* key, const std::string& module) const;

  std::string place_;
  Json config_;
};

}  // namespace circuit
