#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/progress.h"
#include "evaluation/bias.h"
#include "evaluation/evaluation.h"
#include "io/files.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string model;
  std::vector<std::string> files;
  int64_t window = 0;
  int64_t batch = 16;
  std::string bos = "auto";
  std::string metric = "logit_diff";
};

Json score_text(const OpenModel& open, const Options& o, const std::string& path, Progress& progress) {
  const TextFile text = read_text(path, open.tokenizer, parse_begin_token(o.bos));
  const int64_t window = o.window > 0 ? o.window : open.model.architecture().n_positions;
  const TextResult r = evaluate_text(open.model, text.ids, text.bytes, window, o.batch,
                                     [&](int64_t done, int64_t total) { progress.update(done * 1000 / total); });
  return {{"file", path},
          {"kind", "text"},
          {"tokens", r.tokens},
          {"bytes", r.bytes},
          {"window", window},
          {"nats_per_token", r.nll},
          {"perplexity", std::exp(r.nll)},
          {"nats_per_byte", r.nll_byte},
          {"perplexity_per_byte", std::exp(r.nll_byte)}};
}

Json score_pairs(const OpenModel& open, const Options& o, const std::string& path, Progress& progress) {
  const auto pairs = read_minimal_pairs(path, open.tokenizer, parse_begin_token(o.bos));
  const PairsResult r = evaluate_pairs(open.model, pairs, o.batch,
                                       [&](int64_t done, int64_t total) { progress.update(done * 1000 / total); });
  return {{"file", path}, {"kind", "minimal pairs"}, {"pairs", r.pairs}, {"accuracy", r.accuracy},
          {"accuracy_by", r.accuracy_by}};
}

Json score_examples(const OpenModel& open, const Options& o, const std::string& path, Progress& progress) {
  ReadSpec read;
  read.begin_token = parse_begin_token(o.bos);
  const Dataset data = read_dataset(path, open.tokenizer, read);
  const TaskResult r = evaluate_task(open.model, data.examples, find_metric(o.metric), o.batch,
                                     [&](int64_t done, int64_t total) { progress.update(done * 1000 / total); });
  Json json = {{"file", path}, {"kind", "records"}, {"records", data.examples.size()}};
  if (r.readouts > 0) {
    json["readouts"] = r.readouts;
    json[o.metric] = r.metric;
    if (r.compared > 0) json["accuracy"] = r.accuracy;
    if (r.compared > 0) json["accuracy_by"] = r.accuracy_by;
  }
  if (r.target_tokens > 0) {
    json["tokens"] = r.target_tokens;
    json["nats_per_token"] = r.nll;
    json["perplexity"] = std::exp(r.nll);
  }
  if (speak_of_occupations(data.examples)) {
    const BiasResult bias = evaluate_bias(open.model, data.examples, o.batch);
    json["prejudice_risk"] = bias.risk;
    json["signed_bias"] = bias.signed_bias;
    for (const auto& [occupation, b] : bias.by_occupation) {
      json["prejudice_risk_by"][occupation] = b.risk;
      json["signed_bias_by"][occupation] = b.signed_bias;
    }
  }
  return json;
}

Json score_file(const OpenModel& open, const Options& o, const std::string& path) {
  Progress progress("score", 1000);
  switch (file_kind(path)) {
    case FileKind::kText:
      return score_text(open, o, path, progress);
    case FileKind::kMinimalPairs:
      return score_pairs(open, o, path, progress);
    case FileKind::kExamples:
      return score_examples(open, o, path, progress);
  }
  return {};
}

void print(const Json& result) {
  fmt::print("{} ({})\n", result["file"].get<std::string>(), result["kind"].get<std::string>());
  for (const auto& [key, value] : result.items()) {
    if (key == "file" || key == "kind") continue;
    if (value.is_object()) {
      for (const auto& [name, share] : value.items()) fmt::print("  {:<34} {:.4f}\n", key + " " + name, share.get<double>());
    } else if (value.is_number_float()) {
      fmt::print("  {:<34} {:.6f}\n", key, value.get<double>());
    } else {
      fmt::print("  {:<34} {}\n", key, value.dump());
    }
  }
}

int run(const Options& o) {
  apply_common(o.common);
  const OpenModel open(o.model, o.common);
  Json results = Json::array();
  for (const std::string& path : o.files) {
    results.push_back(score_file(open, o, path));
    if (!o.common.json) print(results.back());
  }
  if (o.common.json) fmt::print("{}\n", results.dump(1));
  return 0;
}

}  // namespace

void add_score(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("score", "perplexity of text, minimal pairs, metric and accuracy of records");
  command->footer(
      "A file is read as minimal pairs ({\"good\", \"bad\"}, or BLiMP's files), as records, or as text, by its first line.\n"
      "Records with occupation and gender (circuit import winobias) also get prejudice risk and signed bias.\n"
      "Example:\n  circuit score examples/books-4l examples/agreement/untouched.txt examples/agreement/test.jsonl");
  command->add_option("MODEL", o->model, "Hugging Face model directory")->required();
  command->add_option("FILE", o->files, "files to score")->required();
  command->add_option("--window", o->window, "tokens in a window of text (default: the model's positions)")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", o->batch, "sequences in one forward")->check(CLI::PositiveNumber);
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--metric", o->metric, "metric of records with readouts");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
