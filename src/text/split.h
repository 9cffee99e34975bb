// Cutting a text at the matches of a pattern, in the ways tokenizer.json names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/aligned_text.h"
#include "text/pattern.h"

namespace circuit {

// What becomes of a match: a piece of its own, dropped, joined to its neighbour, or to a run of matches.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Throws Error for a name other than Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous.
SplitBehavior parse_split_behavior(const std::string& name, const std::string& place);

// Whether the pattern describes what lies between pieces or, inverted, the pieces themselves.
enum class SplitAt { kMatches, kBetweenMatches };

// The pieces of `text` as byte ranges in order, without empty ones.
std::vector<Range> split_text(std::string_view text, const Pattern& pattern, SplitBehavior behavior, SplitAt at);

}  // namespace circuit
