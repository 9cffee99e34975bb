// Text to token ids and back, as the tokenizer files of a model directory say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/aligned_text.h"

namespace circuit {

struct TokenizerParts;

// A token and the bytes [begin, end) of the original text it stands for, white space included. Ranges
// never step back. begin == end for tokens the post-processor adds and for a prefix that is not in the text.
struct Token {
  int64_t id = 0;
  size_t begin = 0;
  size_t end = 0;
};

// Whether the tokens that the post-processor adds (begin token, end token) take part.
enum class SpecialTokens { kNone, kAdd };

// An id that no token has. A model may choose one all the same: rows of its embedding beyond the tokenizer's tokens, or
// in a gap between them, are padding, and Hugging Face decodes them to nothing.
enum class UnknownIds { kRefuse, kNothing };

// Never changes after loading; const methods may be called from several threads.
class Tokenizer {
 public:
  // path: a folder with tokenizer.json, or with vocab.json and merges.txt, or with SentencePiece's tokenizer.model, and
  // tokenizer_config.json where there is one; or a tokenizer.json, which is then read alone; or a GGUF file (gguf_of).
  // Throws Error naming the file and the key for anything missing, broken or not supported.
  static Tokenizer load(const std::string& path);

  explicit Tokenizer(TokenizerParts parts);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Throw Error when `text` is not valid UTF-8 or has a character that no token stands for.
  std::vector<Token> encode_with_offsets(std::string_view text, SpecialTokens special) const;
  std::vector<int64_t> encode(std::string_view text, SpecialTokens special) const;
  // As encode_with_offsets without the post-processor's tokens, but a special token ("<|im_end|>") that any byte of
  // `user` spells stays text: what a user writes cannot end a turn. user: ranges of bytes, in order, without overlap.
  std::vector<Token> encode_with_user_text(std::string_view text, const std::vector<Range>& user) const;

  // keep: kNone leaves out special tokens. Bytes that are no UTF-8 become U+FFFD. Throws Error for an id
  // that no token has, unless such ids are nothing.
  std::string decode(const std::vector<int64_t>& ids, SpecialTokens keep,
                     UnknownIds unknown = UnknownIds::kRefuse) const;

  // One token as a person reads it: decoded alone, with its leading space. Throws Error for an unknown id.
  std::string token_text(int64_t id) const;
  // The id of a token as the vocabulary writes it ("Ġthe"), added tokens included.
  std::optional<int64_t> id_of(const std::string& token) const;

  // As the vocabulary or the added tokens write it. Throws Error for an unknown id.
  const std::string& written_as(int64_t id) const { return token_of(id); }

  // Whether some token has this id.
  bool has(int64_t id) const;
  // Whether a token is an added one flagged special.
  bool is_special(int64_t id) const;

  // From tokenizer_config.json, else what the post-processor puts before and after the text.
  std::optional<int64_t> bos_id() const;
  std::optional<int64_t> eos_id() const;
  // What the post-processor (or add_bos_token, add_eos_token) puts before and after the text.
  const std::vector<int64_t>& ids_before() const;
  const std::vector<int64_t>& ids_after() const;
  bool adds_bos() const { return !ids_before().empty(); }

  // 1 + the largest id.
  size_t vocab_size() const;

 private:
  const std::string& token_of(int64_t id) const;
  void encode_text(std::string_view text, const std::vector<Range>& user, std::vector<Token>& tokens) const;
  void encode_chunk(std::string_view text, Range chunk, const std::vector<Range>& user,
                    std::vector<Token>& tokens) const;
  std::unique_ptr<const TokenizerParts> parts_;
};

// Index in `tokens` (encoded without specials) of the token that covers byte `byte` of `text`; for
// byte == text.size() it is tokens.size(). Throws Error naming `place` and the token when the token has
// anything but white space before that byte, and when no token covers it.
size_t token_at_byte(const std::vector<Token>& tokens, std::string_view text, size_t byte, const std::string& place);

}  // namespace circuit
