#include "tuning/null_space.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "core/error.h"
#include "model/wide.h"

namespace circuit {
namespace {

// A linear layer as moments see it.
struct Inputs {
  std::string source;  // layers of one source read the same
  bool divided = false;
  int64_t dim = 0;  // of the tensor
};

std::map<std::string, Inputs> inputs_of_tensors(const Layout& layout) {
  std::map<std::string, Inputs> all;
  int64_t number = 0;
  for (const LayerLayout& l : layout.layers) {
    const auto add = [&](const TensorRef& ref, const std::string& source, bool divided) {
      if (ref.present()) all[ref.tensor] = {source.empty() ? ref.tensor : source, divided, ref.transposed ? 1 : 0};
    };
    const std::string attention = "attention " + std::to_string(number);
    // Latent attention: keys and values read one latent, queries another or the stream.
    const bool queries = l.q_down.present();
    const bool latents = l.kv_down.present();
    add(l.q_down, attention, false);
    add(l.kv_down, attention, false);
    add(l.w_q, queries ? "" : attention, false);
    add(l.w_k, latents ? "" : attention, false);
    add(l.w_v, latents ? "" : attention, false);
    add(l.w_gate, "mlp " + std::to_string(number), false);
    add(l.w_in, "mlp " + std::to_string(number), false);
    add(l.w_o, "", true);
    add(l.w_out, "", true);
    ++number;
  }
  return all;
}

}  // namespace

void take_away(const Protection& p, const at::Tensor& change) {
  if (!p.directions.defined()) {
    change.zero_();
    return;
  }
  if (p.input_dim == 0) {
    change.sub_(at::mm(p.directions, at::mm(p.directions.t(), change)));
  } else {
    change.sub_(at::mm(at::mm(change, p.directions), p.directions.t()));
  }
}

Protection protection_of(const InputMoment& moment, double share) {
  if (!moment.sum.defined()) return {};
  const auto [values, vectors] = at::linalg_eigh(moment.sum.to(at::kCPU, at::kDouble));
  const double* ascending = values.data_ptr<double>();
  const int64_t n = values.size(0);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += std::max(0.0, ascending[i]);
  int64_t kept = 0;
  for (double held = 0; kept < n && held < share * total; ++kept) held += std::max(0.0, ascending[n - 1 - kept]);
  const at::Tensor directions = vectors.narrow(1, n - kept, kept).to(moment.sum.scalar_type());
  return {directions.contiguous().to(moment.sum.device()), moment.input_dim};
}

InputMoments::InputMoments(const Model& model, const std::vector<Slice>& entries) {
  for (const LayerLayout& l : model.layout().layers) {
    if (!l.experts.empty())
      fail("tuning.null_space", "the inputs of a mixture's experts are not read. Use a model without experts.");
  }
  const std::map<std::string, Inputs> inputs = inputs_of_tensors(model.layout());
  using Key = std::tuple<std::string, int64_t, int64_t>;
  std::map<Key, int64_t> known;
  std::map<std::string, std::string> shown_by;  // source → the tensor whose inputs are taken
  for (const Slice& s : entries) {
    const auto found = inputs.find(s.tensor);
    if (found == inputs.end()) {
      entries_.emplace_back();
      continue;
    }
    const Inputs& in = found->second;
    const int64_t size = model.parameter(s.tensor).size(in.dim);
    const bool some = in.divided && s.dim == in.dim && s.length > 0 && s.length < size;
    const int64_t start = some ? s.start : 0;
    const int64_t length = some ? s.length : size;
    const auto [at, is_new] = known.emplace(Key(in.source, start, length), static_cast<int64_t>(sums_.size()));
    if (is_new) {
      sums_.push_back({start, length, {}});
      shows_[shown_by.emplace(in.source, s.tensor).first->second].push_back(static_cast<size_t>(at->second));
    }
    entries_.push_back({at->second, in.dim});
  }
}

void InputMoments::linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
                          const at::Tensor& /*d_out*/) {
  const int64_t from = units == Units::kInputs ? first : 0;
  for (const size_t i : shows_.at(ref.tensor)) {
    Sum& sum = sums_[i];
    const at::Tensor x = wide(input.narrow(1, sum.start - from, sum.length));
    const at::Tensor product = at::mm(x.t(), x);
    sum.value = sum.value.defined() ? sum.value.add_(product) : product;
  }
}

int64_t InputMoments::bytes() const {
  int64_t numbers = 0;
  for (const Sum& sum : sums_) numbers += sum.length * sum.length;
  return numbers * static_cast<int64_t>(sizeof(float));
}

std::vector<at::Tensor> InputMoments::take() {
  std::vector<at::Tensor> taken;
  for (Sum& sum : sums_) {
    taken.push_back(std::move(sum.value));
    sum.value = at::Tensor();
  }
  return taken;
}

std::vector<InputMoment> InputMoments::of_entries(const std::vector<at::Tensor>& sums) const {
  std::vector<InputMoment> moments;
  for (const Entry& e : entries_) {
    const bool read = e.sum >= 0 && e.sum < static_cast<int64_t>(sums.size());
    moments.push_back({read ? sums[e.sum] : at::Tensor(), e.input_dim});
  }
  return moments;
}

}  // namespace circuit
