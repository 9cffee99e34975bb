#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/table.h"
#include "io/files.h"
#include "io/outputs.h"
#include "task/importers/importer.h"

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

std::string table(const ImportReport& report, const Importer& importer) {
  std::vector<std::vector<std::string>> rows{{importer.name, ""}};
  const auto add = [&](const std::string& name, int64_t count) { rows.push_back({"  " + name, with_commas(count)}); };
  add("rows", report.rows);
  add("records", report.records);
  for (const auto& [reason, count] : report.refused) add("refused: " + reason, count);
  for (const auto& [what, count] : report.counts) add(what, count);
  rows.push_back({"  data.bos", importer.begin_token});
  std::string text = format_table(rows);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Why no row became a record: the most frequent reason.
std::string main_reason(const ImportReport& report) {
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(report.refused.begin(), report.refused.end(), fewer);
  return most == report.refused.end() ? "it has none" : most->first;
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
  if (report.records == 0) {
    fail(o.files[0], "none of {} rows became a record: {}. See docs/tasks.md for the format.", report.rows,
         main_reason(report));
  }
  out.commit();
  if (!o.common.json) {
    log_line(table(report, importer));
    return 0;
  }
  fmt::print("{}\n", Json{{"format", importer.name},
                          {"rows", report.rows},
                          {"records", report.records},
                          {"refused", report.refused},
                          {"counts", report.counts},
                          {"bos", importer.begin_token},
                          {"out", o.out}}
                         .dump(1));
  return 0;
}

std::string formats() {
  std::string text = "FORMAT and FILE:\n";
  for (const Importer& importer : importers()) {
    text += fmt::format("  {:<14}{}\n  {:<14}→ {}\n", importer.name, importer.files, "", importer.what);
  }
  return text;
}

}  // namespace

void add_import(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ImportArguments>();
  CLI::App* command = program.add_subcommand("import", "published data files to records (JSON Lines)");
  command->footer(formats() +
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
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
