// The slices that another tuning of the same base changed most per parameter, ‖ΔW‖²/n: what a choice could know at
// best, were the end known before the beginning.
#include <ATen/TensorOperators.h>

#include "core/error.h"
#include "tuning/euclidean_norm.h"
#include "tuning/slice_choice.h"

namespace circuit {
namespace {

const Parameter<std::string> kTuned("tuned_model", "",
                                    "oracle: a model directory, tuned from the same base with every slice.", 0, -1,
                                    Setting::Ends::kIncluded, "0.3", true);

class Oracle : public SliceChoice {
 public:
  explicit Oracle(std::vector<double> squares) : squares_(std::move(squares)) {}
  std::vector<int64_t> choose(const ChosenFrom& from, Rng& /*rng*/) const override {
    return densest(from.table, from.all, squares_, from.table.parameters(from.circuit));
  }

 private:
  const std::vector<double> squares_;
};

std::unique_ptr<const SliceChoice> make_oracle(const Model& base, const Checkpoint& files, const SliceTable& table,
                                               const Parameters& own) {
  const std::string path = kTuned.of(own);
  if (path.empty()) fail("selection.tuned_model", "is missing: the oracle is a model that was tuned with every slice.");
  const Checkpoint tuned = Checkpoint::open(path);
  std::vector<double> squares;
  bool any = false;
  for (const Slice& s : table.slices()) {
    const std::string name = base.file_name(s.tensor);
    const at::Tensor from = files.tensor(name);
    const at::Tensor to = tuned.tensor(name);
    if (from.sizes() != to.sizes()) fail(path, "'{}' has another shape than the base's.", name);
    const auto part = [&](const at::Tensor& t) { return t.narrow(s.dim, s.start, s.length).to(at::kFloat); };
    const double change = euclidean_norm(part(to) - part(from));
    squares.push_back(change * change);
    any = any || change > 0;
  }
  if (!any) fail(path, "it does not differ from the base: it says nothing of what tuning changes.");
  return std::make_unique<Oracle>(std::move(squares));
}

}  // namespace

SliceChoiceKind oracle_choice() {
  return {"oracle", "those that selection.tuned_model changed most per parameter", make_oracle, {&kTuned}};
}

}  // namespace circuit
