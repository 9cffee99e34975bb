#include "evaluation/ability.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/setting_name.h"
#include "evaluation/bias.h"
#include "evaluation/generation_task.h"
#include "evaluation/sequence_nll.h"
#include "task/answer_records.h"

namespace circuit {
namespace {

struct Job {
  const Model& model;
  const LazyTokenizer& tokenizer;
  const std::string& path;
  const AbilitySpec& spec;
  const EvaluationProgress& progress;

  Rng rng() const { return Rng(spec.seed).split("ability"); }
};

void check_length(const Job& job, const std::vector<int64_t>& ids, const std::string& place) {
  const Architecture& a = job.model.architecture();
  const auto tokens = static_cast<int64_t>(ids.size());
  if (tokens <= a.position_limit().value_or(tokens)) return;
  fail(place, "the text has {} tokens, the model has {} positions. Shorten it.", ids.size(), a.n_positions);
}

void add_divergence(const Job& job, std::vector<ComparedSequence> sequences, FileScore* score) {
  check_comparable(*job.spec.base, job.model, job.path);
  Rng rng = job.rng();
  const BaseStreams base(*job.spec.base, std::move(sequences), job.spec.batch, job.path, job.progress);
  const Divergence d = base.compare(&job.model, rng, job.progress);
  score->counts.emplace_back("compared", d.compared);
  score->counts.emplace_back("masked", d.masked);
  score->measures.push_back({"kl", d.kl.value, d.kl.interval});
  score->measures.push_back({"top1_agreement", d.top1_agreement.value, d.top1_agreement.interval});
}

FileScore score_text(const Job& job) {
  const EncodedText text = read_text(job.path, job.tokenizer, job.spec.begin_token);
  const int64_t window = job.spec.window > 0 ? job.spec.window : job.model.architecture().n_positions;
  const TextResult r = evaluate_text(job.model, text, window, job.spec.batch, job.progress);
  finite_log_prob(r.nll, job.path);
  FileScore score;
  score.kind = "text";
  score.counts = {{"tokens", r.tokens}, {"bytes", r.bytes}, {"window", window}};
  score.measures = {{"nats_per_token", r.nll, {}},
                    {"perplexity", std::exp(r.nll), {}},
                    {"nats_per_byte", r.nll_byte, {}},
                    {"perplexity_per_byte", std::exp(r.nll_byte), {}}};
  if (job.spec.base != nullptr) {
    add_divergence(job, compared_text(job.model.architecture(), text, window, job.tokenizer, job.spec.mask), &score);
  }
  return score;
}

FileScore score_pairs(const Job& job) {
  std::vector<MinimalPair> pairs = read_minimal_pairs(job.path, job.tokenizer, job.spec.begin_token);
  const std::set<std::string> left_out(job.spec.leave_out.begin(), job.spec.leave_out.end());
  const auto all = static_cast<int64_t>(pairs.size());
  pairs.erase(std::remove_if(pairs.begin(), pairs.end(),
                             [&](const MinimalPair& pair) { return left_out.count(pair.group) > 0; }),
              pairs.end());
  FileScore score;
  score.kind = "minimal pairs";
  score.counts = {{"pairs", static_cast<int64_t>(pairs.size())}};
  if (!left_out.empty()) score.counts.emplace_back("left_out", all - static_cast<int64_t>(pairs.size()));
  if (pairs.empty()) return score;  // a share of nothing is no number
  for (const MinimalPair& pair : pairs) {
    check_length(job, pair.good, pair.place);
    check_length(job, pair.bad, pair.place);
  }
  const PairsResult r = evaluate_pairs(job.model, pairs, job.spec.batch, job.progress);
  Rng rng = job.rng();
  score.measures = {mean_measure("accuracy", r.right, rng)};
  if (!r.accuracy_by.empty()) score.by["accuracy"] = r.accuracy_by;
  for (size_t i = 0; i < pairs.size(); ++i) {
    score.predictions.push_back({{"place", pairs[i].place},
                                 {"log_prob_good", r.log_probs[i].good},
                                 {"log_prob_bad", r.log_probs[i].bad},
                                 {"right", r.right[i] > 0}});
  }
  return score;
}

FileScore score_choices(const Job& job) {
  const auto records = read_choice_records(job.path, job.tokenizer, job.spec.begin_token);
  for (const ChoiceRecord& record : records) {
    for (const auto& choice : record.choices) check_length(job, choice.ids, record.place);
  }
  const ChoicesResult r = evaluate_choices(job.model, records, job.spec.batch, job.progress);
  Rng rng = job.rng();
  FileScore score;
  score.kind = "multiple choice";
  score.counts = {{"records", static_cast<int64_t>(records.size())}};
  score.measures = {mean_measure("accuracy", r.right, rng), mean_measure("accuracy_per_byte", r.right_per_byte, rng)};
  if (!r.accuracy_by.empty()) score.by["accuracy"] = r.accuracy_by;
  for (size_t i = 0; i < records.size(); ++i) {
    score.predictions.push_back({{"place", records[i].place},
                                 {"log_probs", r.answers[i].log_probs},
                                 {"choice", r.answers[i].by_sum},
                                 {"choice_per_byte", r.answers[i].by_byte},
                                 {"answer", records[i].answer}});
  }
  return score;
}

FileScore score_answers(const Job& job) {
  const auto records = read_answer_records(job.path, job.tokenizer, job.spec.begin_token);
  for (const AnswerRecord& record : records) check_length(job, record.prompt, record.place);
  const GenerationTaskSpec spec{job.spec.batch, job.spec.max_tokens, job.spec.stops};
  Rng rng = job.rng();
  const GenerationTaskResult r = evaluate_generation(job.model, job.tokenizer.get(), records, spec, rng, job.progress);
  FileScore score;
  score.kind = "generation task, " + records[0].scorer;
  score.counts = {
      {"records", static_cast<int64_t>(records.size())}, {"generated_tokens", r.tokens}, {"cut_off", r.cut_off}};
  score.measures = r.measures;
  score.decoding = {{"strategy", "greedy"},
                    {"max_tokens", spec.max_tokens},
                    {"stop", r.stops},
                    {"end_tokens", job.model.architecture().stop_ids()}};
  score.predictions = r.predictions;
  return score;
}

void add_bias(const Job& job, const std::vector<Example>& examples, FileScore* score) {
  const BiasResult bias = evaluate_bias(job.model, examples, job.spec.batch);
  score->measures.push_back({"prejudice_risk", bias.risk, {}});
  score->measures.push_back({"signed_bias", bias.signed_bias, {}});
  for (const auto& [occupation, b] : bias.by_occupation) {
    score->by["prejudice_risk"][occupation] = b.risk;
    score->by["signed_bias"][occupation] = b.signed_bias;
  }
}

FileScore score_examples(const Job& job) {
  ReadSpec read;
  read.begin_token = job.spec.begin_token;
  const Dataset data = read_dataset(job.path, job.tokenizer, read);
  const TaskResult r =
      evaluate_task(job.model, data.examples, find_metric(job.spec.metric), job.spec.batch, job.progress);
  FileScore score;
  score.kind = "records";
  score.counts = {{"records", static_cast<int64_t>(data.examples.size())}};
  if (r.readouts > 0) {
    score.counts.emplace_back("readouts", r.readouts);
    score.measures.push_back({job.spec.metric, r.metric, {}});
    if (r.compared > 0) {
      Rng rng = job.rng();
      const Estimate accuracy = ratio_estimate(r.right_of, r.compared_of, rng);
      score.measures.push_back({"accuracy", accuracy.value, accuracy.interval});
      if (!r.accuracy_by.empty()) score.by["accuracy"] = r.accuracy_by;
    }
  }
  if (r.target_tokens > 0) {
    score.counts.emplace_back("tokens", r.target_tokens);
    score.measures.push_back({"nats_per_token", r.nll, {}});
    score.measures.push_back({"perplexity", std::exp(r.nll), {}});
  }
  if (speak_of_occupations(data.examples)) add_bias(job, data.examples, &score);
  if (job.spec.base != nullptr) {
    add_divergence(job, compared_records(data.examples, job.tokenizer, job.spec.mask), &score);
  }
  return score;
}

}  // namespace

void check_left_out(const std::vector<std::string>& files, const LazyTokenizer& tokenizer, const AbilitySpec& spec) {
  std::set<std::string> unknown(spec.leave_out.begin(), spec.leave_out.end());
  for (const std::string& path : files) {
    if (unknown.empty()) return;
    if (file_kind(path) != FileKind::kMinimalPairs) continue;
    for (const MinimalPair& pair : read_minimal_pairs(path, tokenizer, spec.begin_token)) unknown.erase(pair.group);
  }
  if (!unknown.empty())
    fail(setting("leave_out"), "'{}' is no group of minimal pairs in these files.", *unknown.begin());
}

FileScore score_file(const Model& model, const LazyTokenizer& tokenizer, const std::string& path,
                     const AbilitySpec& spec, const EvaluationProgress& progress) {
  const Job job{model, tokenizer, path, spec, progress};
  const FileKind kind = file_kind(path);
  if (spec.base != nullptr && !is_compared(kind)) {
    fail(path, "a base is compared on text and on records; this file holds neither. Leave {} out.", setting("against"));
  }
  switch (kind) {
    case FileKind::kText:
      return score_text(job);
    case FileKind::kMinimalPairs:
      return score_pairs(job);
    case FileKind::kMultipleChoice:
      return score_choices(job);
    case FileKind::kAnswers:
      return score_answers(job);
    case FileKind::kExamples:
      return score_examples(job);
  }
  fail(path, "unknown kind of file.");
}

}  // namespace circuit
