#include "task/instruction.h"

#include <cmath>
#include <map>

#include "core/error.h"
#include "core/names.h"
#include "text/unicode.h"

namespace circuit {
namespace {

enum class ArgumentType { kCount, kText, kTexts, kRelation, kCharacter };

struct InstructionKind {
  std::string name;
  std::vector<std::pair<std::string, ArgumentType>> arguments;
};

const std::vector<InstructionKind>& instruction_kinds() {
  using Type = ArgumentType;
  static const std::vector<InstructionKind> all{
      {"keywords:existence", {{"keywords", Type::kTexts}}},
      {"keywords:frequency", {{"keyword", Type::kText}, {"frequency", Type::kCount}, {"relation", Type::kRelation}}},
      {"keywords:forbidden_words", {{"forbidden_words", Type::kTexts}}},
      {"keywords:letter_frequency",
       {{"letter", Type::kCharacter}, {"let_frequency", Type::kCount}, {"let_relation", Type::kRelation}}},
      {"length_constraints:number_sentences", {{"num_sentences", Type::kCount}, {"relation", Type::kRelation}}},
      {"length_constraints:number_paragraphs", {{"num_paragraphs", Type::kCount}}},
      {"length_constraints:number_words", {{"num_words", Type::kCount}, {"relation", Type::kRelation}}},
      {"length_constraints:nth_paragraph_first_word",
       {{"num_paragraphs", Type::kCount}, {"nth_paragraph", Type::kCount}, {"first_word", Type::kText}}},
      {"detectable_content:number_placeholders", {{"num_placeholders", Type::kCount}}},
      {"detectable_content:postscript", {{"postscript_marker", Type::kText}}},
      {"detectable_format:number_bullet_lists", {{"num_bullets", Type::kCount}}},
      {"detectable_format:constrained_response", {}},
      {"detectable_format:number_highlighted_sections", {{"num_highlights", Type::kCount}}},
      {"detectable_format:multiple_sections", {{"section_spliter", Type::kText}, {"num_sections", Type::kCount}}},
      {"detectable_format:json_format", {}},
      {"detectable_format:title", {}},
      {"combination:two_responses", {}},
      {"combination:repeat_prompt", {{"prompt_to_repeat", Type::kText}}},
      {"startend:end_checker", {{"end_phrase", Type::kText}}},
      {"startend:quotation", {}},
      {"change_case:capital_word_frequency",
       {{"capital_frequency", Type::kCount}, {"capital_relation", Type::kRelation}}},
      {"change_case:english_capital", {}},
      {"change_case:english_lowercase", {}},
      {"punctuation:no_comma", {}},
  };
  return all;
}

bool is_blank(const std::string& text) { return leading_white_space(text) == text.size(); }

// Whole numbers may be written as 3.0, as tables of numbers that may be absent write them.
Json count_argument(const Json& value, const std::string& name, const std::string& place) {
  const bool whole = value.is_number_float() && std::floor(value.get<double>()) == value.get<double>();
  const int64_t count = int_of(whole ? Json(std::llround(value.get<double>())) : value, name, place);
  if (count < 0) fail(place, "{}: found {}, expected 0 or more.", name, count);
  return count;
}

Json text_argument(const Json& value, const std::string& name, const std::string& place) {
  if (!value.is_string()) fail(place, "{}: found a {}, expected a string.", name, value.type_name());
  if (is_blank(value.get_ref<const std::string&>())) fail(place, "{}: is empty, expected some text.", name);
  return value;
}

Json argument_of(ArgumentType type, const Json& value, const std::string& name, const std::string& place) {
  if (type == ArgumentType::kCount) return count_argument(value, name, place);
  if (type == ArgumentType::kTexts) {
    if (!value.is_array() || value.empty())
      fail(place, "{}: found {}, expected a list of strings.", name, value.dump());
    for (const Json& text : value) text_argument(text, name, place);
    return value;
  }
  const std::string text = text_argument(value, name, place).get<std::string>();
  if (type == ArgumentType::kRelation && text != "less than" && text != "at least") {
    fail(place, "{}: found '{}', expected 'less than' or 'at least'.", name, text);
  }
  if (type == ArgumentType::kCharacter && code_point_at(text, 0).size != text.size()) {
    fail(place, "{}: found '{}', expected one character.", name, text);
  }
  return text;
}

const InstructionKind& instruction_kind(const std::string& id, const std::string& place) {
  for (const InstructionKind& kind : instruction_kinds()) {
    if (kind.name == id) return kind;
  }
  if (id == kLanguageInstruction) {
    fail(place, "instruction '{}' cannot be checked: it needs a model of languages. Leave the record out.", id);
  }
  fail(place, "instruction '{}' is not known. Known: {}.", id, names_of(instruction_kinds()));
}

}  // namespace

Instruction make_instruction(const std::string& id, const Json& arguments, const std::string& place) {
  const InstructionKind& kind = instruction_kind(id, place);
  const std::string where = place + " " + id;
  if (!arguments.is_object()) fail(where, "found a {}, expected an object of arguments.", arguments.type_name());
  Instruction made{id, Json::object()};
  for (const auto& [name, type] : kind.arguments) {
    if (!arguments.contains(name) || arguments[name].is_null()) fail(where, "{}: is missing.", name);
    made.arguments[name] = argument_of(type, arguments[name], name, where);
  }
  for (const auto& [name, value] : arguments.items()) {
    if (!value.is_null() && !made.arguments.contains(name))
      fail(where, "{}: is no argument of this instruction.", name);
  }
  if (id == "length_constraints:nth_paragraph_first_word" &&
      (made.number("nth_paragraph") < 1 || made.number("nth_paragraph") > made.number("num_paragraphs"))) {
    fail(where, "nth_paragraph: found {}, expected one of 1 to num_paragraphs, {}.", made.number("nth_paragraph"),
         made.number("num_paragraphs"));
  }
  return made;
}

std::vector<Instruction> require_instructions(const Json& record, const std::string& place) {
  const Json& list = require(record, "instructions", place);
  if (!list.is_array() || list.empty()) {
    fail(place, "instructions: found {}, expected a list of one or more.", list.is_array() ? "none" : list.type_name());
  }
  std::vector<Instruction> instructions;
  for (const Json& entry : list) {
    if (!entry.is_object()) fail(place, "instructions: found a {} in it, expected an object.", entry.type_name());
    Json arguments = entry;
    arguments.erase("id");
    instructions.push_back(make_instruction(require_string(entry, "id", place + " instructions"), arguments, place));
  }
  return instructions;
}

Json instructions_json(const std::vector<Instruction>& instructions) {
  Json list = Json::array();
  for (const Instruction& instruction : instructions) {
    Json entry = instruction.arguments;
    entry["id"] = instruction.id;
    list.push_back(entry);
  }
  return list;
}

}  // namespace circuit
