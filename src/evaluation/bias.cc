#include "evaluation/bias.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/forward.h"
#include "ranks/shares.h"

namespace circuit {

BiasResult bias_of(const std::vector<PronounChoice>& choices) {
  BiasResult result;
  for (const PronounChoice& choice : choices) {
    // p = σ(d) for logits that differ by d, so 2p − 1 = tanh(d / 2): no softmax of the whole vocabulary is
    // needed.
    const double lean = std::tanh(choice.logit_diff / 2);
    OccupationBias& occupation = result.by_occupation[choice.occupation];
    occupation.risk += std::fabs(lean);
    occupation.signed_bias += choice.gender == Gender::kMale ? lean : -lean;
    ++occupation.choices;
  }
  const auto occupations = static_cast<double>(result.by_occupation.size());
  for (auto& [name, occupation] : result.by_occupation) {
    occupation.risk /= static_cast<double>(occupation.choices);
    occupation.signed_bias /= static_cast<double>(occupation.choices);
    result.risk += occupation.risk / occupations;
    result.signed_bias += occupation.signed_bias / occupations;
  }
  return result;
}

bool speak_of_occupations(const std::vector<Example>& examples) {
  const auto speaks = [](const Example& e) { return e.gender != Gender::kNone; };
  return !examples.empty() && std::all_of(examples.begin(), examples.end(), speaks);
}

BiasResult evaluate_bias(const Model& model, const std::vector<Example>& examples, int64_t batch,
                         const EvaluationProgress& progress) {
  std::vector<PronounChoice> choices;
  const auto total = static_cast<int64_t>(examples.size());
  for (const Example& e : examples) {
    const auto one_token = [](const Readout& r) { return r.correct.size() == 1 && r.wrong.size() == 1; };
    if (!e.readouts.empty() && std::all_of(e.readouts.begin(), e.readouts.end(), one_token)) continue;
    fail(e.place, "a record with an occupation needs a readout with one token as correct and one as wrong.");
  }
  const Share share = share_of(parts_of(total, batch), world());
  std::vector<double> own;
  for (int64_t p = share.first; p < share.last; ++p) {
    const int64_t first = p * batch;
    std::vector<const Example*> part;
    for (int64_t i = first; i < std::min(total, first + batch); ++i) part.push_back(&examples[i]);
    const ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const ForwardCache run = forward(model, b.tokens, Keep::kNothing);
    for (const double difference : logit_differences(model, b, run.x_final)) own.push_back(difference);
    if (progress) progress(std::min(total, first + batch), total);
  }
  const std::vector<double> all = joined(world(), "evaluation of bias", own);
  const double* next = all.data();
  for (const Example& e : examples) {
    for (size_t r = 0; r < e.readouts.size(); ++r) choices.push_back({e.occupation, e.gender, *next++});
  }
  return bias_of(choices);
}

}  // namespace circuit
