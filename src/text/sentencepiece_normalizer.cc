#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "text/byte_trie.h"
#include "text/sentencepiece_model.h"
#include "text/unicode.h"

namespace circuit {
namespace {

constexpr std::string_view kSpaceSymbol = "\u2581";

// The compiled map of characters: a double-array trie (Darts-clone) from texts to places in a table of NUL-ended texts.
class CharactersMap {
 public:
  struct Match {
    size_t size = 0;  // bytes of the text; 0: none
    std::string_view replacement;
  };

  CharactersMap(const std::string& blob, const std::string& place) {
    if (blob.empty()) return;
    uint32_t size = 0;
    if (blob.size() < sizeof size) fail(place, "precompiled_charsmap: {} bytes, expected more.", blob.size());
    std::memcpy(&size, blob.data(), sizeof size);  // little-endian, as this machine
    if (size > blob.size() - sizeof size || size % sizeof(uint32_t) != 0 || size == 0) {
      fail(place, "precompiled_charsmap: a trie of {} bytes in {}.", size, blob.size());
    }
    units_.resize(size / sizeof(uint32_t));
    std::memcpy(units_.data(), blob.data() + sizeof size, size);
    texts_ = blob.substr(sizeof size + size);
    if (texts_.empty() || texts_.back() != '\0') fail(place, "precompiled_charsmap: its texts do not end.");
    check_texts(place);
  }

  // The longest entry with which text[at, …) begins.
  Match longest(std::string_view text, size_t at) const {
    Match best;
    if (units_.empty()) return best;
    size_t node = offset(units_[0]);
    for (size_t end = at; end < text.size(); ++end) {
      const auto byte = static_cast<unsigned char>(text[end]);
      node ^= byte;
      if (node >= units_.size() || label(units_[node]) != byte) break;
      const uint32_t unit = units_[node];
      node ^= offset(unit);
      if (!has_leaf(unit) || node >= units_.size()) continue;
      const size_t value = units_[node] & 0x7FFFFFFF;
      // A broken map, as if there were no entry: check_texts looked at values alone; a key that ends inside a
      // character.
      const bool is_value = (units_[node] >> 31) == 1 && value < texts_.size();
      const bool whole = end + 1 == text.size() || (static_cast<unsigned char>(text[end + 1]) & 0xC0) != 0x80;
      if (!is_value || !whole) continue;
      best = {end + 1 - at, std::string_view(texts_.c_str() + value)};
    }
    return best;
  }

  double growth() const {
    size_t longest = 0, begin = 0;
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (texts_[i] != '\0') continue;
      longest = std::max(longest, i - begin);
      begin = i + 1;
    }
    return std::max<double>(1, static_cast<double>(longest));
  }

 private:
  static bool has_leaf(uint32_t unit) { return ((unit >> 8) & 1) == 1; }
  static uint32_t label(uint32_t unit) { return unit & ((uint32_t{1} << 31) | 0xFF); }
  static size_t offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & (uint32_t{1} << 9)) >> 6); }

  // Every text that an entry can point to, also into the middle of one, is UTF-8: no byte of a character begins one.
  void check_texts(const std::string& place) {
    for (uint32_t unit : units_) {
      const size_t value = unit & 0x7FFFFFFF;
      if ((unit >> 31) == 0 || value >= texts_.size()) continue;
      const auto first = static_cast<unsigned char>(texts_[value]);
      if ((first & 0xC0) == 0x80) fail(place, "precompiled_charsmap: an entry begins inside a character.");
    }
    size_t begin = 0;
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (texts_[i] != '\0') continue;
      if (replace_invalid_utf8(std::string_view(texts_).substr(begin, i - begin)) != texts_.substr(begin, i - begin)) {
        fail(place, "precompiled_charsmap: a text of it is not valid UTF-8.");
      }
      begin = i + 1;
    }
  }

  std::vector<uint32_t> units_;
  std::string texts_;
};

// normalizer.cc of sentencepiece, Normalizer::Normalize.
class SentencePieceNormalizer : public Normalizer {
 public:
  SentencePieceNormalizer(const SentencePieceFile& file, const std::string& place)
      : map_(file.charsmap, place + ":normalizer_spec"),
        dummy_prefix_(file.add_dummy_prefix),
        every_chunk_(file.prefix_every_chunk),
        removes_spaces_(file.remove_extra_whitespaces) {
    for (const SentencePiece& piece : file.pieces) {
      if (piece.type == PieceType::kUserDefined) user_.add(piece.text, 0);
    }
  }

  double growth() const override { return map_.growth() * static_cast<double>(kSpaceSymbol.size()); }

  AlignedText apply(AlignedText in) const override {
    size_t at = 0;
    while (removes_spaces_ && at < in.text.size()) {
      const Part part = part_at(in.text, at);
      if (part.text != " ") break;
      at += part.size;
    }
    AlignedText out;
    if (at >= in.text.size()) return out;
    if (dummy_prefix_ && (every_chunk_ || in.origin[0].begin == 0)) out.append(kSpaceSymbol, in.place_before(at));
    bool after_space = removes_spaces_;
    while (at < in.text.size()) {
      const Part part = part_at(in.text, at);
      const Range origin = in.origin_of({at, at + part.size});
      std::string_view text = part.text;
      while (after_space && !text.empty() && text.front() == ' ') text.remove_prefix(1);
      for (size_t i = 0; i < text.size(); ++i) {
        const bool same = part.same;
        out.append(text[i] == ' ' ? kSpaceSymbol : text.substr(i, 1),
                   same ? in.origin[at + i + part.size - text.size()] : origin);
      }
      if (!text.empty()) after_space = text.back() == ' ';
      if (!removes_spaces_) after_space = false;
      at += part.size;
    }
    size_t end = out.text.size();
    while (removes_spaces_ && end >= kSpaceSymbol.size() &&
           std::string_view(out.text).substr(end - kSpaceSymbol.size(), kSpaceSymbol.size()) == kSpaceSymbol) {
      end -= kSpaceSymbol.size();
    }
    return end == out.text.size() ? out : out.slice({0, end});
  }

 private:
  struct Part {
    size_t size = 0;  // bytes of the text that it stands for
    std::string_view text;
    bool same = true;  // they are its bytes
  };

  Part part_at(std::string_view text, size_t at) const {
    const size_t user = user_.longest(text, at);
    if (user > 0) return {user, text.substr(at, user), true};
    const CharactersMap::Match match = map_.longest(text, at);
    if (match.size > 0) return {match.size, match.replacement, false};
    const size_t size = code_point_at(text, at).size;
    return {size, text.substr(at, size), true};
  }

  CharactersMap map_;
  ByteTrie user_;
  bool dummy_prefix_;
  bool every_chunk_;
  bool removes_spaces_;
};

}  // namespace

std::unique_ptr<Normalizer> make_sentencepiece_normalizer(const SentencePieceFile& file, const std::string& place) {
  return std::make_unique<SentencePieceNormalizer>(file, place);
}

}  // namespace circuit
