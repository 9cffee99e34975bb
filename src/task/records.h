// JSON Lines records as examples. The format is interfaces.md's and docs/formats.md's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/json.h"
#include "task/example.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace circuit {

// auto: what the tokenizer's post-processor or add_bos_token puts before a text, which may be several tokens; of
// minimal pairs as always. What they put after it is left out everywhere: a prompt goes on, and no record's readout or
// target stands there. always: the begin token where auto has none, or the end token of a tokenizer that has no other,
// as lm-evaluation-harness puts it before an empty context.
enum class BeginToken { kAuto, kAlways, kNever };
const std::vector<std::pair<const char*, BeginToken>>& begin_token_names();
BeginToken parse_begin_token(const std::string& name);  // throws UsageError

// The tokenizer of a model directory, loaded when the first text needs it: records of ids need none.
class LazyTokenizer {
 public:
  explicit LazyTokenizer(std::string directory) : directory_(std::move(directory)) {}
  const Tokenizer& get() const;
  // The chat template, loaded when the first record of messages needs it.
  const ChatTemplate& chat() const;

 private:
  std::string directory_;
  mutable std::optional<Tokenizer> tokenizer_;
  mutable std::optional<ChatTemplate> chat_;
};

struct ReadSpec {
  BeginToken begin_token = BeginToken::kAuto;
  int64_t max_length = 0;  // tokens kept of a text; 0: all. Readouts beyond are dropped and counted
};

struct Dataset {
  std::vector<Example> examples;
  bool begin_token = false;      // whether texts were given one
  int64_t truncated = 0;         // records shortened to max_length
  int64_t dropped_readouts = 0;  // by shortening
  int64_t dropped_records = 0;   // all of whose readouts were dropped
};

// Contrast, prompt/completion and messages records of a file. Throws Error "file:line" for an unknown key, a value of
// another type, an answer that is not one token, a position outside the text, invalid UTF-8; and for a file
// without records.
Dataset read_dataset(const std::string& path, const LazyTokenizer& tokenizer, const ReadSpec& spec);

// One such record; place: "file:line". Throws as read_dataset does, also where it is shortened to nothing.
Example read_record(const Json& record, const std::string& place, const LazyTokenizer& tokenizer, const ReadSpec& spec);

// What a file holds, by its first record: {"good", …} or BLiMP → pairs; "choices" → multiple choice; "scorer" → a
// generation task; another JSON object → examples; else text. A file called *.jsonl, *.ndjson or *.json is never text:
// what it holds is read as records, which says at which line it is none.
enum class FileKind { kText, kMinimalPairs, kMultipleChoice, kAnswers, kExamples };
FileKind file_kind(const std::string& path);

struct EncodedText {
  std::vector<int64_t> ids;
  int64_t begin_tokens = 0;  // of ids, before the text
  int64_t bytes = 0;

  // The first token that is scored: begin tokens are given, and nothing predicts the first token of all.
  int64_t first_target() const { return begin_tokens > 1 ? begin_tokens : 1; }
};
// A plain text as encode_text encodes it. Throws Error naming the file when it is not UTF-8 or has fewer than
// the two tokens that a perplexity needs.
EncodedText read_text(const std::string& path, const LazyTokenizer& tokenizer, BeginToken begin_token);

// The tokens before every text. Throws Error when the policy is kAlways and the tokenizer names none.
std::vector<int64_t> begin_tokens(const Tokenizer& tokenizer, BeginToken policy);

// A text behind begin_tokens.
EncodedText encode_text(const Tokenizer& tokenizer, std::string_view text, BeginToken begin_token);

}  // namespace circuit
