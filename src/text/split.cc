#include "text/split.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {
namespace {

struct Part {
  Range range;
  bool is_delimiter = false;
};

// The whole text as matches and what lies between them.
std::vector<Part> parts_of(std::string_view text, const Pattern& pattern, SplitAt at) {
  const bool match_is_delimiter = at == SplitAt::kMatches;
  std::vector<Part> parts;
  size_t done = 0;
  for (const Range match : pattern.find_all(text)) {
    if (done < match.begin) parts.push_back({{done, match.begin}, !match_is_delimiter});
    parts.push_back({match, match_is_delimiter});
    done = match.end;
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, !match_is_delimiter});
  return parts;
}

std::vector<Range> merged_with_previous(const std::vector<Part>& parts) {
  std::vector<Range> out;
  bool after_delimiter = false;
  for (const Part& part : parts) {
    if (part.is_delimiter && !after_delimiter && !out.empty()) {
      out.back().end = part.range.end;
    } else {
      out.push_back(part.range);
    }
    after_delimiter = part.is_delimiter;
  }
  return out;
}

std::vector<Range> merged_with_next(const std::vector<Part>& parts) {
  std::vector<Range> out;
  bool before_delimiter = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_delimiter && !before_delimiter && !out.empty()) {
      out.back().begin = part->range.begin;
    } else {
      out.push_back(part->range);
    }
    before_delimiter = part->is_delimiter;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Range> contiguous(const std::vector<Part>& parts) {
  std::vector<Range> out;
  bool previous = false;
  for (const Part& part : parts) {
    if (part.is_delimiter == previous && !out.empty()) {
      out.back().end = part.range.end;
    } else {
      out.push_back(part.range);
    }
    previous = part.is_delimiter;
  }
  return out;
}

std::vector<Range> pieces_of(const std::vector<Part>& parts, SplitBehavior behavior) {
  if (behavior == SplitBehavior::kMergedWithPrevious) return merged_with_previous(parts);
  if (behavior == SplitBehavior::kMergedWithNext) return merged_with_next(parts);
  if (behavior == SplitBehavior::kContiguous) return contiguous(parts);
  std::vector<Range> out;
  for (const Part& part : parts) {
    if (behavior == SplitBehavior::kIsolated || !part.is_delimiter) out.push_back(part.range);
  }
  return out;
}

}  // namespace

SplitBehavior parse_split_behavior(const std::string& name, const std::string& place) {
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  fail(place, "behavior: found '{}', expected Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous.",
       name);
}

std::vector<Range> split_text(std::string_view text, const Pattern& pattern, SplitBehavior behavior, SplitAt at) {
  std::vector<Range> pieces = pieces_of(parts_of(text, pattern, at), behavior);
  pieces.erase(std::remove_if(pieces.begin(), pieces.end(), [](const Range& r) { return r.empty(); }), pieces.end());
  return pieces;
}

}  // namespace circuit
