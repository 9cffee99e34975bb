// The authors' sentences with every present-tense verb flipped (method.md §7): what is learnt is the flipped
// text, the metric is logit(wrong-number verb) − logit(right-number verb) at each flipped verb. Positions and
// ids are GPT-2's without a begin token, so records hold ids.
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

struct Verb {
  int64_t position = 0;  // in the flipped text
  int64_t flipped = 0;
  int64_t untouched_position = 0;
  int64_t untouched = 0;
};

std::vector<int64_t> integers(const Json& record, const std::string& key, const std::string& place) {
  const Json& list = require(record, key, place);
  if (!list.is_array()) fail(place, "{}: found a {}, expected a list of integers.", key, list.type_name());
  std::vector<int64_t> values;
  for (const Json& item : list) {
    if (!item.is_number_integer()) fail(place, "{}: found a {}, expected integers.", key, item.type_name());
    values.push_back(item.get<int64_t>());
  }
  return values;
}

bool is_at(const std::vector<int64_t>& ids, int64_t position, int64_t id) {
  return position >= 0 && position < static_cast<int64_t>(ids.size()) && ids[position] == id;
}

class SubjectVerb {
 public:
  SubjectVerb(const Tokenizer& tokenizer, const EmitRecord& emit) : tokenizer_(tokenizer), emit_(emit) {}

  void row(const Json& record, const std::string& place) {
    ++report.rows;
    const std::vector<int64_t> position = integers(record, "corr_verb_pos", place);
    const std::vector<int64_t> flipped = integers(record, "corr_verb_ids", place);
    const std::vector<int64_t> untouched_position = integers(record, "clean_verb_pos", place);
    const std::vector<int64_t> untouched = integers(record, "clean_verb_ids", place);
    const std::string text = require_string(record, "corr_text", place);
    const std::string untouched_text = require_string(record, "clean_text", place);
    const size_t n = position.size();
    if (flipped.size() != n || untouched.size() != n || untouched_position.size() != n) {
      ++report.refused["lists of verbs of different lengths"];
      return;
    }
    const std::vector<int64_t> ids = tokenizer_.encode(text, SpecialTokens::kNone);
    const std::vector<int64_t> untouched_ids = tokenizer_.encode(untouched_text, SpecialTokens::kNone);
    Json readouts = Json::array();
    std::set<std::pair<int64_t, int64_t>> seen;
    for (size_t i = 0; i < n; ++i) {
      const Verb verb{position[i], flipped[i], untouched_position[i], untouched[i]};
      if (!seen.insert({verb.position, verb.flipped}).second) {
        ++report.counts["verbs merged: position and id twice in a row"];
      } else if (is_usable(verb, ids)) {
        if (!is_at(untouched_ids, verb.untouched_position, verb.untouched)) {
          ++report.counts["verbs kept: the untouched text has another token there"];
        }
        readouts.push_back({{"position", verb.position},
                            {"correct_id", verb.flipped},
                            {"wrong_id", verb.untouched},
                            {"label", tokenizer_.token_text(verb.flipped)}});
      }
    }
    if (readouts.empty()) {
      ++report.refused["no verb is left"];
      return;
    }
    report.counts["verbs"] += static_cast<int64_t>(readouts.size());
    emit_({{"text_ids", ids}, {"readouts", readouts}});
    ++report.records;
  }

  ImportReport report;

 private:
  bool is_usable(const Verb& verb, const std::vector<int64_t>& ids) {
    const char* reason = nullptr;
    const auto vocabulary = static_cast<int64_t>(tokenizer_.vocab_size());
    if (verb.flipped == verb.untouched) {
      reason = "verbs dropped: both forms are one token";
    } else if (!is_at(ids, verb.position, verb.flipped)) {
      reason = "verbs dropped: the flipped text has another token there";
    } else if (verb.position == 0) {
      reason = "verbs dropped: nothing predicts the first token";
    } else if (verb.untouched < 0 || verb.untouched >= vocabulary) {
      reason = "verbs dropped: the id is outside the vocabulary";
    }
    if (reason != nullptr) ++report.counts[reason];
    return reason == nullptr;
  }

  const Tokenizer& tokenizer_;
  const EmitRecord& emit_;
};

ImportReport import_subject_verb(const std::vector<std::string>& files, const ImportOptions& options,
                                 const EmitRecord& emit) {
  SubjectVerb importer(*options.tokenizer, emit);
  for (const std::string& path : files) {
    const MappedFile file(path);
    each_json_line(file.text(), path,
                   [&](const Json& record, const std::string& place) { importer.row(record, place); });
  }
  return importer.report;
}

}  // namespace

Importer subject_verb_importer() {
  return {"subject-verb",
          "the authors' subject-verb JSONL",
          0,
          "sentences whose verbs have the wrong number (GPT-2 ids)",
          "never",
          TokenizerUse::kNeeded,
          RecordKind::kReadouts,
          import_subject_verb};
}

}  // namespace circuit
