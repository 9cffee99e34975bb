// What tuning cost without what it taught: KL(base ‖ tuned) of the next token, in nats, and how often both models find
// the same token the likeliest. Forgetting follows this divergence (Shenfeld et al. 2025, arXiv 2509.04259).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "evaluation/bootstrap.h"
#include "evaluation/evaluation.h"
#include "evaluation/sequence_nll.h"

namespace circuit {

// Tokens whose prediction is not compared.
struct MaskSpec {
  bool readouts = false;        // of records: where a readout is
  std::set<std::string> words;  // tokens that reach into one of them
};

// Also masks the words that the readouts of a file of records answer. Throws Error where it has none.
void mask_words_of(const std::string& path, const LazyTokenizer& tokenizer, MaskSpec* mask);

struct ComparedSequence {
  ScoredSequence scored;
  std::vector<bool> masked;  // by token; of those from first_target on only the others are compared
};

// Windows of a text as evaluate_text takes them, and records as evaluate_task does. tokenizer: read where words are
// masked.
std::vector<ComparedSequence> compared_text(const Architecture& architecture, const EncodedText& text, int64_t window,
                                            const LazyTokenizer& tokenizer, const MaskSpec& mask);
std::vector<ComparedSequence> compared_records(const std::vector<Example>& examples, const LazyTokenizer& tokenizer,
                                               const MaskSpec& mask);

struct Divergence {
  Estimate kl;                       // mean over compared tokens, nats; bootstrap over sequences
  Estimate top1_agreement;           // share of them
  double nll = 0;                    // of the tuned model, mean over all tokens from first_target on, nats
  int64_t compared = 0, masked = 0;  // tokens
};

// What a base says of sequences: its last stream at every predicted token, [tokens, d_model] in all, so that models are
// compared with it without running it again. base: outlives it; its head is used.
class BaseStreams {
 public:
  // Throws Error where no token is left to compare.
  BaseStreams(const Model& base, std::vector<ComparedSequence> sequences, int64_t batch, const std::string& place,
              const EvaluationProgress& progress);
  // tuned: of the base's vocabulary; null: the base itself, whose streams are there. Throws Error for logits that are
  // not finite numbers.
  Divergence compare(const Model* tuned, Rng& rng, const EvaluationProgress& progress) const;

 private:
  const Model& base_;
  const std::vector<ComparedSequence> sequences_;
  const int64_t batch_;
  const std::string place_;
  std::vector<at::Tensor> streams_;  // of this rank's batches in turn
};

// Throws Error naming both where two models cannot be compared token by token.
void check_comparable(const Model& base, const Model& tuned, const std::string& place);

}  // namespace circuit
