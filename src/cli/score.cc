#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/progress.h"
#include "evaluation/ability.h"
#include "io/files.h"
#include "io/outputs.h"
#include "store/number_json.h"
#include "task/open_model.h"

namespace circuit {
namespace {

struct ScoreArguments {
  CommonOptions common;
  std::string model, out;
  std::vector<std::string> files;
  std::string bos = "auto";
  std::vector<std::string> stops;
  AbilitySpec spec;
};

Json to_json(const std::string& path, const FileScore& score) {
  Json json = {{"file", path}, {"kind", score.kind}};
  for (const auto& [name, count] : score.counts) json[name] = count;
  for (const Measure& m : score.measures) {
    json[m.name] = number_json(m.value);
    if (m.interval) json["intervals"][m.name] = {m.interval->low, m.interval->high};
  }
  for (const auto& [name, values] : score.by) json[name + "_by"] = values;
  if (!score.decoding.is_null()) json["decoding"] = score.decoding;
  return json;
}

void print(const std::string& path, const FileScore& score) {
  fmt::print("{} ({})\n", path, score.kind);
  for (const auto& [name, count] : score.counts) fmt::print("  {:<34} {}\n", name, count);
  for (const Measure& m : score.measures) {
    const std::string interval =
        m.interval ? fmt::format("  ({:.4f} to {:.4f})", m.interval->low, m.interval->high) : "";
    fmt::print("  {:<34} {:.6f}{}\n", m.name, m.value, interval);
  }
  for (const auto& [measure, values] : score.by) {
    for (const auto& [name, value] : values) fmt::print("  {:<34} {:.4f}\n", measure + " " + name, value);
  }
  if (!score.decoding.is_null()) fmt::print("  {:<34} {}\n", "decoding", score.decoding.dump());
}

int run(const ScoreArguments& o) {
  apply_common(o.common);
  AbilitySpec spec = o.spec;
  spec.begin_token = parse_begin_token(o.bos);
  spec.seed = o.common.seed;
  if (!o.stops.empty()) {
    spec.stops = o.stops;
    spec.stops->erase(std::remove(spec.stops->begin(), spec.stops->end(), ""), spec.stops->end());
  }
  std::vector<std::string> inputs = o.files;
  inputs.push_back(o.model);
  check_outputs(inputs, {{"--out", o.out}});
  std::optional<AtomicFile> out;
  if (!o.out.empty()) out.emplace(o.out);
  const OpenModel open(o.model, o.common);
  Json results = Json::array();
  for (const std::string& path : o.files) {
    Progress progress("score", 1000);
    const FileScore score = score_file(open.model, open.tokenizer, path, spec, [&](int64_t done, int64_t total) {
      progress.update(done * 1000 / std::max<int64_t>(1, total));
    });
    progress.clear();
    results.push_back(to_json(path, score));
    if (!o.common.json) print(path, score);
    if (!out) continue;
    for (const Json& prediction : score.predictions) out->write(prediction.dump() + "\n");
  }
  if (out) out->commit();
  if (o.common.json) fmt::print("{}\n", results.dump(1));
  return 0;
}

}  // namespace

void add_score(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ScoreArguments>();
  CLI::App* command = program.add_subcommand(
      "score", "perplexity of text, minimal pairs, multiple choice, generation tasks, metric and accuracy of records");
  command->footer(
      "What a file holds is told by its first line: minimal pairs ({\"good\", \"bad\"}, or BLiMP's files), multiple "
      "choice\n"
      "({\"prompt\", \"choices\", \"answer\"}), generation tasks ({\"prompt\", \"scorer\", \"answers\"}), other "
      "records, or text.\n"
      "docs/general-ability.md says what each number is.\n"
      "Records with occupation and gender (circuit import winobias) also get prejudice risk and signed bias.\n"
      "Example:\n  circuit score examples/books-4l examples/agreement/untouched.txt examples/agreement/test.jsonl");
  command->add_option("MODEL", o->model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("FILE", o->files, "files to score")->required();
  command->add_option("--window", o->spec.window, "tokens in a window of text (default: the model's positions)")
      ->check(at_least(1));
  command->add_option("--batch", o->spec.batch, "sequences in one forward; changes no result")->check(at_least(1));
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--metric", o->spec.metric, "metric of records with readouts");
  command->add_option("--max-tokens", o->spec.max_tokens, "tokens generated for a record of a generation task")
      ->check(at_least(1));
  command
      ->add_option("--stop", o->stops,
                   "text that ends a generation, may stand several times; \"\": none (default: the scorer's)")
      ->allow_extra_args(false);
  command->add_option("--out", o->out,
                      "also write the predictions of pairs, choices and generation tasks (JSON Lines)");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
