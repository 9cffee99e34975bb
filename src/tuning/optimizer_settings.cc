#include "tuning/optimizer_settings.h"

#include <charconv>
#include <cmath>

#include "core/error.h"
#include "tuning/circuit_policy.h"

namespace circuit {

void OptimizerSettings::declare(Settings* s) {
  s->section("optimizer");
  s->add("kind", &rule.kind, "Optimiser.").one_of(choices_of(optimizers()));
  s->add("lr", &schedule.lr, "Learning rate.").range(0, 1e3);
  s->add("momentum", &rule.momentum, "SGD's momentum.").range(0, 1);
  s->add("beta1", &rule.beta1, "AdamW's first decay, below 1.").below(0, 1);
  s->add("beta2", &rule.beta2, "AdamW's second decay, below 1.").below(0, 1);
  s->add("epsilon", &rule.epsilon, "AdamW's epsilon, above 0: a gradient of 0 would be divided by it.").above(0, 1);
  s->add(
       "curvature", &rule.curvature,
       "k: adds k times general text's mean squared gradient, which data.replay gives, to AdamW's second moment: what "
       "that text's loss bends at moves less.")
      .range(0, 1e9)
      .since_version("0.3");
  s->add("weight_decay", &rule.weight_decay, "Weight decay, of the trained slices only.").range(0, 1e3);
  s->add("decay_biases", &rule.decay_biases, "Whether decay reaches biases.");
  s->add("warmup", &schedule.warmup, "Steps of linear warm-up.").at_least(0).in("steps");
  s->add("clip", &clip, "Largest global gradient norm; 0: no clipping.").at_least(0);
  s->add("schedule", &schedule.kind,
         {{"constant", ScheduleKind::kConstant}, {"linear", ScheduleKind::kLinear}, {"cosine", ScheduleKind::kCosine}},
         "Learning rate after warm-up.");
  s->add("final_share", &schedule.final_share, "Share of lr that linear and cosine end at.").range(0, 1);
  s->add("rates", &rates, "Factors of lr by node, as in ['m*=0.5', 'a0.h1<q>=2']; the last that matches counts.");
}

std::vector<double> OptimizerSettings::rates_of(const SliceTable& table) const {
  if (rates.empty()) return {};
  std::vector<double> factors(table.slices().size(), 1);
  for (const std::string& item : rates) {
    const size_t equals = item.rfind('=');
    double factor = -1;
    const char* end = item.data() + item.size();
    const char* begin = equals == std::string::npos ? end : item.data() + equals + 1;
    const auto parsed = std::from_chars(begin, end, factor);
    if (parsed.ec != std::errc() || parsed.ptr != end || !(factor >= 0) || !std::isfinite(factor)) {
      throw UsageError(fmt::format("[optimizer.rates] '{}': expected pattern=factor, as in m*=0.5.", item));
    }
    bool any = false;
    for (size_t i = 0; i < factors.size(); ++i) {
      if (!matches(item.substr(0, equals), table.slices()[i].node)) continue;
      factors[i] = factor;
      any = true;
    }
    if (!any) throw UsageError(fmt::format("[optimizer.rates] '{}' matches no node.", item.substr(0, equals)));
  }
  return factors;
}

}  // namespace circuit
