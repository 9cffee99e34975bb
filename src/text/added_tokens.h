// Tokens that are found as they stand in the text, before the model sees it ("added_tokens").
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/aligned_text.h"
#include "text/normalizer.h"
#include "text/token_model.h"

namespace circuit {

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool special = false;      // skipped when decoding to plain text
  bool single_word = false;  // not found inside a word
  bool lstrip = false;       // takes the white space to its left
  bool rstrip = false;       // takes the white space to its right
  bool normalized = false;   // looked for in the normalised text, after normalising it too
};

// A part of a text: an added token, or (no id) what stands between two of them.
struct Segment {
  std::optional<int64_t> id;
  Range range;
};

// Whether a token that stands at `range` of the text counts.
using TokenTest = std::function<bool(const AddedToken& token, Range range)>;

// A set of added tokens to look for at once.
class AddedTokenFinder {
 public:
  // `as_written`: the form of `token` to look for; an empty one is never found, and of two tokens with one form the
  // first that was added is.
  void add(const AddedToken& token, std::string_view as_written);
  // `text` as segments in order and without overlap: leftmost match first, of those the longest that counts (counts may
  // be empty: all do). lstrip and rstrip widen a match after all have been found.
  std::vector<Segment> split(std::string_view text, const TokenTest& counts) const;

 private:
  struct Match {
    const AddedToken* token;
    size_t size;
  };
  std::optional<Match> longest_at(std::string_view text, size_t at, const TokenTest& counts) const;
  int64_t child(int64_t node, char byte) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<uint64_t, int64_t> children_;  // trie: node << 8 | byte → node; node 0 is the root
  std::vector<int64_t> token_at_ = {-1};            // by node: index in tokens_, or −1
};

class AddedTokens {
 public:
  // Adds a token, or replaces the flags of the one that has its id. Throws Error naming `place` when
  // content and id are not both new, both those of one added token, or both those of one in the vocabulary.
  void add(const AddedToken& token, const TokenModel& model, const std::string& place);
  // Builds the finders; after the last add(). normalizer may be null. Special tokens are looked for first, then the
  // others, each in the order they were added.
  void finish(const Normalizer* normalizer);

  const std::map<int64_t, AddedToken>& by_id() const { return by_id_; }
  const AddedToken* find(int64_t id) const;
  const AddedToken* find(const std::string& content) const;
  const AddedTokenFinder& in_raw_text() const { return raw_; }
  const AddedTokenFinder& in_normalized_text() const { return normalized_; }

 private:
  std::map<int64_t, AddedToken> by_id_;
  std::vector<int64_t> order_;  // ids, as they were added
  std::unordered_map<std::string, int64_t> by_content_;
  AddedTokenFinder raw_, normalized_;
};

}  // namespace circuit
