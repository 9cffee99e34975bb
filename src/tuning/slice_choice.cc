#include "tuning/slice_choice.h"

#include <algorithm>

#include "core/names.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<SliceChoiceKind>& slice_choices() {
  static const std::vector<SliceChoiceKind> all{CIRCUIT_SLICE_CHOICES(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

const SliceChoiceKind& find_slice_choice(const std::string& name) {
  return find_named(slice_choices(), "selection.slices", name);
}

std::vector<int64_t> densest(const SliceTable& table, const std::vector<int64_t>& from,
                             const std::vector<double>& values, int64_t budget) {
  std::vector<int64_t> order = from;
  const auto density = [&](int64_t id) { return values[id] / static_cast<double>(table[id].parameters); };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return density(a) > density(b); });
  std::vector<int64_t> chosen;
  for (const int64_t id : order) {
    if (values[id] <= 0 || table[id].parameters > budget) continue;
    budget -= table[id].parameters;
    chosen.push_back(id);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace circuit
