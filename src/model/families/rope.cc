#include "core/error.h"
#include "model/families/family.h"

namespace circuit {

double read_rotary_share(const Json& config, double fallback, const std::string& place) {
  const double share = optional_number(config, "partial_rotary_factor", fallback, place);
  const auto newer = config.find("rope_parameters");
  if (newer == config.end() || !newer->is_object()) return share;
  return optional_number(*newer, "partial_rotary_factor", share, place + ", rope_parameters");
}

void read_rope_scaling(const Json& config, const std::string& place, RotarySpec* rotary) {
  // Newer files name the whole object rope_parameters and keep theta in it.
  const char* key = config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return;
  const std::string where = place + ", " + key;
  if (!found->is_object()) fail(where, "found a {}, expected an object.", found->type_name());
  rotary->theta = optional_number(*found, "rope_theta", rotary->theta, where);
  const std::string type =
      optional_string(*found, "rope_type", optional_string(*found, "type", "default", where), where);
  if (type == "default") return;
  if (type == "linear") {
    rotary->linear_factor = optional_number(*found, "factor", 1, where);
    return;
  }
  if (type != "llama3") fail(where, "rope_type '{}' is not supported. Known: default, linear, llama3.", type);
  Llama3Scaling scaling;
  scaling.factor = optional_number(*found, "factor", scaling.factor, where);
  scaling.low_freq_factor = optional_number(*found, "low_freq_factor", scaling.low_freq_factor, where);
  scaling.high_freq_factor = optional_number(*found, "high_freq_factor", scaling.high_freq_factor, where);
  scaling.original_positions =
      optional_number(*found, "original_max_position_embeddings", scaling.original_positions, where);
  rotary->llama3 = scaling;
}

}  // namespace circuit
