#include "model/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

namespace circuit {
namespace {

// How many of the descending probabilities are kept: those before which less than top_p has come, and the first.
int64_t kept_by_top_p(const at::Tensor& probabilities, double top_p) {
  const auto* p = probabilities.data_ptr<double>();
  double before = 0;
  for (int64_t i = 0; i < probabilities.size(0); ++i) {
    if (i > 0 && before >= top_p) return i;
    before += p[i];
  }
  return probabilities.size(0);
}

int64_t kept_by_min_p(const at::Tensor& probabilities, double min_p) {
  const auto* p = probabilities.data_ptr<double>();
  int64_t kept = 1;
  while (kept < probabilities.size(0) && p[kept] >= min_p * p[0]) ++kept;
  return kept;
}

}  // namespace

NextTokens next_tokens(const at::Tensor& logits, const SamplingSpec& spec) {
  at::Tensor scaled = logits.to(at::kCPU, at::kDouble);
  scaled = (scaled - scaled.max()) / spec.temperature;  // a temperature near 0 leaves the likeliest, not NaN
  NextTokens next;
  if (spec.top_k > 0) {
    std::tie(scaled, next.ids) = scaled.topk(std::min<int64_t>(spec.top_k, scaled.size(0)));
  } else if (spec.top_p < 1 || spec.min_p > 0) {
    std::tie(scaled, next.ids) = scaled.sort(-1, true);
  }
  next.probabilities = at::softmax(scaled, -1);
  const auto keep = [&](int64_t kept) {
    scaled = scaled.narrow(0, 0, kept);
    next.ids = next.ids.narrow(0, 0, kept);
    next.probabilities = at::softmax(scaled, -1);
  };
  if (spec.top_p < 1) keep(kept_by_top_p(next.probabilities, spec.top_p));
  if (spec.min_p > 0) keep(kept_by_min_p(next.probabilities, spec.min_p));
  return next;
}

int64_t draw(const NextTokens& next, Rng& rng) {
  const auto* p = next.probabilities.data_ptr<double>();
  double left = rng.uniform();
  int64_t chosen = 0;
  // Rounding may leave a remainder after the last one: then the last stands.
  for (; chosen + 1 < next.probabilities.size(0); ++chosen) {
    left -= p[chosen];
    if (left < 0) break;
  }
  return next.ids.defined() ? next.ids[chosen].item<int64_t>() : chosen;
}

at::Tensor penalised(const at::Tensor& logits, double penalty, const std::vector<const std::vector<int64_t>*>& sequence,
                     const std::vector<int64_t>& forbidden) {
  at::Tensor changed = logits.detach().to(at::kCPU, at::kDouble, false, true).contiguous();
  auto* values = changed.data_ptr<double>();
  const int64_t vocab = changed.size(0);
  if (penalty != 1) {
    std::set<int64_t> seen;
    for (const auto* ids : sequence) seen.insert(ids->begin(), ids->end());
    for (const int64_t id : seen) values[id] = values[id] < 0 ? values[id] * penalty : values[id] / penalty;
  }
  for (const int64_t id : forbidden) {
    if (id >= 0 && id < vocab) values[id] = -std::numeric_limits<double>::infinity();
  }
  return changed;
}

}  // namespace circuit
