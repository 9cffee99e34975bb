#include "model/key_value_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "model/attention.h"
#include "model/soft_cap.h"

namespace circuit {

KeyValueCache::KeyValueCache(const Model& model, int64_t slots, int64_t longest)
    : model_(model), slots_(slots), longest_(longest) {}

void KeyValueCache::make_room(int64_t tokens) {
  if (tokens <= capacity_) return;
  const Architecture& a = model_.architecture();
  const int64_t before = capacity_;
  capacity_ = std::max(tokens, std::min(2 * capacity_, longest_));
  // Zeros: a masked score times an arbitrary bit pattern could be NaN.
  const auto grown = [&](const at::Tensor& old, int64_t width) {
    at::Tensor wide = at::zeros({slots_, a.n_kv_heads, capacity_, width}, model_.embedding().options());
    if (old.defined()) wide.narrow(0, 0, live()).narrow(2, 0, before).copy_(old.narrow(0, 0, live()));
    return wide;
  };
  k_.resize(a.n_layers);
  v_.resize(a.n_layers);
  for (int64_t l = 0; l < a.n_layers; ++l) {
    k_[l] = grown(k_[l], a.d_head);
    v_[l] = grown(v_[l], a.value_width());
  }
}

void KeyValueCache::open(const TokenBatch& sequences) {
  make_room(sequences.longest);
  lengths_.insert(lengths_.end(), sequences.lengths.begin(), sequences.lengths.end());
}

void KeyValueCache::put(int64_t layer, const TokenBatch& sequences, const at::Tensor& k, const at::Tensor& v) {
  const Architecture& a = model_.architecture();
  for (int64_t s = 0; s < sequences.size(); ++s) {
    const int64_t slot = live() - sequences.size() + s;
    const int64_t length = sequences.lengths[s];
    const auto copy = [&](const at::Tensor& rows, const at::Tensor& cache) {
      const at::Tensor own = rows.narrow(0, sequences.starts[s], length);
      cache.select(0, slot).narrow(1, 0, length).copy_(own.reshape({length, a.n_kv_heads, -1}).transpose(0, 1));
    };
    copy(k, k_[layer]);
    copy(v, v_[layer]);
  }
}

void KeyValueCache::extend() {
  const Architecture& a = model_.architecture();
  make_room(*std::max_element(lengths_.begin(), lengths_.end()) + 1);
  const at::Tensor rows = at::empty({live() * a.n_kv_heads}, at::kLong);
  auto* row = rows.data_ptr<int64_t>();
  for (int64_t s = 0; s < live(); ++s) {
    for (int64_t h = 0; h < a.n_kv_heads; ++h) *row++ = (s * a.n_kv_heads + h) * capacity_ + lengths_[s];
    ++lengths_[s];
  }
  new_rows_ = rows.to(model_.device());
  seen_.clear();
  for (const LayerSpec& kind : a.layer_kinds) seen_.push_back(seen_within(kind.attention.window));
}

KeyValueCache::Seen KeyValueCache::seen_within(const std::optional<int64_t>& window) const {
  const auto first_of = [&](int64_t length) { return window ? std::max<int64_t>(0, length - *window) : 0; };
  const auto [shortest, longest] = std::minmax_element(lengths_.begin(), lengths_.end());
  Seen seen;
  seen.first = first_of(*shortest);
  seen.keys = *longest - seen.first;
  if (*shortest == *longest) return seen;
  const at::Tensor mask = at::full({live(), 1, seen.keys}, -std::numeric_limits<double>::infinity(), at::kDouble);
  for (int64_t s = 0; s < live(); ++s) {
    auto* const row = mask.data_ptr<double>() + s * seen.keys;
    std::fill(row + first_of(lengths_[s]) - seen.first, row + lengths_[s] - seen.first, 0);
  }
  seen.mask = mask.to(model_.device(), model_.dtype());
  return seen;
}

at::Tensor KeyValueCache::attend(int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const Architecture& a = model_.architecture();
  const int64_t groups = live() * a.n_kv_heads;
  const Seen& seen = seen_[a.kind_of(layer)];
  // [groups, keys, d_head]
  const auto with_new = [&](const at::Tensor& cache, const at::Tensor& rows) {
    const int64_t width = cache.size(-1);
    cache.view({-1, width}).index_copy_(0, new_rows_, rows.reshape({groups, width}));
    return cache.narrow(0, 0, live()).view({groups, capacity_, width}).narrow(1, seen.first, seen.keys);
  };
  const at::Tensor keys = with_new(k_[layer], k);
  const at::Tensor values = with_new(v_[layer], v);
  const at::Tensor queries = q.reshape({groups, a.heads_per_kv(), a.d_head}) * a.score_scale(layer);
  const at::Tensor scores = soft_cap(at::bmm(queries, keys.transpose(1, 2)), a.layer(layer).attention.softcap);
  const AttentionSpec& spec = a.layer(layer).attention;
  if (!spec.alibi.empty()) {
    scores.view({live(), a.n_heads, 1, seen.keys}).add_(alibi_bias(spec, seen.first, seen.keys, scores.options()));
  }
  if (seen.mask.defined()) scores.view({live(), -1, seen.keys}).add_(seen.mask);
  const at::Tensor& sinks = model_.layers()[layer].sinks;
  if (!sinks.defined()) return at::bmm(at::softmax(scores, -1), values).view({live(), -1});
  const at::Tensor beside = sinks.view({1, a.n_kv_heads, -1}).expand({live(), -1, -1}).reshape({groups, -1, 1});
  const at::Tensor probs = at::softmax(at::cat({scores, beside.to(scores.scalar_type())}, -1), -1);
  return at::bmm(probs.narrow(-1, 0, seen.keys), values).view({live(), -1});
}

void KeyValueCache::remove(int64_t slot) {
  const int64_t last = live() - 1;
  if (slot != last) {
    for (auto* cache : {&k_, &v_}) {
      for (const at::Tensor& layer : *cache) {
        layer.select(0, slot).narrow(1, 0, lengths_[last]).copy_(layer.select(0, last).narrow(1, 0, lengths_[last]));
      }
    }
    lengths_[slot] = lengths_[last];
  }
  lengths_.pop_back();
}

}  // namespace circuit
