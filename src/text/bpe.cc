#include "text/bpe.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "text/unicode.h"

namespace circuit {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

uint64_t pair_key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

// A merge that is possible at `position`; stale once one of its two tokens has been merged away.
struct Candidate {
  uint32_t rank;
  uint32_t position;
  uint32_t id;
};

// For a heap whose top is the lowest rank, at equal rank the leftmost.
bool comes_later(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

struct Links {
  uint32_t previous;
  uint32_t next;
};

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, const BpeOptions& options, const std::string& place)
    : vocabulary_(std::move(vocabulary)),
      fuse_unk_(options.fuse_unk),
      byte_fallback_(options.byte_fallback),
      ignore_merges_(options.ignore_merges) {
  token_of_.reserve(vocabulary_.size());
  for (const auto& [token, id] : vocabulary_) {
    token_of_[id] = token;
    largest_id_ = std::max<int64_t>(largest_id_, id);
  }
  if (options.unk_token) {
    unk_id_ = id_of(*options.unk_token);
    if (!unk_id_) fail(place, "unk_token: '{}' is not in the vocabulary.", *options.unk_token);
  }
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const auto left_id = id_of(left);
    const auto right_id = id_of(right);
    const auto merged_id = id_of(left + right);
    if (!left_id || !right_id || !merged_id) {
      const std::string& missing = !left_id ? left : !right_id ? right : left + right;
      fail(place, "merges[{}]: '{}' is not in the vocabulary.", rank, missing);
    }
    merges_[pair_key(*left_id, *right_id)] = {static_cast<uint32_t>(rank), *merged_id};
  }
}

std::optional<uint32_t> Bpe::id_of(const std::string& token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

const std::string* Bpe::token_of(int64_t id) const {
  const auto found = token_of_.find(id);
  return found == token_of_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view piece, std::vector<BpeToken>& tokens) const {
  if (piece.size() >= kNone) fail("tokenizer", "a piece of {} bytes; at most {} are read.", piece.size(), kNone - 1);
  if (ignore_merges_) {
    if (const auto id = id_of(std::string(piece))) {
      tokens.push_back({*id, piece.size()});
      return;
    }
  }
  std::vector<BpeToken> word = characters_of(piece);
  merge(word);
  tokens.insert(tokens.end(), word.begin(), word.end());
}

std::vector<BpeToken> Bpe::characters_of(std::string_view piece) const {
  std::vector<BpeToken> tokens;
  tokens.reserve(piece.size());
  bool after_unknown = false;
  for (size_t at = 0; at < piece.size();) {
    const std::string_view character = piece.substr(at, code_point_at(piece, at).size);
    at += character.size();
    if (const auto id = id_of(std::string(character))) {
      tokens.push_back({*id, character.size()});
    } else if (!append_bytes(character, tokens)) {
      append_unknown(character, after_unknown && fuse_unk_, tokens);
      after_unknown = true;
      continue;
    }
    after_unknown = false;
  }
  return tokens;
}

bool Bpe::append_bytes(std::string_view character, std::vector<BpeToken>& tokens) const {
  if (!byte_fallback_) return false;
  const size_t before = tokens.size();
  for (const char byte : character) {
    const auto id = id_of(fmt::format("<0x{:02X}>", static_cast<unsigned char>(byte)));
    if (!id) {
      tokens.resize(before);
      return false;
    }
    tokens.push_back({*id, 1});
  }
  return true;
}

void Bpe::append_unknown(std::string_view character, bool joins, std::vector<BpeToken>& tokens) const {
  if (!unk_id_) {
    fail("tokenizer", "character '{}' is not in the vocabulary, which has no unknown token.", character);
  }
  if (joins) {
    tokens.back().size += character.size();
  } else {
    tokens.push_back({*unk_id_, character.size()});
  }
}

const Bpe::MergeTo* Bpe::find_merge(uint32_t left, uint32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// Tokens are a linked list over `tokens`; a token merged into its left neighbour gets size 0. Each merge
// adds at most two candidates, so the heap sees O(n) of them.
void Bpe::merge(std::vector<BpeToken>& tokens) const {
  const auto count = static_cast<uint32_t>(tokens.size());
  if (count < 2 || merges_.empty()) return;
  std::vector<Links> links(count);
  std::vector<Candidate> heap;
  const auto candidate_at = [&](uint32_t position) -> std::optional<Candidate> {
    const uint32_t next = links[position].next;
    if (next == kNone) return std::nullopt;
    const MergeTo* to = find_merge(tokens[position].id, tokens[next].id);
    if (to == nullptr) return std::nullopt;
    return Candidate{to->rank, position, to->id};
  };
  const auto push = [&](uint32_t position) {
    if (const auto candidate = candidate_at(position)) {
      heap.push_back(*candidate);
      std::push_heap(heap.begin(), heap.end(), comes_later);
    }
  };
  for (uint32_t i = 0; i < count; ++i) links[i] = {i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  for (uint32_t i = 0; i + 1 < count; ++i) push(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), comes_later);
    const Candidate top = heap.back();
    heap.pop_back();
    if (tokens[top.position].size == 0) continue;
    const auto now = candidate_at(top.position);
    if (!now || now->rank != top.rank) continue;
    const uint32_t right = links[top.position].next;
    tokens[top.position].id = top.id;
    tokens[top.position].size += tokens[right].size;
    tokens[right].size = 0;
    links[top.position].next = links[right].next;
    if (links[right].next != kNone) links[links[right].next].previous = top.position;
    if (links[top.position].previous != kNone) push(links[top.position].previous);
    push(top.position);
  }
  tokens.erase(std::remove_if(tokens.begin(), tokens.end(), [](const BpeToken& t) { return t.size == 0; }),
               tokens.end());
}

Vocabulary read_vocabulary(const Json& json, const std::string& place) {
  if (!json.is_object()) fail(place, "vocab: found a {}, expected an object of token: id.", json.type_name());
  Vocabulary vocabulary;
  vocabulary.reserve(json.size());
  std::unordered_map<uint32_t, std::string> token_of;
  token_of.reserve(json.size());
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_integer()) fail(place, "vocab['{}']: found a {}, expected an integer.", token, id.type_name());
    const auto value = id.get<int64_t>();
    if (value < 0 || value > kMaxTokenId) {
      fail(place, "vocab['{}']: found id {}, expected 0 to {}.", token, value, kMaxTokenId);
    }
    const auto [other, is_new] = token_of.emplace(static_cast<uint32_t>(value), token);
    if (!is_new) fail(place, "vocab: id {} stands for both '{}' and '{}'.", value, other->second, token);
    vocabulary.emplace(token, static_cast<uint32_t>(value));
  }
  return vocabulary;
}

}  // namespace circuit
