#include "model/experts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <limits>
#include <tuple>

#include "model/wide.h"

namespace circuit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The logits of the experts that a step of the sparse mixer may choose; −∞ of the others. among: −∞ of those that are
// chosen already.
at::Tensor near_best(const at::Tensor& logits, const at::Tensor& among, double jitter) {
  const at::Tensor best = std::get<0>(among.max(-1, true));
  const at::Tensor scale = at::where(logits.abs() < best, best, logits.abs());
  return among.masked_fill((best - logits) / scale > 2 * jitter, -kInfinity);
}

// What each choice is made among, as probabilities [tokens, routed], and the expert that it chose [tokens, 1].
struct Choice {
  at::Tensor probs, expert;
};

std::vector<Choice> mixer_choices(const ExpertsSpec& spec, const at::Tensor& logits) {
  std::vector<Choice> choices;
  at::Tensor among = logits;
  for (int64_t k = 0; k < spec.chosen; ++k) {
    const at::Tensor expert = std::get<1>(among.max(-1, true));
    choices.push_back({at::softmax(near_best(logits, among, spec.jitter), -1), expert});
    among = among.scatter(-1, expert, -kInfinity);
  }
  return choices;
}

// How well each expert suits a token, apart from the others or among them.
at::Tensor affinities(const ExpertsSpec& spec, const at::Tensor& logits) {
  return spec.router == RouterKind::kSigmoid ? at::sigmoid(logits) : at::softmax(logits, -1);
}

// What experts are chosen by: the affinities and a bias, −∞ outside the groups that are chosen first.
at::Tensor choice_of(const ExpertsSpec& spec, const at::Tensor& affinity, const at::Tensor& bias) {
  at::Tensor choice = bias.defined() ? affinity + bias : affinity;
  if (spec.groups == 1) return choice;
  const at::Tensor by_group = choice.view({choice.size(0), spec.groups, -1});
  const at::Tensor of_group =
      spec.router == RouterKind::kSigmoid ? std::get<0>(by_group.topk(2, -1)).sum(-1) : std::get<0>(by_group.max(-1));
  const at::Tensor groups = std::get<1>(of_group.topk(spec.chosen_groups, -1));
  const at::Tensor outside = at::ones_like(of_group).scatter_(-1, groups, 0).to(at::kBool);
  return by_group.masked_fill(outside.unsqueeze(-1), -kInfinity).view(choice.sizes());
}

// Gates of the routed experts, from their logits in float32 at least. choice_bias: as RouterWeights'.
at::Tensor routed_gates(const ExpertsSpec& spec, const at::Tensor& logits, const at::Tensor& choice_bias) {
  at::Tensor gates = at::zeros_like(logits);
  if (spec.router == RouterKind::kSparseMixer) {
    for (const Choice& choice : mixer_choices(spec, logits)) {
      gates.scatter_(-1, choice.expert, choice.probs.gather(-1, choice.expert));
    }
    return gates;
  }
  const at::Tensor affinity = affinities(spec, logits);
  const at::Tensor chosen = std::get<1>(choice_of(spec, affinity, choice_bias).topk(spec.chosen, -1));
  at::Tensor own = affinity.gather(-1, chosen);
  if (spec.normalised) own = own / own.sum(-1, true);
  return gates.scatter_(-1, chosen, spec.scale == 1 ? own : own * spec.scale);
}

at::Tensor softmax_backward(const at::Tensor& probs, const at::Tensor& d) {
  return probs * (d - (probs * d).sum(-1, true));
}

// From the gradient at the routed experts' gates to that at their logits. Gates that are zero have none.
at::Tensor routed_backward(const ExpertsSpec& spec, const at::Tensor& logits, const at::Tensor& gates,
                           const at::Tensor& d_gates) {
  if (spec.router == RouterKind::kSparseMixer) {
    at::Tensor d_logits = at::zeros_like(logits);
    for (const Choice& choice : mixer_choices(spec, logits)) {
      const at::Tensor d = at::zeros_like(logits).scatter_(-1, choice.expert, d_gates.gather(-1, choice.expert));
      d_logits.add_(softmax_backward(choice.probs, d));
    }
    return d_logits;
  }
  at::Tensor d = at::where(gates == 0, at::zeros_like(d_gates), d_gates);
  if (spec.scale != 1) d.mul_(spec.scale);
  if (spec.router == RouterKind::kSigmoid) {
    const at::Tensor s = at::sigmoid(logits);
    if (spec.normalised) {
      // g_e = s_e / Σ s: ∂s_e = (∂g_e − Σ g ∂g) / Σ s
      const at::Tensor chosen = at::where(gates == 0, at::zeros_like(s), s);
      const at::Tensor sum = chosen.sum(-1, true);
      d = at::where(gates == 0, at::zeros_like(d), (d - (chosen * d).sum(-1, true) / sum) / sum);
    }
    return d * s * (1 - s);
  }
  // Normalised gates are the soft-max over the chosen ones' logits.
  return softmax_backward(spec.normalised ? gates / spec.scale : at::softmax(logits, -1), d);
}

// The channels of one expert before the activation, without the one that its bias is.
MlpCache projected(const ExpertWeights& expert, const at::Tensor& y) {
  MlpCache c;
  c.in = linear(y, expert.w_in, expert.b_in);
  if (expert.w_gate.defined()) c.gate = linear(y, expert.w_gate, expert.b_gate);
  return c;
}

MlpSpec one_of(MlpSpec spec) {
  spec.experts = {};
  return spec;
}

// Tokens that visit expert e, ascending; and of [tokens, experts · width] its columns.
at::Tensor visitors(const at::Tensor& gates, int64_t e) { return gates.select(1, e).nonzero().squeeze(1); }
at::Tensor columns(const at::Tensor& all, int64_t e, int64_t width) { return all.narrow(1, e * width, width); }

}  // namespace

Routing route(const MlpSpec& spec, const RouterWeights& router, const at::Tensor& y) {
  const ExpertsSpec& experts = spec.experts;
  Routing routing;
  routing.logits = experts.wide_router ? linear(wide(y), wide(router.weight), wide(router.bias))
                                       : linear(y, router.weight, router.bias);
  at::Tensor gates = routed_gates(experts, wide(routing.logits), router.choice_bias).to(y.scalar_type());
  if (experts.shared > 0) {
    at::Tensor shared = at::ones({y.size(0), 1}, y.options());
    if (experts.shared_gate) {
      const at::Tensor logit = at::mm(y, router.shared_gate);
      routing.logits = at::cat({routing.logits, logit}, 1);
      shared = at::sigmoid(logit);
    }
    gates = at::cat({gates, shared.expand({y.size(0), experts.shared})}, 1);
  }
  routing.gates = gates;
  return routing;
}

at::Tensor expert_channels(const MlpSpec& spec, const ExpertWeights& expert, const at::Tensor& y,
                           const at::Tensor& gate) {
  at::Tensor h = mlp_hidden(one_of(spec), projected(expert, y));
  if (spec.experts.out_bias) h = at::cat({h, at::ones({h.size(0), 1}, h.options())}, 1);
  return h.mul_(gate.unsqueeze(1));
}

at::Tensor experts_forward(const MlpSpec& spec, const LayerWeights& weights, const at::Tensor& y, MlpCache* cache,
                           at::Tensor* hidden) {
  const ExpertsSpec& experts = spec.experts;
  const Routing routing = route(spec, weights.router, y);
  at::Tensor out = at::zeros_like(y);
  MlpCache kept;
  kept.logits = routing.logits;
  kept.gates = routing.gates;
  const auto everywhere = [&] { return at::zeros({y.size(0), experts.count() * experts.width}, y.options()); };
  if (cache != nullptr) {
    kept.in = everywhere();
    if (spec.gated) kept.gate = everywhere();
  }
  if (hidden != nullptr) *hidden = everywhere();
  for (int64_t e = 0; e < experts.count(); ++e) {
    const at::Tensor rows = visitors(routing.gates, e);
    if (rows.size(0) == 0) continue;
    const ExpertWeights& w = weights.experts[e];
    const MlpCache own = projected(w, y.index_select(0, rows));
    const at::Tensor gate = routing.gates.select(1, e).index_select(0, rows).unsqueeze(1);
    const at::Tensor h = mlp_hidden(one_of(spec), own).mul_(gate);
    const int64_t channels = h.size(1);
    const auto put = [&](const at::Tensor& all, const at::Tensor& values) {
      all.narrow(1, e * experts.width, values.size(1)).index_copy_(0, rows, values);
    };
    if (kept.in.defined()) put(kept.in, own.in);
    if (kept.gate.defined()) put(kept.gate, own.gate);
    at::Tensor written = at::mm(h, w.w_out);
    if (w.b_out.defined()) written.add_(gate * w.b_out);
    out.index_add_(0, rows, written);
    if (hidden == nullptr) continue;
    put(*hidden, h);
    if (experts.out_bias) hidden->narrow(1, e * experts.width + channels, 1).index_copy_(0, rows, gate);
  }
  if (cache != nullptr) *cache = kept;
  return out;
}

at::Tensor experts_hidden(const MlpSpec& spec, const MlpCache& cache) {
  const ExpertsSpec& experts = spec.experts;
  at::Tensor h = mlp_hidden(one_of(spec), {cache.in, cache.gate, {}, {}, {}});
  const at::Tensor by_expert = h.view({h.size(0), experts.count(), experts.width});
  if (experts.out_bias) by_expert.select(2, experts.width - 1).fill_(1);
  by_expert.mul_(cache.gates.unsqueeze(2));
  return h;
}

MlpGradients experts_backward(const MlpSpec& spec, const LayerWeights& weights, const MlpCache& cache,
                              const at::Tensor& d_out, Rule rule) {
  const ExpertsSpec& experts = spec.experts;
  const int64_t tokens = d_out.size(0);
  MlpGradients g;
  // At every token: of what is put in an expert's place where no token visits it a score asks the gradient too.
  g.d_hidden = at::empty({tokens, experts.count() * experts.width}, d_out.options());
  for (int64_t e = 0; e < experts.count(); ++e) {
    columns(g.d_hidden, e, experts.width).copy_(at::mm(d_out, output_block(weights, experts.count(), e).t()));
  }
  g.d_in = at::zeros_like(g.d_hidden);
  if (spec.gated) g.d_gate = at::zeros_like(g.d_hidden);
  at::Tensor d_gates = at::zeros({tokens, experts.count()}, d_out.options().dtype(wide(d_out.scalar_type())));
  for (int64_t e = 0; e < experts.count(); ++e) {
    const at::Tensor rows = visitors(cache.gates, e);
    if (rows.size(0) == 0) continue;
    const int64_t channels = experts.width - (experts.out_bias ? 1 : 0);
    const auto of = [&](const at::Tensor& all) {
      return all.defined() ? all.narrow(1, e * experts.width, channels).index_select(0, rows) : all;
    };
    const MlpCache own{of(cache.in), of(cache.gate), {}, {}, {}};
    const at::Tensor d_h = of(g.d_hidden);
    const at::Tensor gate = cache.gates.select(1, e).index_select(0, rows).unsqueeze(1);
    const MlpGradients through = channels_backward(one_of(spec), own, d_h * gate, rule);
    const auto put = [&](const at::Tensor& all, const at::Tensor& values) {
      all.narrow(1, e * experts.width, channels).index_copy_(0, rows, values);
    };
    put(g.d_in, through.d_in);
    if (spec.gated) put(g.d_gate, through.d_gate);
    at::Tensor d_own = wide(d_h * mlp_hidden(one_of(spec), own)).sum(1);
    if (experts.out_bias) {
      d_own.add_(g.d_hidden.select(1, (e + 1) * experts.width - 1).index_select(0, rows));
    }
    d_gates.select(1, e).index_copy_(0, rows, d_own);
  }
  // Relevance holds the gates as they are: what an expert writes is then all of its input's.
  if (rule == Rule::kRelevance) {
    g.d_logits = at::zeros_like(cache.logits);
    return g;
  }
  const at::Tensor logits = wide(cache.logits.narrow(1, 0, experts.routed));
  at::Tensor d = routed_backward(experts, logits, wide(cache.gates.narrow(1, 0, experts.routed)),
                                 d_gates.narrow(1, 0, experts.routed));
  if (experts.shared_gate) {
    const at::Tensor s = wide(cache.gates.narrow(1, experts.routed, 1));
    const at::Tensor d_shared = d_gates.narrow(1, experts.routed, experts.shared).sum(1, true);
    d = at::cat({d, d_shared * s * (1 - s)}, 1);
  }
  g.d_logits = d.to(d_out.scalar_type());
  return g;
}

at::Tensor experts_to_input(const LayerWeights& weights, const MlpGradients& g) {
  at::Tensor d_y;
  const auto count = static_cast<int64_t>(weights.experts.size());
  const int64_t width = g.d_in.size(1) / count;
  for (int64_t e = 0; e < count; ++e) {
    const ExpertWeights& w = weights.experts[e];
    const int64_t channels = w.w_in.size(1);
    const auto add = [&](const at::Tensor& d, const at::Tensor& weight) {
      const at::Tensor own = columns(d, e, width).narrow(1, 0, channels);
      if (!d_y.defined()) d_y = at::zeros({d.size(0), weight.size(0)}, d.options());
      const at::Tensor rows = own.ne(0).any(1).nonzero().squeeze(1);
      if (rows.size(0) > 0) d_y.index_add_(0, rows, at::mm(own.index_select(0, rows), weight.t()));
    };
    add(g.d_in, w.w_in);
    if (g.d_gate.defined()) add(g.d_gate, w.w_gate);
  }
  return d_y;
}

at::Tensor router_to_input(const LayerWeights& weights, const MlpGradients& g) {
  if (!g.d_logits.defined()) return {};
  const RouterWeights& r = weights.router;
  const int64_t routed = r.weight.size(1);
  at::Tensor d_y = at::mm(g.d_logits.narrow(1, 0, routed), r.weight.t());
  if (r.shared_gate.defined()) d_y.addmm_(g.d_logits.narrow(1, routed, 1), r.shared_gate.t());
  return d_y;
}

}  // namespace circuit
