// Texts of two persons, of whom one is the answer.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "task/pair_makers/pair_maker.h"

namespace circuit {

// Common English first names that are no other word, and those that the user lists.
std::set<std::string> given_names(const PairOptions& options);

struct NameMention {
  Range bytes;  // of the text; without a possessive's 's
  std::string name;
};

struct NamedText {
  std::string text;  // up to the answer
  std::vector<NameMention> mentions;
  std::string answer, other;  // names
  std::string gap;            // what stands between the text and its answer
  int64_t count(const std::string& name) const;
};

// A text that ends in one of its two names, which is the answer, or that ends before it: then the answer is the name
// that stands once where the other stands more often. Returns the reason where it is neither; empty: `found` is set.
std::string read_names(const std::string& text, const std::set<std::string>& names, NamedText* found);

}  // namespace circuit
