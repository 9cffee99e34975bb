// Pronouns against their opposites, for the records of gender bias (method.md §7).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "task/example.h"
#include "task/importers/importer.h"

namespace circuit {

// kNone for a word that is none of he, him, his, himself, she, her, hers, herself (in any case of letters).
Gender gender_of_pronoun(const std::string& word);

// How "her" is read at words[at]: as his (possessive, before a noun phrase) or him (object), and by which
// rule. English has one form for both; the choice is by the word lists in her_rule.cc, which docs/tasks.md
// explains.
struct HerReading {
  const char* opposite;  // "his" or "him"
  const char* rule;      // for the table of counts
};
HerReading read_her(const std::vector<std::string>& words, size_t at);

std::string lower_case(std::string text);  // ASCII

// A pronoun where it stands in a text, and what is set against it.
struct PronounUse {
  size_t byte = 0;       // of its first letter
  std::string pronoun;   // as written
  std::string opposite;  // in lower case; takes the case of the pronoun's first letter
};
// Emits {"text", "occupation", "gender", "readouts"}. Answers are words, with the space before them where the
// text has one; when the tokenizer is known and makes several tokens of one, the ids of both first tokens
// (method.md §7). Returns the reason why the row cannot be a record, or nothing.
std::optional<std::string> emit_pronoun_record(const std::string& text, const std::string& occupation,
                                               const PronounUse& use, const ImportOptions& options,
                                               const EmitRecord& emit, ImportReport* report);

}  // namespace circuit
