// ContextHub (Hua et al. 2024): a list of formulas, each with its answer and with instances by domain. An
// instance's question is "<nl>"; "gold_cot" (the files *_traincot.json) reasons to "<answer>…</answer>".
// Without it the completion is the sentence that ends every chain of thought.
#include "core/error.h"
#include "io/files.h"
#include "task/importers/importer.h"

namespace circuit {
namespace {

const Json& labels() {
  static const Json all = Json::array({"True", "False", "N/A"});
  return all;
}

// true → "True"; empty for anything but true, false and the three labels as text.
std::string label_of(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  for (const Json& label : labels()) {
    if (value == label) return label.get<std::string>();
  }
  return "";
}

std::string answer_in(const std::string& thoughts) {
  constexpr std::string_view kOpen = "<answer>";
  const size_t begin = thoughts.rfind(kOpen);
  if (begin == std::string::npos) return "";
  const size_t end = thoughts.find("</answer>", begin);
  return end == std::string::npos ? "" : thoughts.substr(begin + kOpen.size(), end - begin - kOpen.size());
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

class ContextHub {
 public:
  ContextHub(const ImportOptions& options, const EmitRecord& emit) : options_(options), emit_(emit) {}

  void formula(const Json& entry, const std::string& place) {
    if (!entry.is_object()) fail(place, "found a {}, expected an object.", entry.type_name());
    const std::string answer = label_of(require(entry, "answer", place));
    if (answer.empty()) fail(place, "answer: found {}, expected true, false or \"N/A\".", entry["answer"].dump());
    for (const auto& [domain, instances] : entry.items()) {
      if (!instances.is_object()) continue;  // "question" and "answer"
      for (const auto& [name, instance] : instances.items()) {
        this->instance(instance, answer, fmt::format("{} {} {}", place, domain, name));
      }
    }
  }

  ImportReport report;

 private:
  void instance(const Json& instance, const std::string& answer, const std::string& place) {
    ++report.rows;
    if (!instance.is_object()) fail(place, "found a {}, expected an object.", instance.type_name());
    const std::string puzzle = trimmed(require_string(instance, "<nl>", place));
    const std::string thoughts = trimmed(optional_string(instance, "gold_cot", "", place));
    if (puzzle.empty()) {
      ++report.refused["the question is empty"];
      return;
    }
    if (!thoughts.empty() && answer_in(thoughts) != answer) {
      ++report.refused["the chain of thought ends in another answer"];
      return;
    }
    ++report.counts[thoughts.empty() ? "answers without a chain of thought" : "answers with a chain of thought"];
    const std::string text = puzzle + "\nThink step by step, then answer True, False or N/A (it cannot be determined).";
    Json record = question_record(
        {text, "Answer:", thoughts.empty() ? "Thus, the answer is <answer>" + answer + "</answer>" : thoughts},
        options_.form);
    record["scorer"] = "label";
    record["labels"] = labels();
    record["answers"] = Json::array({answer});
    emit_(record);
    ++report.records;
  }

  const ImportOptions& options_;
  const EmitRecord& emit_;
};

ImportReport import_contexthub(const std::vector<std::string>& files, const ImportOptions& options,
                               const EmitRecord& emit) {
  ContextHub importer(options, emit);
  for (const std::string& path : files) {
    const Json entries = read_json(path);
    if (!entries.is_array()) fail(path, "found a {}, expected ContextHub's list of formulas.", entries.type_name());
    for (size_t i = 0; i < entries.size(); ++i) importer.formula(entries[i], fmt::format("{}:[{}]", path, i));
  }
  return importer.report;
}

}  // namespace

Importer contexthub_importer() {
  return {"contexthub",
          "ContextHub's JSON, with or without chains of thought",
          0,
          "puzzles answered True, False or N/A",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kQuestions,
          import_contexthub};
}

}  // namespace circuit
