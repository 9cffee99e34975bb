#include "text/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "core/error.h"
#include "text/bpe.h"
#include "text/unicode.h"

namespace circuit {
namespace {

// Rust's \w: Alphabetic, marks, decimal digits, connectors and the two joiners (UTS #18, annex C). Of the general
// categories, Alphabetic has the letters and Nl, and beyond marks only the circled and squared letters of So.
bool is_word(int32_t c) {
  constexpr Range kEnclosedLetters[] = {{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
  constexpr int32_t kNonJoiner = 0x200C;
  constexpr int32_t kJoiner = 0x200D;
  const utf8proc_category_t category = utf8proc_category(c);
  const bool by_category =
      (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
  const bool enclosed = std::any_of(std::begin(kEnclosedLetters), std::end(kEnclosedLetters), [c](const Range& r) {
    return c >= static_cast<int32_t>(r.begin) && c <= static_cast<int32_t>(r.end);
  });
  return by_category || enclosed || c == kNonJoiner || c == kJoiner;
}

bool inside_word(std::string_view text, Range range) {
  const bool word_before =
      range.begin > 0 && is_word(code_point_at(text, previous_code_point(text, range.begin)).value);
  const bool word_after = range.end < text.size() && is_word(code_point_at(text, range.end).value);
  return word_before || word_after;
}

}  // namespace

void AddedTokenFinder::add(const AddedToken& token, std::string_view as_written) {
  if (as_written.empty()) return;
  int64_t node = 0;
  for (const char byte : as_written) {
    const uint64_t key = static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
    const auto [edge, is_new] = children_.emplace(key, static_cast<int64_t>(token_at_.size()));
    if (is_new) token_at_.push_back(-1);
    node = edge->second;
  }
  int64_t& index = token_at_[static_cast<size_t>(node)];
  if (index >= 0) return;
  index = static_cast<int64_t>(tokens_.size());
  tokens_.push_back(token);
}

int64_t AddedTokenFinder::child(int64_t node, char byte) const {
  const auto found = children_.find(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte));
  return found == children_.end() ? -1 : found->second;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::longest_at(std::string_view text, size_t at,
                                                                    const TokenTest& counts) const {
  std::optional<Match> longest;
  int64_t node = 0;
  for (size_t end = at; end < text.size(); ++end) {
    node = child(node, text[end]);
    if (node < 0) break;
    const int64_t index = token_at_[static_cast<size_t>(node)];
    if (index < 0) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    if (!counts || counts(token, {at, end + 1})) longest = Match{&token, end + 1 - at};
  }
  return longest;
}

std::vector<Segment> AddedTokenFinder::split(std::string_view text, const TokenTest& counts) const {
  std::vector<Segment> segments;
  size_t done = 0;
  size_t at = 0;
  size_t white_end = 0;  // of the white space that rstrip saw last, so that a long run is read once
  while (!tokens_.empty() && at < text.size()) {
    const auto match = longest_at(text, at, counts);
    if (!match) {
      ++at;
      continue;
    }
    Range range{at, at + match->size};
    at = range.end;
    if (match->token->single_word && inside_word(text, range)) continue;
    if (match->token->lstrip) {
      range.begin =
          done < range.begin ? range.begin - trailing_white_space(text.substr(done, range.begin - done)) : done;
    }
    if (match->token->rstrip) {
      if (white_end < range.end) white_end = range.end + leading_white_space(text.substr(range.end));
      range.end = white_end;
    }
    // All of it was taken by the token before.
    if (range.begin >= range.end) continue;
    if (done < range.begin) segments.push_back({std::nullopt, {done, range.begin}});
    // Matches are those of the text as it stands: one that begins in white space which the token before it took by
    // rstrip is a token all the same, and the text goes on behind it.
    if (range.begin < done) segments.back().range.end = range.begin;
    segments.push_back({match->token->id, range});
    done = range.end;
  }
  if (done < text.size()) segments.push_back({std::nullopt, {done, text.size()}});
  return segments;
}

void AddedTokens::add(const AddedToken& token, const TokenModel& model, const std::string& place) {
  if (token.content.empty()) fail(place, "the added token with id {} is empty.", token.id);
  if (token.id < 0 || token.id > kMaxTokenId) {
    fail(place, "added token '{}': found id {}, expected 0 to {}.", token.content, token.id, kMaxTokenId);
  }
  const auto in_model = model.id_of(token.content);
  if (in_model && *in_model != token.id) {
    fail(place, "added token '{}': found id {}, but the vocabulary gives it {}.", token.content, token.id, *in_model);
  }
  const AddedToken* same_content = find(token.content);
  if (same_content != nullptr && same_content->id != token.id) {
    fail(place, "added token '{}': found id {} and id {}.", token.content, same_content->id, token.id);
  }
  const AddedToken* same_id = find(token.id);
  if (same_id != nullptr && same_id->content != token.content) {
    fail(place, "added tokens '{}' and '{}' have the same id {}.", same_id->content, token.content, token.id);
  }
  const std::string* in_place = model.token_of(token.id);
  if (in_place != nullptr && *in_place != token.content) {
    fail(place, "added token '{}': found id {}, which the vocabulary gives to '{}'.", token.content, token.id,
         *in_place);
  }
  // A token that becomes special is found after the special ones that there are.
  if (same_id != nullptr && !same_id->special && token.special) {
    order_.erase(std::find(order_.begin(), order_.end(), token.id));
  }
  if (same_id == nullptr || (!same_id->special && token.special)) order_.push_back(token.id);
  by_id_[token.id] = token;
  by_content_[token.content] = token.id;
}

void AddedTokens::finish(const Normalizer* normalizer) {
  const auto is_special = [this](int64_t id) { return by_id_.at(id).special; };
  std::stable_partition(order_.begin(), order_.end(), is_special);
  for (const int64_t id : order_) {
    const AddedToken& token = by_id_.at(id);
    std::string as_written = token.content;
    if (token.normalized && normalizer != nullptr) {
      as_written = normalizer->apply(AlignedText::identity(token.content, {0, token.content.size()})).text;
    }
    (token.normalized ? normalized_ : raw_).add(token, as_written);
  }
}

const AddedToken* AddedTokens::find(int64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(const std::string& content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : find(found->second);
}

}  // namespace circuit
