// Random slices, as many of every layer and kind as the circuit has: what is left of a circuit when only where it lies
// within a layer is drawn.
#include <algorithm>
#include <cctype>
#include <map>

#include "tuning/slice_choice.h"

namespace circuit {
namespace {

// The tensor, and whose part of it a slice is but for the number: of "a3.h7<q>" "a3.h<q>".
std::string stratum(const Slice& slice) {
  std::string kind = slice.tensor + " ";
  const size_t after_layer = slice.node.find('.');
  for (size_t i = 0; i < slice.node.size(); ++i) {
    const bool number = std::isdigit(static_cast<unsigned char>(slice.node[i])) != 0;
    if (!number || after_layer == std::string::npos || i < after_layer) kind += slice.node[i];
  }
  return kind + " " + std::to_string(slice.length);
}

class RandomStratified : public SliceChoice {
 public:
  std::vector<int64_t> choose(const ChosenFrom& from, Rng& rng) const override {
    std::map<std::string, int64_t> wanted;
    for (const int64_t id : from.circuit) ++wanted[stratum(from.table[id])];
    std::map<std::string, std::vector<int64_t>> strata;
    for (const int64_t id : from.all) strata[stratum(from.table[id])].push_back(id);
    std::vector<int64_t> chosen;
    for (const auto& [name, count] : wanted) {
      const std::vector<int64_t>& members = strata[name];
      Rng own = rng.split(name);
      const std::vector<int64_t> order = permutation(static_cast<int64_t>(members.size()), own);
      const auto most = std::min<int64_t>(count, static_cast<int64_t>(members.size()));
      for (int64_t i = 0; i < most; ++i) chosen.push_back(members[order[i]]);
    }
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }
};

std::unique_ptr<const SliceChoice> make_random_stratified(const Model& /*base*/, const Checkpoint& /*files*/,
                                                          const SliceTable& /*table*/, const Parameters& /*own*/) {
  return std::make_unique<RandomStratified>();
}

}  // namespace

SliceChoiceKind random_stratified_choice() {
  return {"random-stratified", "random ones, as many of every layer and kind", make_random_stratified};
}

}  // namespace circuit
