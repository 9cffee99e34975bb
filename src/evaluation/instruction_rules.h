// Whether a text keeps to an instruction, by the rules that IFEval's authors published (Zhou et al. 2023,
// instruction_following_eval/instructions.py). Where they differ from those is in docs/general-ability.md.
#pragma once

#include <string>
#include <vector>

#include "task/instruction.h"

namespace circuit {

// A text of white space alone keeps to none.
bool follows(const Instruction& instruction, const std::string& text);

// The texts of the loose rule, at least one of which must keep to the instruction: the text, and without its first
// line, its last line, or both; each also without asterisks.
std::vector<std::string> loose_texts(const std::string& text);

}  // namespace circuit
