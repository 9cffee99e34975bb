// param-budget ρ: top-edges N with the largest N whose trainable share is at most ρ.
#include <algorithm>

#include "core/error.h"
#include "selection/ranking.h"
#include "selection/selector.h"

namespace circuit {
namespace {

const Parameter<double> kBudget("budget", 1, "Largest trainable share of kind param-budget.", 0, 1);

Circuit first_of(const std::vector<int64_t>& order, int64_t n) {
  Circuit circuit{{order.begin(), order.begin() + n}};
  std::sort(circuit.edges.begin(), circuit.edges.end());
  return circuit;
}

Circuit select_param_budget(const SelectionInput& input, const SelectionSpec& spec, Rng&) {
  const double budget = kBudget.of(spec.own);
  // Written so that NaN is refused too.
  if (!(budget > 0 && budget <= 1)) {
    throw UsageError(fmt::format("[selection] budget: found {}, expected a share in (0, 1].", budget));
  }
  const std::vector<int64_t> order = ranked(strengths(input, spec));
  const SliceTable& slices = input.slices;
  const auto all = static_cast<double>(slices.parameters(slices.all()));
  const auto fits = [&](int64_t n) {
    const int64_t trainable = slices.parameters(slices.of_circuit(first_of(order, n), spec.policy));
    return static_cast<double>(trainable) / all <= budget;
  };
  // top-edges n is contained in top-edges n + 1, so its nodes and its slices are too: the trainable share
  // never falls with n, and the largest n that fits can be bisected.
  int64_t fitting = 0;
  auto beyond = static_cast<int64_t>(order.size()) + 1;
  while (beyond - fitting > 1) {
    const int64_t middle = fitting + (beyond - fitting) / 2;
    (fits(middle) ? fitting : beyond) = middle;
  }
  return first_of(order, fitting);
}

}  // namespace

Selector param_budget_selector() {
  return {"param-budget",
          "the most edges of largest |score| whose trainable share stays within the budget",
          select_param_budget,
          {&kBudget}};
}

}  // namespace circuit
