// Published files to records. An importer is one file and one line in CIRCUIT_IMPORTERS.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/tokenizer.h"

namespace circuit {

// How records of questions and answers are written.
enum class AnswerForm { kPromptCompletion, kMessages };

struct ImportOptions {
  const Tokenizer* tokenizer = nullptr;  // of the model the records are for; null: none was given
  AnswerForm form = AnswerForm::kPromptCompletion;
};

struct ImportReport {
  int64_t rows = 0;     // of the published files
  int64_t records = 0;  // written
  // Rows left out, by reason: rows = records + their sum.
  std::map<std::string, int64_t> refused;
  // What else happened: parts of rows merged or dropped, rules that were used.
  std::map<std::string, int64_t> counts;
};

using EmitRecord = std::function<void(const Json& record)>;

// What an importer does with the tokenizer of --model.
enum class TokenizerUse { kNone, kOptional, kNeeded };
// What its records are; those of questions can be written in either AnswerForm.
enum class RecordKind { kReadouts, kQuestions, kChoices };

struct Importer {
  std::string name;
  std::string files;        // what FILE... must be, for --help
  size_t n_files = 1;       // 0: any number from one on
  std::string what;         // one line for --help
  std::string begin_token;  // what data.bos must be for these records: "auto", "always", "never"
  TokenizerUse tokenizer = TokenizerUse::kNone;
  RecordKind kind = RecordKind::kReadouts;
  // Emits records in the order of the rows. Throws Error naming file and line (key) where a file is not of
  // the published form at all; single rows that cannot become records are counted in `refused`.
  ImportReport (*import)(const std::vector<std::string>& files, const ImportOptions& options, const EmitRecord& emit);
};

const std::vector<Importer>& importers();
const Importer& find_importer(const std::string& name);  // throws UsageError

// Declared, and listed in this order.
#define CIRCUIT_IMPORTERS(METHOD) \
  METHOD(subject_verb_importer)   \
  METHOD(eap_ig_csv_importer)     \
  METHOD(winobias_importer)       \
  METHOD(bug_importer)            \
  METHOD(gsm8k_importer)          \
  METHOD(contexthub_importer)     \
  METHOD(squad_importer)          \
  METHOD(mmlu_importer)           \
  METHOD(gpqa_importer)           \
  METHOD(mgsm_importer)           \
  METHOD(ifeval_importer)
#define CIRCUIT_DECLARE(name) Importer name();
CIRCUIT_IMPORTERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

// Without white space at either end.
std::string without_ends(const std::string& text);

// Whether a text is JSON Lines: its first line is an object. For benchmarks that come as JSON Lines and as tables.
bool is_json_lines(std::string_view text);

// A question with its answer, in the form asked for. `cue` ("Answer:") ends a prompt; messages need none.
struct Question {
  std::string text;
  std::string cue;
  std::string answer;
};
Json question_record(const Question& question, AnswerForm form);

}  // namespace circuit
