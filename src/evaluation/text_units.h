// Words and sentences of English text, counted by plain rules. IFEval's authors count with NLTK's tokenizers; how often
// these rules agree with them is in docs/general-ability.md.
#pragma once

#include <cstdint>
#include <string>

namespace circuit {

// Runs of word characters: "it's" has two.
int64_t count_words(const std::string& text);

// Words of which every letter with case is a capital, at least one: between white space, without the marks around them,
// split where the Penn Treebank's rules split ("DON'T" is DO and N'T, "TOP-TEN" is one).
int64_t count_capital_words(const std::string& text);

// A sentence ends at . ? ! (a run of them, with closing quotes and brackets behind it) before white space or a mark. A
// full stop ends none behind a title or another common abbreviation, nor behind an initial, nor after dots or a
// number before a small letter. What is left at the end is a sentence.
int64_t count_sentences(const std::string& text);

// Whether every letter with case is a capital (small) one, and there is one: Python's isupper (islower).
bool all_upper_case(const std::string& text);
bool all_lower_case(const std::string& text);

}  // namespace circuit
