#include "model/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <map>

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

std::vector<double> rotary_frequencies(const RotarySpec& spec, int64_t length) {
  std::vector<double> frequencies;
  const auto tokens = static_cast<double>(length);
  double theta = spec.theta;
  if (spec.dynamic && tokens > spec.dynamic->original_positions) {
    const DynamicScaling& s = *spec.dynamic;
    theta *= std::pow(s.factor * tokens / s.original_positions - (s.factor - 1),
                      static_cast<double>(spec.dims) / static_cast<double>(spec.dims - 2));
  }
  for (int64_t i = 0; i < spec.dims; i += 2) {
    double f = std::pow(theta, -static_cast<double>(i) / static_cast<double>(spec.dims)) / spec.linear_factor;
    if (spec.longrope) {
      const LongRopeScaling& s = *spec.longrope;
      f /= (tokens > s.original_positions ? s.long_factors : s.short_factors)[i / 2];
    }
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
                              const std::vector<int64_t>& lengths, at::ScalarType dtype) {
  if (!spec) return {};
  at::Tensor f;  // [1 or tokens, dims/2]
  if (spec->by_length()) {
    std::map<int64_t, std::vector<double>> of_length;
    std::vector<double> all;
    for (const int64_t length : lengths) {
      std::vector<double>& one = of_length[length];
      if (one.empty()) one = rotary_frequencies(*spec, length);
      all.insert(all.end(), one.begin(), one.end());
    }
    f = at::tensor(all, at::kDouble).view({positions.size(0), -1});
  } else {
    f = at::tensor(rotary_frequencies(*spec, 1), at::kDouble).unsqueeze(0);
  }
  double factor = 1;
  if (spec->yarn) factor = spec->yarn->attention_factor;
  if (spec->longrope) factor = spec->longrope->attention_factor;
  at::Tensor factors = at::tensor({factor}, at::kDouble);  // [1 or tokens]
  if (spec->longrope && spec->longrope->long_attention_factor != factor) {
    std::vector<double> all;
    for (const int64_t length : lengths) {
      const bool beyond = static_cast<double>(length) > spec->longrope->original_positions;
      all.push_back(beyond ? spec->longrope->long_attention_factor : factor);
    }
    factors = at::tensor(all, at::kDouble);
  }
  factors = factors.view({-1, 1, 1}).to(positions.device());
  const at::Tensor angles = (positions.to(at::kDouble).unsqueeze(1) * f.to(positions.device())).unsqueeze(1);
  return {(angles.cos() * factors).to(dtype), (angles.sin() * factors).to(dtype), spec->interleaved, spec->first};
}

namespace {

RotaryTables tables_of(const Architecture& architecture, const at::Tensor& positions,
                       const std::vector<int64_t>& lengths, at::ScalarType dtype) {
  RotaryTables tables;
  const std::vector<LayerSpec>& kinds = architecture.layer_kinds;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto& spec = kinds[i].attention.rotary;
    const auto same = std::find_if(kinds.begin(), kinds.begin() + i,
                                   [&](const LayerSpec& kind) { return kind.attention.rotary == spec; });
    tables.of_kind.push_back(same < kinds.begin() + i ? tables.of_kind[same - kinds.begin()]
                                                      : make_rotary_table(spec, positions, lengths, dtype));
  }
  return tables;
}

bool needs_lengths(const Architecture& architecture) {
  const auto& kinds = architecture.layer_kinds;
  return std::any_of(kinds.begin(), kinds.end(),
                     [](const LayerSpec& kind) { return kind.attention.rotary && kind.attention.rotary->by_length(); });
}

}  // namespace

RotaryTables make_rotary_tables(const Architecture& architecture, const TokenBatch& batch, at::ScalarType dtype) {
  std::vector<int64_t> lengths;
  for (const int64_t length : batch.lengths) lengths.insert(lengths.end(), length, length);
  return tables_of(architecture, batch.positions, lengths, dtype);
}

RotaryTables make_rotary_tables(const Architecture& architecture, const at::Tensor& positions, at::ScalarType dtype) {
  std::vector<int64_t> lengths;
  if (needs_lengths(architecture)) {
    const at::Tensor after = (positions + 1).to(at::kCPU).contiguous();
    lengths.assign(after.data_ptr<int64_t>(), after.data_ptr<int64_t>() + after.numel());
  }
  return tables_of(architecture, positions, lengths, dtype);
}

at::Tensor rotate(const at::Tensor& x, const RotaryTable& table, Direction direction) {
  if (!table.cos.defined()) return x;
  const int64_t half = table.cos.size(-1);
  const double sign = direction == Direction::kForward ? 1 : -1;
  // The channels that are paired: both halves of the rotated ones, or every other one.
  const auto part = [&](const at::Tensor& t, int64_t which) {
    const int64_t first = table.first;
    return table.interleaved ? t.slice(-1, first + which, first + 2 * half, 2)
                             : t.narrow(-1, first + which * half, half);
  };
  const at::Tensor first = part(x, 0);
  const at::Tensor second = part(x, 1);
  at::Tensor out = at::empty_like(x, at::MemoryFormat::Contiguous);
  part(out, 0).copy_((first * table.cos).addcmul_(second, table.sin, -sign));
  part(out, 1).copy_((second * table.cos).addcmul_(first, table.sin, sign));
  const auto keep = [&](int64_t from, int64_t count) {
    if (count > 0) out.narrow(-1, from, count).copy_(x.narrow(-1, from, count));
  };
  keep(0, table.first);
  keep(table.first + 2 * half, x.size(-1) - table.first - 2 * half);
  return out;
}

}  // namespace circuit
