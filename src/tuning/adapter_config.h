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
  // tokens (aLoRA), DoRA, biases, saved modules, … A key that is not known must be null, false or empty.
  static AdapterConfig read(const std::string& path);

  // s of W + s B A for a module by its full name ("transformer.h.0.attn.c_attn") and the rank of its tensors. Throws
  // Error when that is not the rank the configuration gives it, or the configuration does not name the module.
  double scale(const std::string& module, int64_t rank) const;

 private:
  void check_named(const std::string& module) const;
  // The entry of rank_pattern or alpha_pattern for a module; null: none.
  std::optional<double> of_pattern(const char* key, const std::string& module) const;

  std::string place_;
  Json config_;
};

}  // namespace circuit
