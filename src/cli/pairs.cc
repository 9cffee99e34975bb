#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/table.h"
#include "evaluation/data_check_text.h"
#include "io/files.h"
#include "io/outputs.h"
#include "task/pair_makers/pair_maker_text.h"

namespace circuit {
namespace {

struct PairsArguments {
  CommonOptions common;
  std::string kind, file, model, out, keep;
  std::vector<std::string> nouns, verbs, names;
  DataCheckRequest check;
};

int run_make(const PairsArguments& o) {
  set_quiet(o.common.quiet);
  const PairMaker& maker = find_pair_maker(o.kind);
  check_outputs({o.file, o.model}, {{"-o", o.out}});
  const LazyTokenizer tokenizer(o.model);
  const PairOptions options{tokenizer, {{"nouns", o.nouns}, {"verbs", o.verbs}, {"names", o.names}}, o.common.seed};
  AtomicFile out(o.out);
  const PairReport report =
      make_pairs(o.file, maker, options, [&](const Json& record) { out.write(record.dump() + "\n"); });
  check_made(report, o.file);
  out.commit();
  Json json = pair_report_json(report, maker);
  json["out"] = o.out;
  o.common.json ? fmt::print("{}\n", json.dump(1)) : log_line(pair_report_text(report, maker));
  return 0;
}

int run_check(PairsArguments o) {
  apply_common(o.common);
  DataCheckRequest& r = o.check;
  check_outputs({r.model, r.data}, {{"-o", o.out}});
  r.compute = o.common;
  r.seed = o.common.seed;
  const DataCheck check = check_data(r);
  Json json = data_check_json(check);
  if (!o.out.empty()) {
    const std::string kept = kept_lines(r, check, o.keep);
    write_file(o.out, kept);
    json["kept"] = std::count(kept.begin(), kept.end(), '\n');
    log_info("{} of {} records written to {}.", json["kept"].get<int64_t>(), check.records.size(), o.out);
  }
  fmt::print("{}", o.common.json ? json.dump(1) + "\n" : data_check_text(check));
  return 0;
}

void add_make(CLI::App& pairs, Action* chosen) {
  auto o = std::make_shared<PairsArguments>();
  CLI::App* command = pairs.add_subcommand("make", "contrast records with counterfactuals from plain texts");
  command->footer(
      pair_kinds_text() +
      "A line of FILE is a text, or a JSON object with \"text\". What cannot become a pair for certain is "
      "refused,\ncounted by reason; docs/pairs.md has the rules.\nExamples:\n"
      "  circuit pairs make agreement examples/pairs/agreement.txt --model examples/books-4l -o pairs.jsonl\n"
      "  circuit pairs make numbers examples/pairs/numbers.txt --model examples/smollm2/model -o numbers.jsonl");
  command->add_option("KIND", o->kind, "one of the kinds below")->required();
  command->add_option("FILE", o->file, "plain texts or records")->required();
  command->add_option("-o,--out", o->out, "file to write")->required();
  command->add_option("--model", o->model, "model or tokenizer whose tokens the pairs must have as many of")
      ->required();
  command->add_option("--nouns", o->nouns, "more nouns: key:keys,child:children")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--verbs", o->verbs, "more verbs: walks:walk,sees:see")->delimiter(',')->allow_extra_args(false);
  command->add_option("--names", o->names, "more names: Zoe,Ivan")->delimiter(',')->allow_extra_args(false);
  add_common(*command, &o->common, chosen, [o] { return run_make(*o); });
}

void add_check(CLI::App& pairs, Action* chosen) {
  auto o = std::make_shared<PairsArguments>();
  CLI::App* command = pairs.add_subcommand("check", "whether records can carry a circuit of a model");
  command->footer(
      "Warnings do not change the exit code.\nExamples:\n"
      "  circuit pairs check examples/smollm2/model examples/smollm2/agreement.jsonl\n"
      "  circuit pairs check examples/books-4l examples/agreement/dev.jsonl --keep right -o right.jsonl");
  command->add_option("MODEL", o->check.model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("DATA", o->check.data, "contrast records (JSON Lines)")->required();
  command->add_option("--metric", o->check.metric, "logit_diff or prob_diff");
  CLI::Option* keep = command
                          ->add_option("--keep", o->keep,
                                       "records that -o gets: right, on the text; or flips, with "
                                       "the counterfactual wrong")
                          ->check(CLI::IsMember(kept_records()));
  keep->needs(command->add_option("-o,--out", o->out, "file for the records that --keep keeps")->needs(keep));
  command->add_option("--batch", o->check.batch, "records in one forward; changes no result")->check(at_least(1));
  command->add_option("--max-length", o->check.records.max_length, "tokens kept of a text")->check(at_least(1));
  command->add_option("--bos", o->check.records.bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  add_common(*command, &o->common, chosen, [o] { return run_check(*o); });
}

}  // namespace

void add_pairs(CLI::App& program, Action* chosen) {
  CLI::App* command = program.add_subcommand("pairs", "counterfactual pairs from plain texts, and whether data is fit");
  command->require_subcommand(1);
  add_make(*command, chosen);
  add_check(*command, chosen);
}

}  // namespace circuit
