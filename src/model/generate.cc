#include "model/generate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/blocks/block.h"
#include "model/forward.h"
#include "model/head.h"
#include "model/key_value_cache.h"
#include "model/layer_program.h"

namespace circuit {
namespace {

// Prompts are worked together up to so many tokens: enough for the products, and activations stay small.
constexpr int64_t kPromptTokens = 2048;

using Attend = std::function<at::Tensor(int64_t l, const QueryKeyValue&)>;

// One layer of new tokens.
class LayerSteps {
 public:
  using Written = at::Tensor;
  LayerSteps(const GenerationPass& pass, int64_t l) : pass_(pass), l_(l) {}

  at::Tensor work(const BlockSpec& block, const at::Tensor& x) const {
    return methods_of(block.kind).generate(pass_, l_, x);
  }

  at::Tensor join(const at::Tensor& stream, const std::vector<at::Tensor>& written) const {
    at::Tensor sum = stream + written[0];
    for (size_t i = 1; i < written.size(); ++i) sum.add_(written[i]);
    return sum;
  }

 private:
  const GenerationPass& pass_;
  int64_t l_;
};

// The last stream of new tokens, [tokens, d_model]; attend(layer, qkv) gives z. ids, positions [tokens].
at::Tensor run_layers(const Model& model, const at::Tensor& ids, const at::Tensor& positions,
                      const RotaryTables& rotary, const Attend& attend) {
  const Architecture& a = model.architecture();
  const GenerationPass pass{model, rotary, attend};
  at::Tensor x = with_positions(model, token_embedding(model, ids), positions);
  for (int64_t l = 0; l < a.n_layers; ++l) {
    LayerSteps engine(pass, l);
    x = walk_layer(a.layer(l), x, engine);
  }
  return x;
}

using Prompts = std::vector<std::vector<int64_t>>;

class Generation {
 public:
  Generation(const Model& model, const Prompts& prompts, const GenerateSpec& spec, const Rng& rng, const StopTest& stop)
      : model_(model),
        prompts_(prompts),
        spec_(spec),
        stop_(stop),
        ends_(model.architecture().stop_ids()),
        results_(prompts.size()),
        cache_(model, std::min<int64_t>(spec.batch, static_cast<int64_t>(prompts.size())), longest_of(prompts, spec)) {
    ends_.insert(ends_.end(), spec.end_ids.begin(), spec.end_ids.end());
    for (size_t i = 0; i < prompts.size(); ++i) rngs_.push_back(rng.split(std::to_string(i)));
  }

  std::vector<Generated> run() {
    while (next_ < prompts_.size() || !owners_.empty()) {
      while (next_ < prompts_.size() && live() < spec_.batch) start_prompts();
      start_again();
      if (!owners_.empty()) continue_all();
    }
    return std::move(results_);
  }

 private:
  static int64_t longest_of(const Prompts& prompts, const GenerateSpec& spec) {
    size_t longest = 0;
    for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
    // A number of tokens that no memory holds fails where the cache is made, not by running over.
    return static_cast<int64_t>(longest) + std::min(spec.max_tokens, int64_t{1} << 40);
  }
  int64_t live() const { return static_cast<int64_t>(owners_.size()); }

  // The next prompts, as many as there is room for, and their first tokens.
  void start_prompts() {
    Prompts together;
    int64_t tokens = 0;
    const int64_t first = live();
    while (next_ < prompts_.size() && live() < spec_.batch) {
      const auto& prompt = prompts_[next_];
      if (is_full(static_cast<int64_t>(prompt.size()))) {
        results_[next_++].stop = Stop::kPositions;
        continue;
      }
      tokens += static_cast<int64_t>(prompt.size());
      if (!together.empty() && tokens > kPromptTokens) break;
      together.push_back(prompt);
      owners_.push_back(next_++);
    }
    if (!together.empty()) work(together, first);
  }

  // Sequences whose next token passes the original context of a family that works them anew then.
  void start_again() {
    const auto& rotary = model_.architecture().layer(0).attention.rotary;
    if (!rotary || !rotary->longrope || !rotary->longrope->anew) return;
    Prompts together;
    std::vector<size_t> owners;
    for (int64_t s = live() - 1; s >= 0; --s) {
      if (static_cast<double>(cache_.length(s)) != rotary->longrope->original_positions) continue;
      owners.push_back(owners_[s]);
      together.push_back(prompts_[owners_[s]]);
      const std::vector<int64_t>& ids = results_[owners_[s]].ids;
      together.back().insert(together.back().end(), ids.begin(), ids.end());
      remove(s);
    }
    if (together.empty()) return;
    const int64_t first = live();
    owners_.insert(owners_.end(), owners.begin(), owners.end());
    work(together, first);
  }

  void remove(int64_t slot) {
    cache_.remove(slot);
    owners_[slot] = owners_.back();
    owners_.pop_back();
  }

  // Whole sequences in slots from `first` on, and the token after each.
  void work(const Prompts& together, int64_t first) {
    const TokenBatch batch = make_token_batch(together, model_.architecture(), model_.device(), "prompt");
    cache_.open(batch);
    const RotaryTables rotary = make_rotary_tables(model_.architecture(), batch, model_.dtype());
    const at::Tensor x = run_layers(model_, batch.ids, batch.positions, rotary, [&](int64_t l, const QueryKeyValue& p) {
      cache_.put(l, batch, p.k, p.v);
      return attention_forward(model_.architecture(), l, batch, p.q, p.k, p.v, model_.layers()[l].sinks, nullptr);
    });
    std::vector<int64_t> last;
    for (int64_t s = 0; s < batch.size(); ++s) last.push_back(batch.starts[s] + batch.lengths[s] - 1);
    take_tokens(first, logits_of(model_, x, at::tensor(last, at::kLong).to(model_.device())));
  }

  void continue_all() {
    const at::Tensor table = at::empty({2, live()}, at::kLong);
    for (int64_t s = 0; s < live(); ++s) {
      table.data_ptr<int64_t>()[s] = results_[owners_[s]].ids.back();
      table.data_ptr<int64_t>()[live() + s] = cache_.length(s);
    }
    const at::Tensor moved = table.to(model_.device());
    cache_.extend();
    const at::Tensor positions = moved.select(0, 1);
    const RotaryTables rotary = make_rotary_tables(model_.architecture(), positions, model_.dtype());
    const at::Tensor x = run_layers(model_, moved.select(0, 0), positions, rotary,
                                    [&](int64_t l, const QueryKeyValue& p) { return cache_.attend(l, p.q, p.k, p.v); });
    take_tokens(0, logits_of(model_, x));
  }

  // logits [live − first, vocab]: of slot `first` and those after it.
  void take_tokens(int64_t first, const at::Tensor& logits) {
    // A NaN has no likeliest token, though argmax and sampling would name one.
    if (!std::isfinite(logits.sum(at::kDouble).item<double>())) {
      fail("generate", "the model's logits are not finite. Check its weights.");
    }
    const SamplingSpec& sampling = spec_.sampling;
    const bool changes = sampling.repetition_penalty != 1 || spec_.min_tokens > 0;
    const at::Tensor likeliest = sampling.temperature > 0 || changes ? at::Tensor() : logits.argmax(-1).to(at::kCPU);
    // From the last on: a slot that is freed is taken by one that had its turn.
    for (int64_t s = live() - 1; s >= first; --s) {
      const size_t owner = owners_[s];
      const int64_t row = s - first;
      results_[owner].ids.push_back(likeliest.defined() ? likeliest.data_ptr<int64_t>()[row]
                                                        : choose(owner, logits.select(0, row)));
      const std::optional<Stop> stop = why_stop(owner);
      if (!stop) continue;
      results_[owner].stop = *stop;
      remove(s);
    }
  }

  // logits [vocab]
  int64_t choose(size_t owner, at::Tensor logits) {
    const SamplingSpec& sampling = spec_.sampling;
    const std::vector<int64_t>& ids = results_[owner].ids;
    const bool holds_on = static_cast<int64_t>(ids.size()) < spec_.min_tokens;
    if (holds_on || sampling.repetition_penalty != 1) {
      const std::vector<int64_t> none;
      logits = penalised(logits, sampling.repetition_penalty, {&prompts_[owner], &ids}, holds_on ? ends_ : none);
    }
    if (sampling.temperature <= 0) return logits.argmax(-1).item<int64_t>();
    return draw(next_tokens(logits, sampling), rngs_[owner]);
  }

  std::optional<Stop> why_stop(size_t owner) const {
    const std::vector<int64_t>& ids = results_[owner].ids;
    const bool end = std::find(ends_.begin(), ends_.end(), ids.back()) != ends_.end();
    if (end && spec_.stop_at_eos) return Stop::kEndToken;
    if (stop_ && stop_(owner, ids)) return Stop::kCaller;
    if (static_cast<int64_t>(ids.size()) >= spec_.max_tokens) return Stop::kMaxTokens;
    if (is_full(static_cast<int64_t>(prompts_[owner].size() + ids.size()))) return Stop::kPositions;
    return std::nullopt;
  }

  // Whether a sequence of so many tokens is all that the model has positions for.
  bool is_full(int64_t tokens) const { return tokens >= model_.architecture().position_limit().value_or(tokens + 1); }

  const Model& model_;
  const Prompts& prompts_;
  const GenerateSpec& spec_;
  const StopTest& stop_;
  std::vector<int64_t> ends_;
  std::vector<Generated> results_;
  KeyValueCache cache_;
  std::vector<Rng> rngs_;       // per prompt
  std::vector<size_t> owners_;  // the prompt of every live slot
  size_t next_ = 0;             // first prompt that has not begun
};

}  // namespace

std::vector<Generated> generate(const Model& model, const std::vector<std::vector<int64_t>>& prompts,
                                const GenerateSpec& spec, const Rng& rng, const StopTest& stop) {
  // All prompts before any work; the same checks as of any batch.
  const TokenBatch checked = make_token_batch(prompts, model.architecture(), at::kCPU, "prompt");
  std::vector<Generated> nothing(static_cast<size_t>(checked.size()));
  if (spec.max_tokens <= 0) return nothing;
  return Generation(model, prompts, spec, rng, stop).run();
}

}  // namespace circuit
