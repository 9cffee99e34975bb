#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

namespace circuit {
namespace {

// ranges: in order, without overlap.
bool overlaps(const std::vector<Range>& ranges, Range range) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), range.begin, [](size_t at, const Range& r) { return at < r.end; });
  return after != ranges.end() && after->begin < range.end;
}

}  // namespace

std::optional<int64_t> TokenizerParts::id_of(const std::string& token) const {
  if (const AddedToken* found = added.find(token)) return found->id;
  if (const auto id = model->id_of(token)) return int64_t{*id};
  return std::nullopt;
}

const std::string* TokenizerParts::token_of(int64_t id) const {
  if (const AddedToken* found = added.find(id)) return &found->content;
  return model->token_of(id);
}

int64_t TokenizerParts::largest_id() const {
  const int64_t largest = model->largest_id();
  return added.by_id().empty() ? largest : std::max(largest, added.by_id().rbegin()->first);
}

void TokenizerParts::finish() {
  added.finish(normalizer.get());
  if (!bos_id && !before.empty()) bos_id = before.front();
  if (!eos_id && !after.empty()) eos_id = after.back();
}

Tokenizer::Tokenizer(TokenizerParts parts) {
  parts.finish();
  parts_ = std::make_unique<const TokenizerParts>(std::move(parts));
}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<Token> Tokenizer::encode_with_offsets(std::string_view text, SpecialTokens special) const {
  if (!is_valid_utf8(text)) fail("tokenizer", "the text is not valid UTF-8.");
  std::vector<Token> tokens;
  if (special == SpecialTokens::kAdd) {
    for (const int64_t id : parts_->before) tokens.push_back({id, 0, 0});
  }
  encode_text(text, {}, tokens);
  if (special == SpecialTokens::kAdd) {
    for (const int64_t id : parts_->after) tokens.push_back({id, text.size(), text.size()});
  }
  return tokens;
}

std::vector<Token> Tokenizer::encode_with_user_text(std::string_view text, const std::vector<Range>& user) const {
  if (!is_valid_utf8(text)) fail("tokenizer", "the text is not valid UTF-8.");
  std::vector<Token> tokens;
  encode_text(text, user, tokens);
  return tokens;
}

void Tokenizer::encode_text(std::string_view text, const std::vector<Range>& user, std::vector<Token>& tokens) const {
  TokenTest counts;
  if (!user.empty()) {
    counts = [&](const AddedToken& token, Range range) { return !token.special || !overlaps(user, range); };
  }
  for (const Segment& segment : parts_->added.in_raw_text().split(text, counts)) {
    if (segment.id) {
      tokens.push_back({*segment.id, segment.range.begin, segment.range.end});
    } else {
      encode_chunk(text, segment.range, user, tokens);
    }
  }
}

// A chunk between added tokens of the raw text: normalise, find added tokens of the normalised text, cut
// what is between them into pieces, tokenise each. Words repeat, so each is tokenised once per chunk.
void Tokenizer::encode_chunk(std::string_view text, Range range, const std::vector<Range>& user,
                             std::vector<Token>& tokens) const {
  AlignedText chunk = AlignedText::identity(text, range);
  if (parts_->normalizer != nullptr) chunk = parts_->normalizer->apply(std::move(chunk));
  TokenTest counts;
  if (!user.empty()) {
    counts = [&](const AddedToken& token, Range found) {
      return !token.special || !overlaps(user, chunk.origin_of(found));
    };
  }
  for (const Segment& segment : parts_->added.in_normalized_text().split(chunk.text, counts)) {
    if (segment.id) {
      const Range origin = chunk.origin_of(segment.range);
      tokens.push_back({*segment.id, origin.begin, origin.end});
      continue;
    }
    Pieces pieces{chunk.slice(segment.range), {{0, segment.range.size()}}};
    if (parts_->pre_tokenizer != nullptr) pieces = parts_->pre_tokenizer->apply(std::move(pieces));
    std::unordered_map<std::string_view, Range> known;  // word → its tokens in `words`
    std::vector<BpeToken> words;
    for (const Range piece : pieces.ranges) {
      const std::string_view word = std::string_view(pieces.aligned.text).substr(piece.begin, piece.size());
      const auto [entry, is_new] = known.try_emplace(word);
      if (is_new) {
        entry->second.begin = words.size();
        parts_->model->encode(word, words);
        entry->second.end = words.size();
      }
      size_t at = piece.begin;
      for (size_t i = entry->second.begin; i < entry->second.end; ++i) {
        const Range origin = pieces.aligned.origin_of({at, at + words[i].size});
        tokens.push_back({words[i].id, origin.begin, origin.end});
        at += words[i].size;
      }
    }
  }
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  std::vector<int64_t> ids;
  for (const Token& token : encode_with_offsets(text, special)) ids.push_back(token.id);
  return ids;
}

const std::string& Tokenizer::token_of(int64_t id) const {
  const std::string* token = parts_->token_of(id);
  if (token == nullptr) {
    fail("tokenizer", "id {}: no token has it; the largest id is {}.", id, parts_->largest_id());
  }
  return *token;
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, SpecialTokens keep, UnknownIds unknown) const {
  std::vector<std::string> parts;
  for (const int64_t id : ids) {
    if (unknown == UnknownIds::kNothing && parts_->token_of(id) == nullptr) continue;
    const std::string& token = token_of(id);
    const AddedToken* added = parts_->added.find(id);
    const bool is_special = added != nullptr && added->special;
    if (keep == SpecialTokens::kAdd || !is_special) parts.push_back(token);
  }
  const char* separator = parts_->decoder == nullptr ? " " : "";
  if (parts_->decoder != nullptr) parts = parts_->decoder->apply(std::move(parts), DecodeFrom::kStartOfText);
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string Tokenizer::token_text(int64_t id) const {
  const std::string& token = token_of(id);
  if (parts_->decoder == nullptr) return token;
  std::string text;
  for (const std::string& part : parts_->decoder->apply({token}, DecodeFrom::kMiddleOfText)) text += part;
  return text;
}

std::optional<int64_t> Tokenizer::id_of(const std::string& token) const { return parts_->id_of(token); }
bool Tokenizer::has(int64_t id) const { return parts_->token_of(id) != nullptr; }
bool Tokenizer::is_special(int64_t id) const {
  const AddedToken* token = parts_->added.find(id);
  return token != nullptr && token->special;
}
std::optional<int64_t> Tokenizer::bos_id() const { return parts_->bos_id; }
std::optional<int64_t> Tokenizer::eos_id() const { return parts_->eos_id; }
const std::vector<int64_t>& Tokenizer::ids_before() const { return parts_->before; }
const std::vector<int64_t>& Tokenizer::ids_after() const { return parts_->after; }
size_t Tokenizer::vocab_size() const { return static_cast<size_t>(parts_->largest_id() + 1); }

size_t token_at_byte(const std::vector<Token>& tokens, std::string_view text, size_t byte, const std::string& place) {
  if (byte > text.size()) fail(place, "byte {}: the text has only {} bytes.", byte, text.size());
  if (byte == text.size()) return tokens.size();
  if ((static_cast<unsigned char>(text[byte]) & 0xC0) == 0x80) {
    fail(place, "byte {}: it is inside a character, expected a word's first byte.", byte);
  }
  const auto token = std::find_if(tokens.begin(), tokens.end(), [byte](const Token& t) { return t.end > byte; });
  if (token == tokens.end() || token->begin > byte) {
    fail(place, "byte {}: no token covers it; the tokenizer drops this part of the text.", byte);
  }
  const std::string_view covered = text.substr(token->begin, token->end - token->begin);
  const std::string_view before = covered.substr(0, byte - token->begin);
  if (leading_white_space(before) != before.size()) {
    fail(place, "byte {}: it is inside token {} ('{}'), expected the first byte after its white space.", byte,
         token - tokens.begin(), replace_invalid_utf8(covered));
  }
  return static_cast<size_t>(token - tokens.begin());
}

}  // namespace circuit
