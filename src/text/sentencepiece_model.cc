#include "text/sentencepiece_model.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_map>

#include "core/error.h"
#include "text/byte_trie.h"
#include "text/unicode.h"

namespace circuit {
namespace {

constexpr float kUnknownPenalty = 10;  // unigram_model.cc, kUnkPenalty

// Pieces that a text can spell.
bool is_spelled(PieceType type) {
  return type == PieceType::kNormal || type == PieceType::kUserDefined || type == PieceType::kUnused;
}

class SentencePieceModel : public TokenModel {
 public:
  explicit SentencePieceModel(const SentencePieceFile& file)
      : pieces_(file.pieces), unk_id_(static_cast<uint32_t>(file.unk_id)), byte_fallback_(file.byte_fallback) {
    for (size_t id = 0; id < pieces_.size(); ++id) ids_.emplace(pieces_[id].text, static_cast<uint32_t>(id));
    for (int byte = 0; byte_fallback_ && byte < 256; ++byte) bytes_.push_back(ids_.at(fmt::format("<0x{:02X}>", byte)));
  }

  std::optional<uint32_t> id_of(const std::string& token) const override {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
  }
  const std::string* token_of(int64_t id) const override {
    const bool known = id >= 0 && id < static_cast<int64_t>(pieces_.size());
    return known ? &pieces_[static_cast<size_t>(id)].text : nullptr;
  }
  int64_t largest_id() const override { return static_cast<int64_t>(pieces_.size()) - 1; }

 protected:
  PieceType type_of(uint32_t id) const { return pieces_[id].type; }

  // A piece of the best segmentation.
  void append(uint32_t id, std::string_view text, std::vector<BpeToken>& tokens, bool* after_unknown) const {
    const bool unknown = id == unk_id_;
    if (unknown && byte_fallback_) {
      for (const char byte : text) tokens.push_back({bytes_[static_cast<unsigned char>(byte)], 1});
    } else if (unknown && *after_unknown) {
      tokens.back().size += text.size();
    } else {
      tokens.push_back({id, text.size()});
    }
    *after_unknown = unknown;
  }

  const std::vector<SentencePiece> pieces_;
  const uint32_t unk_id_;

 private:
  const bool byte_fallback_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<uint32_t> bytes_;  // ids of <0x00> … <0xFF>
};

class UnigramModel : public SentencePieceModel {
 public:
  explicit UnigramModel(const SentencePieceFile& file) : SentencePieceModel(file) {
    float least = std::numeric_limits<float>::max();
    for (size_t id = 0; id < pieces_.size(); ++id) {
      const SentencePiece& piece = pieces_[id];
      if (is_spelled(piece.type)) trie_.add(piece.text, static_cast<int64_t>(id));
      if (piece.type != PieceType::kNormal) continue;
      least = std::min(least, piece.score);
      most_ = std::max(most_, piece.score);
    }
    unknown_score_ = least - kUnknownPenalty;
  }

  // The segmentation of the highest sum of scores; of equal ones that found first (unigram_model.cc, EncodeOptimized).
  void encode(std::string_view text, std::vector<BpeToken>& tokens) const override {
    struct End {
      uint32_t id = 0;
      float score = 0;
      size_t begin = kNowhere;
    };
    std::vector<End> ends(text.size() + 1);
    const auto offer = [&](size_t end, size_t begin, uint32_t id, float score) {
      End& best = ends[end];
      if (best.begin == kNowhere || score > best.score) best = {id, score, begin};
    };
    for (size_t begin = 0; begin < text.size();) {
      const float before = ends[begin].score;
      const size_t character = code_point_at(text, begin).size;
      bool has_character = false;
      int64_t node = ByteTrie::kRoot;
      for (size_t end = begin; end < text.size();) {
        node = trie_.next(node, text[end]);
        if (node == ByteTrie::kNone) break;
        ++end;
        if (trie_.value(node) == ByteTrie::kNone) continue;
        const auto id = static_cast<uint32_t>(trie_.value(node));
        if (type_of(id) == PieceType::kUnused) continue;
        const bool user = type_of(id) == PieceType::kUserDefined;
        // A piece of the user's is always the best one.
        const float score =
            user ? static_cast<float>(static_cast<float>(end - begin) * most_ - 0.1) : pieces_[id].score;
        offer(end, begin, id, score + before);
        has_character = has_character || end - begin == character;
      }
      if (!has_character) offer(begin + character, begin, unk_id_, unknown_score_ + before);
      begin += character;
    }
    std::vector<size_t> path;
    for (size_t end = text.size(); end > 0; end = ends[end].begin) path.push_back(end);
    bool after_unknown = false;
    for (size_t i = path.size(); i-- > 0;) {
      const End& piece = ends[path[i]];
      append(piece.id, text.substr(piece.begin, path[i] - piece.begin), tokens, &after_unknown);
    }
  }

 private:
  static constexpr size_t kNowhere = std::numeric_limits<size_t>::max();
  ByteTrie trie_;
  // Above all scores, which are logarithms of probabilities: the library begins here too.
  float most_ = std::numeric_limits<float>::min();
  float unknown_score_ = 0;
};

class SentencePieceBpe : public SentencePieceModel {
 public:
  explicit SentencePieceBpe(const SentencePieceFile& file) : SentencePieceModel(file) {
    for (size_t id = 0; id < pieces_.size(); ++id) {
      const SentencePiece& piece = pieces_[id];
      if (is_spelled(piece.type)) spelled_.emplace(piece.text, static_cast<uint32_t>(id));
      if (piece.type == PieceType::kUserDefined) user_.add(piece.text, static_cast<int64_t>(id));
    }
  }

  // Merges the pair whose piece has the highest score, at equal scores the leftmost, until none is a piece
  // (bpe_model.cc, SampleEncode without sampling).
  void encode(std::string_view text, std::vector<BpeToken>& tokens) const override {
    std::vector<Symbol> symbols = symbols_of(text);
    std::priority_queue<Pair> pairs;
    std::unordered_map<std::string_view, Halves> unused;
    const auto offer = [&](int64_t left, int64_t right) {
      if (left < 0 || right < 0 || symbols[left].frozen || symbols[right].frozen) return;
      const std::string_view piece = text.substr(symbols[left].begin, symbols[left].size + symbols[right].size);
      const auto found = spelled_.find(piece);
      if (found == spelled_.end()) return;
      pairs.push({pieces_[found->second].score, left, right, piece.size()});
      if (type_of(found->second) == PieceType::kUnused) unused[piece] = {symbols[left].size, symbols[right].size};
    };
    for (size_t i = 1; i < symbols.size(); ++i) offer(static_cast<int64_t>(i) - 1, static_cast<int64_t>(i));
    while (!pairs.empty()) {
      const Pair top = pairs.top();
      pairs.pop();
      Symbol& left = symbols[top.left];
      Symbol& right = symbols[top.right];
      // One of the two has been merged since.
      if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) continue;
      left.size = top.size;
      right.size = 0;
      left.next = right.next;
      if (right.next >= 0) symbols[right.next].previous = top.left;
      offer(left.previous, top.left);
      offer(top.left, left.next);
    }
    bool after_unknown = false;
    for (int64_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[i].next) {
      append_symbol(text.substr(symbols[i].begin, symbols[i].size), unused, tokens, &after_unknown);
    }
  }

 private:
  struct Symbol {
    size_t begin = 0;
    size_t size = 0;
    int64_t previous = -1, next = -1;
    bool frozen = false;  // a piece of the user's: never merged
  };
  struct Pair {
    float score;
    int64_t left, right;
    size_t size;
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  struct Halves {
    size_t left = 0, right = 0;
  };

  std::vector<Symbol> symbols_of(std::string_view text) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size();) {
      Symbol symbol;
      symbol.begin = at;
      const size_t user = user_.longest(text, at);
      symbol.frozen = user > 0;
      symbol.size = user > 0 ? user : code_point_at(text, at).size;
      symbol.previous = static_cast<int64_t>(symbols.size()) - 1;
      if (!symbols.empty()) symbols.back().next = static_cast<int64_t>(symbols.size());
      at += symbol.size;
      symbols.push_back(symbol);
    }
    return symbols;
  }

  // An unused piece falls apart into the two that it was merged of; each is shorter, so this ends.
  void append_symbol(std::string_view text, const std::unordered_map<std::string_view, Halves>& unused,
                     std::vector<BpeToken>& tokens, bool* after_unknown) const {
    std::vector<std::string_view> left{text};
    while (!left.empty()) {
      const std::string_view piece = left.back();
      left.pop_back();
      const auto found = spelled_.find(piece);
      const uint32_t id = found == spelled_.end() ? unk_id_ : found->second;
      const auto halves = unused.find(piece);
      if (type_of(id) == PieceType::kUnused && halves != unused.end()) {
        left.push_back(piece.substr(halves->second.left));
        left.push_back(piece.substr(0, halves->second.left));
      } else {
        append(id, piece, tokens, after_unknown);
      }
    }
  }

  std::unordered_map<std::string_view, uint32_t> spelled_;  // views of pieces_
  ByteTrie user_;
};

}  // namespace

std::unique_ptr<TokenModel> make_sentencepiece_model(const SentencePieceFile& file) {
  if (file.is_unigram) return std::make_unique<UnigramModel>(file);
  return std::make_unique<SentencePieceBpe>(file);
}

}  // namespace circuit
