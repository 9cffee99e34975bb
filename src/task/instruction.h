// Instructions that a rule can check on the text that answers them: those of IFEval (Zhou et al. 2023, arXiv
// 2311.07911), by their published ids and arguments. What each asks for is evaluation's to say (instruction_rules.h).
#pragma once

#include <string>
#include <vector>

#include "io/json.h"

namespace circuit {

struct Instruction {
  std::string id;  // "keywords:existence"
  Json arguments;  // an object: those of the id, each of its type, and no other

  int64_t number(const char* name) const { return arguments.at(name).get<int64_t>(); }
  std::string text(const char* name) const { return arguments.at(name).get<std::string>(); }
  std::vector<std::string> texts(const char* name) const { return arguments.at(name).get<std::vector<std::string>>(); }
};

// The one published instruction that no rule checks: it needs a model that tells languages apart.
inline const char* const kLanguageInstruction = "language:response_language";

// Throws Error naming the place and the key for an id that is not known, an argument that is missing, not the id's or
// of another type. Arguments that are null count as absent.
Instruction make_instruction(const std::string& id, const Json& arguments, const std::string& place);

// A record's "instructions": [{"id": "keywords:existence", "keywords": ["a"]}, …], at least one.
std::vector<Instruction> require_instructions(const Json& record, const std::string& place);
Json instructions_json(const std::vector<Instruction>& instructions);

}  // namespace circuit
