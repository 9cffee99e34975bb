#include "task/pair_makers/pair_draft.h"

#include <algorithm>
#include <optional>

#include "core/error.h"

namespace circuit {
namespace {

using TokenList = std::vector<Token>;

constexpr const char* kNoToken = "a character that the tokenizer has no token for";

// Nothing where the tokenizer has no token for a character.
std::optional<TokenList> encoded(const Tokenizer& tokenizer, const std::string& text) {
  try {
    return tokenizer.encode_with_offsets(text, SpecialTokens::kNone);
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool starts_with(const TokenList& tokens, const TokenList& start, size_t length) {
  return tokens.size() >= length &&
         std::equal(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(length), tokens.begin(),
                    [](const Token& a, const Token& b) { return a.id == b.id; });
}

bool overlaps(const Token& token, const std::vector<Range>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& r) { return token.begin < r.end && r.begin < token.end; });
}

// Why the two texts are no pair; empty: they are one.
std::string why_no_pair(const PairDraft& draft, const TokenList& clean, const TokenList& other) {
  if (clean.size() != other.size()) return kOtherLength;
  size_t differing = 0;
  for (size_t i = 0; i < clean.size(); ++i) {
    if (clean[i].id == other[i].id) continue;
    ++differing;
    if (!overlaps(clean[i], draft.changed)) return "the change moves tokens beside it";
  }
  return differing == 0 ? "the counterfactual is the text" : "";
}

Json spans_of(const PairDraft& draft, const TokenList& tokens) {
  Json spans = Json::object();
  for (const auto& [name, bytes] : draft.spans) {
    size_t first = 0;
    while (tokens[first].end <= bytes.begin) ++first;
    size_t last = tokens.size() - 1;
    while (tokens[last].begin >= bytes.end) --last;
    spans[name] = {first, last};
  }
  return spans;
}

// Whether some token differs that a readout reads: those before its position.
bool is_read(const Example& example) {
  return std::any_of(example.readouts.begin(), example.readouts.end(), [&](const Readout& r) {
    return !std::equal(example.ids.begin(), example.ids.begin() + r.position, example.counterfactual_ids.begin());
  });
}

// The readout at the end, into the record; else the reason.
std::string read_answers(const PairDraft& draft, const Tokenizer& tokenizer, const TokenList& clean,
                         const TokenList& other, FittedPair* fitted) {
  const std::string whole = draft.text + draft.answer;
  const std::optional<TokenList> both[] = {encoded(tokenizer, whole), encoded(tokenizer, draft.text + draft.wrong)};
  if (!both[0] || !both[1]) return kNoToken;
  const TokenList& right = *both[0];
  const TokenList& wrong = *both[1];
  const size_t n = clean.size();
  if (!starts_with(right, clean, n) || !starts_with(wrong, clean, n)) return "an answer runs together with the text";
  size_t at = n;
  while (at < std::min(right.size(), wrong.size()) && right[at].id == wrong[at].id) ++at;
  if (at == right.size() || at == wrong.size()) return "one answer begins with the other";
  Json& record = fitted->record;
  if (right.size() == n + 1 && wrong.size() == n + 1) {
    record["readouts"] = Json::array({{{"correct", draft.answer}, {"wrong", draft.wrong}}});
    return "";
  }
  fitted->is_first_token = true;
  const std::string shared = whole.substr(draft.text.size(), at == n ? 0 : right[at].begin - draft.text.size());
  record["text"] = draft.text + shared;
  record["counterfactual"] = draft.counterfactual + shared;
  const TokenList longer = tokenizer.encode_with_offsets(draft.text + shared, SpecialTokens::kNone);
  const TokenList longer_other = tokenizer.encode_with_offsets(draft.counterfactual + shared, SpecialTokens::kNone);
  const bool is_same = longer.size() == at && starts_with(longer, right, at) && longer_other.size() == at &&
                       starts_with(longer_other, other, n);
  if (!is_same) return "the answers cannot be parted where they differ";
  record["readouts"] =
      Json::array({{{"correct_id", right[at].id}, {"wrong_id", wrong[at].id}, {"label", draft.answer}}});
  return "";
}

}  // namespace

FittedPair fit_pair(const PairDraft& draft, const LazyTokenizer& tokenizer, const std::string& place) {
  FittedPair fitted;
  if (draft.text.empty()) {
    fitted.refused = "nothing stands before the answer";
    return fitted;
  }
  const std::optional<TokenList> sides[] = {encoded(tokenizer.get(), draft.text),
                                            encoded(tokenizer.get(), draft.counterfactual)};
  if (!sides[0] || !sides[1]) {
    fitted.refused = kNoToken;
    return fitted;
  }
  const TokenList& clean = *sides[0];
  const TokenList& other = *sides[1];
  fitted.refused = why_no_pair(draft, clean, other);
  if (!fitted.refused.empty()) return fitted;
  fitted.record = {{"text", draft.text}, {"counterfactual", draft.counterfactual}};
  if (!draft.spans.empty()) fitted.record["spans"] = spans_of(draft, clean);
  if (draft.readouts.is_null()) {
    fitted.refused = read_answers(draft, tokenizer.get(), clean, other, &fitted);
    return fitted;
  }
  fitted.record["readouts"] = draft.readouts;
  // Positions count without a begin token, and so do these.
  ReadSpec spec;
  spec.begin_token = BeginToken::kNever;
  if (!is_read(read_record(fitted.record, place, tokenizer, spec))) fitted.refused = "nothing differs before a readout";
  return fitted;
}

std::string replaced(const std::string& text, const std::vector<std::pair<Range, std::string>>& changes) {
  std::string result;
  size_t at = 0;
  for (const auto& [range, with] : changes) {
    result.append(text, at, range.begin - at).append(with);
    at = range.end;
  }
  return result.append(text, at, std::string::npos);
}

}  // namespace circuit
