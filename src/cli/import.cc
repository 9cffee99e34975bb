#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "io/files.h"
#include "io/outputs.h"
#include "task/importers/importer_text.h"

namespace circuit {
namespace {

struct ImportArguments {
  CommonOptions common;
  std::string format, out, model;
  std::vector<std::string> files;
  bool messages = false;
};

void check_use(const Importer& importer, const ImportArguments& o) {
  if (importer.n_files > 0 && o.files.size() != importer.n_files) {
    throw UsageError(fmt::format("[import {}] found {} files, expected {}: {}.", importer.name, o.files.size(),
                                 importer.n_files, importer.files));
  }
  if (importer.tokenizer == TokenizerUse::kNeeded && o.model.empty()) {
    throw UsageError(
        fmt::format("[import {}] needs --model: the folder of the tokenizer whose ids the file has.", importer.name));
  }
  if (importer.tokenizer == TokenizerUse::kNone && !o.model.empty()) {
    throw UsageError(
        fmt::format("[import {}] --model: these records are text for any model. Leave it out.", importer.name));
  }
  if (importer.kind != RecordKind::kQuestions && o.messages) {
    throw UsageError(fmt::format("[import {}] --messages: these records cannot be written as messages. Leave it out.",
                                 importer.name));
  }
  std::vector<std::string> inputs = o.files;
  inputs.push_back(o.model);
  check_outputs(inputs, {{"-o", o.out}});
}

int run(const ImportArguments& o) {
  set_quiet(o.common.quiet);
  const Importer& importer = find_importer(o.format);
  check_use(importer, o);
  std::optional<Tokenizer> tokenizer;
  if (!o.model.empty()) tokenizer.emplace(Tokenizer::load(o.model));
  ImportOptions options;
  options.tokenizer = tokenizer ? &*tokenizer : nullptr;
  options.form = o.messages ? AnswerForm::kMessages : AnswerForm::kPromptCompletion;
  AtomicFile out(o.out);
  const ImportReport report =
      importer.import(o.files, options, [&](const Json& record) { out.write(record.dump() + "\n"); });
  check_imported(report, o.files[0]);
  out.commit();
  Json json = import_report_json(report, importer);
  json["out"] = o.out;
  o.common.json ? fmt::print("{}\n", json.dump(1)) : log_line(import_report_text(report, importer));
  return 0;
}

}  // namespace

void add_import(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ImportArguments>();
  CLI::App* command = program.add_subcommand("import", "published data files to records (JSON Lines)");
  command->footer(import_formats_text() +
                  "BLiMP's files are read as they are. Rows that cannot become a record are counted by reason; "
                  "docs/tasks.md\n"
                  "says what each importer does. The table names the data.bos that the records are for.\n"
                  "Examples:\n"
                  "  circuit import gsm8k train.jsonl -o gsm8k-train.jsonl\n"
                  "  circuit import subject-verb dev_3000.jsonl --model models/gpt2 -o dev.jsonl\n"
                  "  circuit import winobias pro_type2_test.jsonl anti_type2_test.jsonl -o winobias-test.jsonl --json");
  command->add_option("FORMAT", o->format, "one of the formats below")->required();
  command->add_option("FILE", o->files, "the published files")->required();
  command->add_option("-o,--out", o->out, "file to write")->required();
  command->add_option("--model", o->model,
                      "directory of a model or tokenizer, to check records of readouts against its tokens");
  command->add_flag("--messages", o->messages, "questions and answers as messages, for the model's chat template");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
