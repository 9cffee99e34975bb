#include "evaluation/generation_task.h"

#include <algorithm>

#include "model/generate.h"
#include "ranks/shares.h"

namespace circuit {
namespace {

std::string name_of(Stop stop) {
  switch (stop) {
    case Stop::kEndToken:
      return "end token";
    case Stop::kMaxTokens:
      return "max tokens";
    case Stop::kPositions:
      return "last position";
    case Stop::kCaller:
      return "stop text";
  }
  return "";
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  return tokenizer.decode(ids, SpecialTokens::kNone, UnknownIds::kNothing);
}

// Where the first of the stops begins; npos: none occurs.
size_t first_stop(const std::string& text, const std::vector<std::string>& stops) {
  size_t first = std::string::npos;
  for (const std::string& stop : stops) first = std::min(first, text.find(stop));
  return first;
}

// Prompts that are worked together, whatever the ranks: which of them share a product changes its rounding.
constexpr int64_t kBatchesAtOnce = 8;

// Every rank's share of the prompts' continuations, and all of them on every rank.
std::vector<Generated> generate_together(const Model& model, const std::vector<std::vector<int64_t>>& prompts,
                                         const GenerateSpec& spec, const Rng& rng, const StopTest& stop) {
  const auto total = static_cast<int64_t>(prompts.size());
  const int64_t size = kBatchesAtOnce * spec.batch;
  const Share share = share_of(parts_of(total, size), world());
  std::vector<Generated> all;
  std::vector<double> own;
  for (int64_t part = share.first; part < share.last; ++part) {
    const int64_t first = part * size;
    const auto of_part = [&](size_t prompt, const std::vector<int64_t>& ids) {
      return stop(static_cast<size_t>(first) + prompt, ids);
    };
    const int64_t last = std::min(total, first + size);
    for (Generated& g : generate(model, {prompts.begin() + first, prompts.begin() + last}, spec, rng, of_part)) {
      own.insert(own.end(), {static_cast<double>(g.stop), static_cast<double>(g.ids.size())});
      own.insert(own.end(), g.ids.begin(), g.ids.end());
      all.push_back(std::move(g));
    }
  }
  if (world().is_alone()) return all;
  // Ids are whole numbers far below 2⁵³.
  const std::vector<double> joint = joined(world(), "generated tokens", own);
  all.clear();
  for (auto next = joint.begin(); next != joint.end();) {
    Generated g;
    g.stop = static_cast<Stop>(static_cast<int>(*next++));
    const auto length = static_cast<int64_t>(*next++);
    g.ids.assign(next, next + length);
    next += length;
    all.push_back(std::move(g));
  }
  return all;
}

}  // namespace

GenerationTaskResult evaluate_generation(const Model& model, const Tokenizer& tokenizer,
                                         const std::vector<AnswerRecord>& records, const GenerationTaskSpec& spec,
                                         Rng& rng, const EvaluationProgress& progress) {
  const AnswerScorer& scorer = scorer_of(records.at(0));
  GenerationTaskResult result;
  result.stops = spec.stops.value_or(scorer.stops);
  std::vector<std::vector<int64_t>> prompts;
  for (const AnswerRecord& record : records) {
    scorer.check(record);
    prompts.push_back(record.prompt);
  }
  GenerateSpec decoding;
  decoding.max_tokens = spec.max_tokens;
  decoding.batch = spec.batch;
  size_t started = 0;
  const StopTest stops_here = [&](size_t prompt, const std::vector<int64_t>& ids) {
    started = std::max(started, prompt + 1);
    if (progress) progress(static_cast<int64_t>(started) - 1, static_cast<int64_t>(prompts.size()));
    if (result.stops.empty()) return false;
    return first_stop(text_of(tokenizer, ids), result.stops) != std::string::npos;
  };
  const std::vector<Generated> generated = generate_together(model, prompts, decoding, rng, stops_here);
  std::vector<Judgement> judgements;
  for (size_t i = 0; i < records.size(); ++i) {
    const Generated& g = generated[i];
    const std::string whole = text_of(tokenizer, g.ids);
    const std::string text = whole.substr(0, first_stop(whole, result.stops));
    judgements.push_back(scorer.judge(records[i], text));
    result.tokens += static_cast<int64_t>(g.ids.size());
    result.cut_off += g.stop == Stop::kMaxTokens || g.stop == Stop::kPositions;
    Json prediction = judgements.back().marks;
    prediction.update({{"place", records[i].place},
                       {"text", text},
                       {"answer", judgements.back().answer},
                       {"answers", records[i].answers},
                       {"stopped", name_of(g.stop)}});
    result.predictions.push_back(std::move(prediction));
  }
  result.measures = scorer.measures(records, judgements, rng);
  return result;
}

}  // namespace circuit
