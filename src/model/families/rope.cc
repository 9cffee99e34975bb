#include <cmath>

#include "core/error.h"
#include "model/families/family.h"

namespace circuit {
namespace {

const Json* object_at(const Json& config, const char* key, const std::string& place) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return nullptr;
  if (!found->is_object()) fail(place + ", " + key, "found {}, expected an object.", found->type_name());
  return found->empty() ? nullptr : &*found;
}

double require_above(const Json& object, const std::string& key, double low, const std::string& place) {
  const Json& value = require(object, key, place);
  if (value.is_null()) fail(place, "{}: found null, expected a number.", key);
  const double number = require_number(object, key, place);
  if (!(number > low)) fail(place, "{}: found {}, expected more than {}.", key, number, low);
  return number;
}

// Without a type only theta and the share of channels may stand there: scaling keys alone would be ignored.
std::string type_of(const Json& rope, const std::string& place) {
  for (const char* key : {"rope_type", "type"}) {
    std::string type = optional_string(rope, key, "", place);
    if (!type.empty()) return type;
  }
  for (const auto& [key, value] : rope.items()) {
    if (key == "rope_theta" || key == "partial_rotary_factor" || value.is_null()) continue;
    fail(place, "key 'rope_type' is missing beside {}.", key);
  }
  return "default";
}

// 0.1 · mscale · ln(factor) + 1, as the paper has it for mscale = 1.
double yarn_magnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

YarnScaling read_yarn(const Json& rope, const Json& config, const std::string& where, const std::string& place) {
  YarnScaling s;
  s.factor = require_above(rope, "factor", 0, where);
  s.beta_fast = read_positive(rope, "beta_fast", 32, where);
  s.beta_slow = read_positive(rope, "beta_slow", 1, where);
  s.truncate = optional_bool(rope, "truncate", true, where);
  const double positions = optional_number(config, "max_position_embeddings", 0, place);
  s.original_positions = read_positive(rope, "original_max_position_embeddings", positions, where);
  const double mscale = optional_number(rope, "mscale", 0, where);
  const double of_all = optional_number(rope, "mscale_all_dim", 0, where);
  const double magnitude = mscale != 0 && of_all != 0
                               ? yarn_magnitude(s.factor, mscale) / yarn_magnitude(s.factor, of_all)
                               : yarn_magnitude(s.factor, 1);
  s.attention_factor = read_positive(rope, "attention_factor", magnitude, where);
  return s;
}

std::vector<double> read_factors(const Json& rope, const char* key, int64_t pairs, const std::string& where) {
  const Json& list = require(rope, key, where);
  if (!list.is_array() || static_cast<int64_t>(list.size()) != pairs) {
    fail(where, "{}: expected a list of {} numbers, one for each pair of rotated channels.", key, pairs);
  }
  std::vector<double> factors;
  for (const Json& value : list) {
    const bool good = value.is_number() && value.get<double>() > 0 && std::isfinite(value.get<double>());
    if (!good) fail(where, "{}: found {}, expected numbers above 0.", key, value.dump());
    factors.push_back(value.get<double>());
  }
  return factors;
}

// Where the original context is not said in the object, it is the config's; then the factor is how much longer the
// model's is.
LongRopeScaling read_longrope(const Json& rope, const Json& config, int64_t pairs, const std::string& where,
                              const std::string& place) {
  LongRopeScaling s;
  s.short_factors = read_factors(rope, "short_factor", pairs, where);
  s.long_factors = read_factors(rope, "long_factor", pairs, where);
  const double positions = read_positive(config, "max_position_embeddings", 2048, place);
  const double outside = read_positive(config, "original_max_position_embeddings", positions, place);
  s.original_positions = read_positive(rope, "original_max_position_embeddings", outside, where);
  const double factor = read_positive(rope, "factor", positions / s.original_positions, where);
  const double magnitude = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(s.original_positions));
  s.attention_factor = s.long_attention_factor = read_positive(rope, "attention_factor", magnitude, where);
  return s;
}

}  // namespace

Json rope_object(const Json& config, const std::string& place, std::string* where) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* found = object_at(config, key, place);
    *where = place + ", " + key;
    if (found != nullptr) return *found;
  }
  return Json::object();
}

double read_rotary_share(const Json& config, double fallback, const std::string& place) {
  const double share = optional_number(config, "partial_rotary_factor", fallback, place);
  std::string where;
  const Json rope = rope_object(config, place, &where);
  return optional_number(rope, "partial_rotary_factor", share, where);
}

void read_rope_scaling(const Json& config, const std::string& place, RotarySpec* rotary) {
  if (!(rotary->theta > 0)) fail(place, "rope_theta: found {}, expected more than 0.", rotary->theta);
  std::string where;
  const Json rope = rope_object(config, place, &where);
  rotary->theta = read_positive(rope, "rope_theta", rotary->theta, where);
  const std::string type = type_of(rope, where);
  if (type == "default") return;
  if (type == "linear") {
    rotary->linear_factor = require_above(rope, "factor", 0, where);
    return;
  }
  if (type == "yarn") {
    rotary->yarn = read_yarn(rope, config, where, place);
    return;
  }
  if (type == "dynamic") {
    if (rotary->dims < 4) fail(where, "rope_type 'dynamic' needs at least 4 rotated channels, found {}.", rotary->dims);
    const double positions = read_positive(config, "max_position_embeddings", 2048, place);
    rotary->dynamic = DynamicScaling{require_above(rope, "factor", 0, where), positions};
    return;
  }
  if (type == "longrope" || type == "su") {
    rotary->longrope = read_longrope(rope, config, rotary->dims / 2, where, place);
    return;
  }
  if (type != "llama3") {
    fail(where, "rope_type '{}' is not supported. Known: default, linear, dynamic, llama3, longrope, yarn.", type);
  }
  Llama3Scaling scaling;
  scaling.factor = require_above(rope, "factor", 0, where);
  scaling.low_freq_factor = require_above(rope, "low_freq_factor", 0, where);
  scaling.high_freq_factor = require_above(rope, "high_freq_factor", scaling.low_freq_factor, where);
  scaling.original_positions = require_above(rope, "original_max_position_embeddings", 0, where);
  rotary->llama3 = scaling;
}

}  // namespace circuit
