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

std::vector<double> rotary_frequencies(const RotarySpec& spec) {
  constexpr double kTwoPi = 6.283185307179586;
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
  return {angles.cos().to(dtype), angles.sin().to(dtype)};
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
  const at::Tensor first = x.narrow(-1, 0, half);
  const at::Tensor second = x.narrow(-1, half, half);
  at::Tensor out = at::empty_like(x, at::MemoryFormat::Contiguous);
  out.narrow(-1, 0, half).copy_((first * table.cos).addcmul_(second, table.sin, -sign));
  out.narrow(-1, half, half).copy_((second * table.cos).addcmul_(first, table.sin, sign));
  const int64_t rest = x.size(-1) - 2 * half;
  if (rest > 0) out.narrow(-1, 2 * half, rest).copy_(x.narrow(-1, 2 * half, rest));
  return out;
}

}  // namespace circuit
