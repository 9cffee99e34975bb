#include "evaluation/divergence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/forward.h"
#include "model/head.h"
#include "model/wide.h"
#include "ranks/shares.h"
#include "task/word_mask.h"

namespace circuit {
namespace {

// The predicted tokens of a batch of sequences: the rows of the stream that predict them, and their ids.
struct Predicted {
  TokenBatch tokens;
  at::Tensor rows, ids;  // [n] int64
};

Predicted predicted(const Model& model, const std::vector<ComparedSequence>& all, Share part) {
  std::vector<std::vector<int64_t>> tokens;
  for (int64_t s = part.first; s < part.last; ++s) tokens.push_back(all[s].scored.ids);
  Predicted p{make_token_batch(tokens, model.architecture(), model.device(), "score"), {}, {}};
  std::vector<int64_t> rows;
  std::vector<int64_t> ids;
  for (int64_t s = part.first; s < part.last; ++s) {
    const ScoredSequence& scored = all[s].scored;
    const auto length = static_cast<int64_t>(scored.ids.size());
    for (int64_t t = scored.first_target; t < length; ++t) {
      rows.push_back(p.tokens.starts[s - part.first] + t - 1);
      ids.push_back(scored.ids[t]);
    }
  }
  p.rows = at::tensor(rows, at::kLong).to(model.device());
  p.ids = at::tensor(ids, at::kLong).to(model.device());
  return p;
}

at::Tensor stream_at(const Model& model, const Predicted& p) {
  return forward(model, p.tokens, Keep::kNothing).x_final.index_select(0, p.rows);
}

// Rows of two distributions and what is made of them that a CPU's cache holds; on a device all.
int64_t rows_in_cache(const at::Tensor& logits) {
  constexpr int64_t kCached = int64_t{1} << 20;
  const int64_t row_bytes = logits.size(1) * static_cast<int64_t>(logits.element_size());
  return logits.is_cpu() ? std::max<int64_t>(8, kCached / row_bytes) : std::max<int64_t>(1, logits.size(0));
}

// Per row of two models' last streams: KL(base ‖ tuned), whether both have the same likeliest token, and the tuned
// model's −log p of `ids`. [3, n] float64 on the CPU. x_base undefined: the base is compared with itself.
at::Tensor compare_rows(const Model& base, const at::Tensor& x_base, const Model& tuned, const at::Tensor& x_tuned,
                        const at::Tensor& ids) {
  const bool itself = !x_base.defined();
  const at::Tensor y_base = itself ? at::Tensor() : norm_forward(base.final_norm(), wide(x_base), nullptr);
  const at::Tensor y_tuned = norm_forward(tuned.final_norm(), wide(x_tuned), nullptr);
  std::vector<at::Tensor> parts;
  for_logit_parts(tuned, ids.size(0), [&](int64_t first, int64_t count) {
    const at::Tensor of_base = itself ? at::Tensor() : head_logits(base, y_base.narrow(0, first, count));
    const at::Tensor of_tuned = head_logits(tuned, y_tuned.narrow(0, first, count));
    const int64_t some = rows_in_cache(of_tuned);
    for (int64_t row = 0; row < count; row += some) {
      const int64_t rows = std::min(some, count - row);
      const at::Tensor q = at::_log_softmax(of_tuned.narrow(0, row, rows), 1, false);
      const at::Tensor of_rows = ids.narrow(0, first + row, rows).unsqueeze(1);
      const at::Tensor nll = q.gather(1, of_rows).squeeze(1).neg().to(at::kDouble);
      at::Tensor kl = at::zeros_like(nll);
      at::Tensor same = at::ones_like(nll);
      if (!itself) {
        const at::Tensor p = at::_log_softmax(of_base.narrow(0, row, rows), 1, false);
        kl = (p.exp() * (p - q)).sum(1, false, at::kDouble);
        same = p.argmax(1).eq(q.argmax(1)).to(at::kDouble);
      }
      parts.push_back(at::stack({kl, same, nll}).to(at::kCPU));
    }
  });
  return at::cat(parts, 1).contiguous();
}

int64_t batches_of(const std::vector<ComparedSequence>& sequences, int64_t batch) {
  return parts_of(static_cast<int64_t>(sequences.size()), batch);
}

Share sequences_of(const std::vector<ComparedSequence>& sequences, int64_t part, int64_t batch) {
  return {part * batch, std::min(static_cast<int64_t>(sequences.size()), (part + 1) * batch)};
}

}  // namespace

void mask_words_of(const std::string& path, const LazyTokenizer& tokenizer, MaskSpec* mask) {
  const std::set<std::string> words = readout_words(tokenizer.get(), read_dataset(path, tokenizer, {}).examples);
  if (words.empty()) fail(path, "no record has a readout, whose words would be masked.");
  mask->words.insert(words.begin(), words.end());
}

std::vector<ComparedSequence> compared_text(const Architecture& architecture, const EncodedText& text, int64_t window,
                                            const LazyTokenizer& tokenizer, const MaskSpec& mask) {
  const std::vector<bool> masked =
      mask.words.empty() ? std::vector<bool>(text.ids.size()) : tokens_of_words(tokenizer.get(), text.ids, mask.words);
  std::vector<ComparedSequence> sequences;
  int64_t first = 0;
  for (ScoredSequence& s : text_windows(architecture, text, window)) {
    const auto length = static_cast<int64_t>(s.ids.size());
    sequences.push_back({std::move(s), {masked.begin() + first, masked.begin() + first + length}});
    first += length - 1;
  }
  return sequences;
}

std::vector<ComparedSequence> compared_records(const std::vector<Example>& examples, const LazyTokenizer& tokenizer,
                                               const MaskSpec& mask) {
  std::vector<ComparedSequence> sequences;
  for (const Example& e : examples) {
    ComparedSequence s{{e.ids, std::max<int64_t>(1, e.first_target)}, std::vector<bool>(e.ids.size())};
    if (!mask.words.empty()) s.masked = tokens_of_words(tokenizer.get(), e.ids, mask.words);
    for (const Readout& r : e.readouts) {
      if (mask.readouts && r.position < static_cast<int64_t>(s.masked.size())) s.masked[r.position] = true;
    }
    sequences.push_back(std::move(s));
  }
  return sequences;
}

BaseStreams::BaseStreams(const Model& base, std::vector<ComparedSequence> sequences, int64_t batch,
                         const std::string& place, const EvaluationProgress& progress)
    : base_(base), sequences_(std::move(sequences)), batch_(batch), place_(place) {
  const bool any = std::any_of(sequences_.begin(), sequences_.end(), [](const ComparedSequence& s) {
    return std::find(s.masked.begin() + std::min<int64_t>(s.scored.first_target, s.masked.size()), s.masked.end(),
                     false) != s.masked.end();
  });
  if (!any) fail(place, "no token is left to compare with the base: all are masked, or none is predicted.");
  const Share share = share_of(batches_of(sequences_, batch_), world());
  for (int64_t part = share.first; part < share.last; ++part) {
    streams_.push_back(stream_at(base_, predicted(base_, sequences_, sequences_of(sequences_, part, batch_))));
    if (progress) progress(part + 1 - share.first, share.count());
  }
}

Divergence BaseStreams::compare(const Model* tuned, Rng& rng, const EvaluationProgress& progress) const {
  const Share share = share_of(batches_of(sequences_, batch_), world());
  std::vector<double> own;
  for (int64_t part = share.first; part < share.last; ++part) {
    const Share of = sequences_of(sequences_, part, batch_);
    const Predicted p = predicted(base_, sequences_, of);
    if (p.ids.size(0) > 0) {
      const at::Tensor& x_base = streams_[part - share.first];
      const at::Tensor rows = tuned == nullptr ? compare_rows(base_, {}, base_, x_base, p.ids)
                                               : compare_rows(base_, x_base, *tuned, stream_at(*tuned, p), p.ids);
      const double* kl = rows.data_ptr<double>();
      own.insert(own.end(), kl, kl + rows.numel());
    }
    if (progress) progress(part + 1 - share.first, share.count());
  }
  const std::vector<double> all = joined(world(), "comparison with the base", own);
  Divergence d;
  std::vector<double> kl(sequences_.size());
  std::vector<double> same(sequences_.size());
  std::vector<double> counted(sequences_.size());
  const double* next = all.data();
  int64_t tokens = 0;
  for (int64_t part = 0; part < batches_of(sequences_, batch_); ++part) {
    const Share of = sequences_of(sequences_, part, batch_);
    int64_t rows = 0;
    for (int64_t s = of.first; s < of.last; ++s)
      rows += std::max<int64_t>(
          0, static_cast<int64_t>(sequences_[s].scored.ids.size()) - sequences_[s].scored.first_target);
    int64_t row = 0;
    for (int64_t s = of.first; s < of.last; ++s) {
      const ComparedSequence& sequence = sequences_[s];
      const auto length = static_cast<int64_t>(sequence.scored.ids.size());
      for (int64_t t = sequence.scored.first_target; t < length; ++t, ++row) {
        d.nll += next[2 * rows + row];
        ++tokens;
        if (sequence.masked[t]) {
          ++d.masked;
          continue;
        }
        kl[s] += next[row];
        same[s] += next[rows + row];
        counted[s] += 1;
        ++d.compared;
      }
    }
    next += 3 * rows;
  }
  d.nll = -finite_log_prob(d.nll / static_cast<double>(tokens), place_);
  d.kl = ratio_estimate(kl, counted, rng);
  finite_log_prob(d.kl.value, place_);
  d.top1_agreement = ratio_estimate(same, counted, rng);
  return d;
}

void check_comparable(const Model& base, const Model& tuned, const std::string& place) {
  const int64_t of_base = base.architecture().vocab;
  const int64_t of_tuned = tuned.architecture().vocab;
  if (of_base == of_tuned) return;
  fail(place,
       "the base has {} tokens in its vocabulary, the model {}: their predictions cannot be compared. Give the base "
       "that the model was tuned from.",
       of_base, of_tuned);
}

}  // namespace circuit
