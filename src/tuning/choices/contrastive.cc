// The slices that matter to the task and not to general text: the task's squared loss gradient over the Fisher
// information of general text, each per parameter. After "what is special to a task", arXiv 2510.15103, at slices.
#include "tuning/slice_choice.h"

namespace circuit {
namespace {

const Parameter<double> kDamping("general_damping", 0.1,
                                 "contrastive: share of the mean Fisher information that is added to every slice's.", 0,
                                 1e6, Setting::Ends::kLowExcluded, "0.3");

class Contrastive : public SliceChoice {
 public:
  explicit Contrastive(double damping) : damping_(damping) {}
  bool reads_gradients() const override { return true; }
  bool reads_general() const override { return true; }
  std::vector<int64_t> choose(const ChosenFrom& from, Rng& /*rng*/) const override {
    double sum = 0;
    const auto& [gradients, general] = from.evidence;
    for (const int64_t id : from.all) sum += general[id];
    const double damped = damping_ * sum / static_cast<double>(from.table.parameters(from.all));
    std::vector<double> values(gradients.size());
    for (const int64_t id : from.all) {
      const auto n = static_cast<double>(from.table[id].parameters);
      const double fisher = general[id] / n + damped;
      // densest divides by n: what is left is the ratio of the two means.
      if (fisher > 0) values[id] = gradients[id] * gradients[id] / fisher;
    }
    return densest(from.table, from.all, values, from.table.parameters(from.circuit));
  }

 private:
  const double damping_;
};

std::unique_ptr<const SliceChoice> make_contrastive(const Model& /*base*/, const Checkpoint& /*files*/,
                                                    const SliceTable& /*table*/, const Parameters& own) {
  return std::make_unique<Contrastive>(kDamping.of(own));
}

}  // namespace

SliceChoiceKind contrastive_choice() {
  return {"contrastive",
          "those whose loss gradient is the largest beside general text's, which data.replay gives",
          make_contrastive,
          {&kDamping},
          true};
}

}  // namespace circuit
