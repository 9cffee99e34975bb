// IFEval (Zhou et al. 2023): prompts with instructions whose keeping a rule checks, as the published input_data.jsonl
// has them, or an export of it, whose arguments that are not an instruction's are null.
#include <algorithm>

#include "core/error.h"
#include "io/files.h"
#include "task/importers/importer.h"
#include "task/instruction.h"
#include "task/record_keys.h"

namespace circuit {
namespace {

// "file:line key 1000"
std::string ifeval_place(const Json& row, const std::string& place) {
  return row.contains("key") ? fmt::format("{} key {}", place, row["key"].dump()) : place;
}

std::vector<Instruction> ifeval_instructions(const Json& row, const std::vector<std::string>& ids,
                                             const std::string& place) {
  const Json& arguments = require(row, "kwargs", place);
  if (!arguments.is_array() || arguments.size() != ids.size()) {
    fail(place, "kwargs: found {}, expected a list with an object for each of the {} instructions.",
         arguments.is_array() ? std::to_string(arguments.size()) : arguments.type_name(), ids.size());
  }
  std::vector<Instruction> instructions;
  for (size_t i = 0; i < ids.size(); ++i) instructions.push_back(make_instruction(ids[i], arguments[i], place));
  return instructions;
}

ImportReport import_ifeval(const std::vector<std::string>& files, const ImportOptions& options,
                           const EmitRecord& emit) {
  ImportReport report;
  for (const std::string& path : files) {
    const MappedFile file(path);
    each_json_line(file.text(), path, [&](const Json& row, const std::string& line) {
      ++report.rows;
      const std::string place = ifeval_place(row, line);
      const std::string prompt = require_string(row, "prompt", place);
      const std::vector<std::string> ids = require_strings(row, "instruction_id_list", place);
      if (ids.empty()) {
        ++report.refused["there is no instruction"];
        return;
      }
      if (std::find(ids.begin(), ids.end(), kLanguageInstruction) != ids.end()) {
        ++report.refused["language:response_language needs a model of languages"];
        return;
      }
      Json record{{"prompt", prompt}};
      if (options.form == AnswerForm::kMessages) {
        record = {{"messages", Json::array({{{"role", "user"}, {"content", prompt}}})}};
      }
      record["scorer"] = "ifeval";
      record["instructions"] = instructions_json(ifeval_instructions(row, ids, place));
      emit(record);
      ++report.records;
      report.counts["instructions"] += static_cast<int64_t>(ids.size());
    });
  }
  return report;
}

}  // namespace

Importer ifeval_importer() {
  return {"ifeval",
          "IFEval's input_data.jsonl",
          0,
          "prompts with instructions that rules check",
          "auto",
          TokenizerUse::kNone,
          RecordKind::kQuestions,
          import_ifeval};
}

}  // namespace circuit
