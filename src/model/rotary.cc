#include "model/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

namespace circuit {

namespace {

constexpr double kTwoPi = 6.283185307179586;

// How much of channel pair i is interpolated, 0 … 1: a ramp between the pairs that make beta_fast and beta_slow turns
// over the original context.
double yarn_ramp(const RotarySpec& spec, int64_t pair) {
  const YarnScaling& s = *spec.yarn;
  const auto pair_of_turns = [&](double turns) {
    return static_cast<double>(spec.dims) * std::log(s.original_positions / (turns * kTwoPi)) /
           (2 * std::log(spec.theta));
  };
  double low = pair_of_turns(s.beta_fast);
  double high = pair_of_turns(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(spec.dims - 1));
  if (low == high) high += 0.001;
  return std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0);
}

}  // namespace

std::vector<double> rotary_frequencies(const RotarySpec& spec) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < spec.dims; i += 2) {
    double f = std::pow(spec.theta, -static_cast<double>(i) / static_cast<double>(spec.dims)) / spec.linear_factor;
    if (spec.llama3) {
      const Llama3Scaling& s = *spec.llama3;
      const double turns = s.original_positions * f / kTwoPi;  // full turns over the original context
      if (turns < s.low_freq_factor) {
        f /= s.factor;
      } else if (turns <= s.high_freq_factor) {
        const double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        f = (1 - smooth) * f / s.factor + smooth * f;
      }
    }
    if (spec.yarn) {
      const double ramp = yarn_ramp(spec, i / 2);
      f = f / spec.yarn->factor * ramp + f * (1 - ramp);
    }
    frequencies.push_back(f);
  }
  return frequencies;
}

RotaryTable make_rotary_table(const std::optional<RotarySpec>& spec, const at::Tensor& positions,
                              at::ScalarType dtype) {
  if (!spec) return {};
  const std::vector<double> frequencies = rotary_frequencies(*spec);
  const at::Tensor f = at::tensor(frequencies, at::kDouble).to(positions.device());
  const at::Tensor angles = (positions.to(at::kDouble).unsqueeze(1) * f).unsqueeze(1);
  const double factor = spec->yarn ? spec->yarn->attention_factor : 1;
  return {(angles.cos() * factor).to(dtype), (angles.sin() * factor).to(dtype), spec->interleaved};
}

RotaryTables make_rotary_tables(const Architecture& architecture, const at::Tensor& positions, at::ScalarType dtype) {
  RotaryTables tables;
  const std::vector<LayerSpec>& kinds = architecture.layer_kinds;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto& spec = kinds[i].attention.rotary;
    const auto same = std::find_if(kinds.begin(), kinds.begin() + i,
                                   [&](const LayerSpec& kind) { return kind.attention.rotary == spec; });
    tables.of_kind.push_back(same < kinds.begin() + i ? tables.of_kind[same - kinds.begin()]
                                                      : make_rotary_table(spec, positions, dtype));
  }
  return tables;
}

at::Tensor rotate(const at::Tensor& x, const RotaryTable& table, Direction direction) {
  if (!table.cos.defined()) return x;
  const int64_t half = table.cos.size(-1);
  const double sign = direction == Direction::kForward ? 1 : -1;
  // The channels that are paired: both halves of the rotated ones, or every other one.
  const auto part = [&](const at::Tensor& t, int64_t which) {
    return table.interleaved ? t.slice(-1, which, 2 * half, 2) : t.narrow(-1, which * half, half);
  };
  const at::Tensor first = part(x, 0);
  const at::Tensor second = part(x, 1);
  at::Tensor out = at::empty_like(x, at::MemoryFormat::Contiguous);
  part(out, 0).copy_((first * table.cos).addcmul_(second, table.sin, -sign));
  part(out, 1).copy_((second * table.cos).addcmul_(first, table.sin, sign));
  const int64_t rest = x.size(-1) - 2 * half;
  if (rest > 0) out.narrow(-1, 2 * half, rest).copy_(x.narrow(-1, 2 * half, rest));
  return out;
}

}  // namespace circuit
