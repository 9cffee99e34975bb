#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/progress.h"
#include "evaluation/ability_text.h"
#include "io/files.h"
#include "io/outputs.h"
#include "task/open_model.h"

namespace circuit {
namespace {

struct ScoreArguments {
  CommonOptions common;
  std::string model, out, against, mask_words_of;
  std::vector<std::string> files;
  std::string bos = "auto";
  std::vector<std::string> stops, mask_words;
  AbilitySpec spec;
};

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
  inputs.insert(inputs.end(), {o.model, o.against, o.mask_words_of});
  check_outputs(inputs, {{"--out", o.out}});
  std::optional<AtomicFile> out;
  if (!o.out.empty()) out.emplace(o.out);
  const OpenModel open(o.model, o.common);
  std::optional<OpenModel> base;
  if (!o.against.empty()) spec.base = &base.emplace(o.against, o.common).model;
  spec.mask.words.insert(o.mask_words.begin(), o.mask_words.end());
  if (!o.mask_words_of.empty()) mask_words_of(o.mask_words_of, open.tokenizer, &spec.mask);
  check_left_out(o.files, open.tokenizer, spec);
  Json results = Json::array();
  for (const std::string& path : o.files) {
    Progress progress("score", 1000);
    const FileScore score = score_file(open.model, open.tokenizer, path, spec, [&](int64_t done, int64_t total) {
      progress.update(done * 1000 / std::max<int64_t>(1, total));
    });
    progress.clear();
    results.push_back(ability_json(path, score));
    if (!o.common.json) fmt::print("{}", ability_text(path, score));
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
      "Example:\n  circuit score examples/books-4l examples/agreement/untouched.txt examples/agreement/test.jsonl\n"
      "  circuit score tuned examples/agreement/untouched.txt --against examples/books-4l --mask-words-of "
      "examples/agreement/test.jsonl");
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
  command->add_option("--leave-out", o->spec.leave_out, "groups of minimal pairs (BLiMP's paradigms) not scored");
  CLI::Option* against =
      command->add_option("--against", o->against, "base model: KL(base || MODEL) and top-1 agreement");
  command->add_flag("--mask-readouts", o->spec.mask.readouts, "do not compare where records have readouts")
      ->needs(against);
  command->add_option("--mask-words", o->mask_words, "do not compare at these words")->delimiter(',')->needs(against);
  command->add_option("--mask-words-of", o->mask_words_of, "nor at the answers of these records")->needs(against);
  command->add_option("--out", o->out,
                      "also write the predictions of pairs, choices and generation tasks (JSON Lines)");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
