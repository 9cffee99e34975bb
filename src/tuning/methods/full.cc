// Full fine-tuning: every parameter tensor whole.
#include "tuning/method.h"

namespace circuit {
namespace {

class WholeModel : public Trained {
 public:
  explicit WholeModel(const MethodInput& input) : model_(input.model), store_(model_, whole_tensors(model_)) {}
  ParameterStore& store() override { return store_; }
  void begin() override { store_.select_all(); }
  std::unique_ptr<Trainer> trainer(TunerSpec spec) override {
    return std::make_unique<Trainer>(model_, store_, std::move(spec));
  }

 private:
  Model& model_;
  SliceStore store_;
};

class FullMethod : public TuningMethod {
 public:
  const char* name() const override { return "full"; }
  const char* help() const override { return "every parameter"; }
  std::unique_ptr<Trained> make(const MethodInput& input, const ScoredCircuit*) const override {
    return std::make_unique<WholeModel>(input);
  }
  // Embeddings are trained, whose lookups add up.
  int64_t gradient_bytes(const StateShape& shape, const TuningSettings& tuning) const override {
    StateShape summed = shape;
    summed.summed = true;
    return TuningMethod::gradient_bytes(summed, tuning);
  }
};

}  // namespace

const TuningMethod& full_method() {
  static const FullMethod method;
  return method;
}

}  // namespace circuit
