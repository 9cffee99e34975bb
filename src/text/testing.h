// Small tokenizers and texts for the tests of this folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "io/json.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"

namespace circuit {

inline Tokenizer tokenizer_of(const Json& json) { return Tokenizer(read_tokenizer_json(json.dump(), "t.json")); }

// The message of the Error that `action` throws; empty when it throws none.
inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Every byte is a token (id = byte), then "he" 256, "Ġt" 257, "Ġthe" 258, and the special token <s> 259.
inline Json byte_level_json() {
  Json vocab;
  for (size_t byte = 0; byte < 256; ++byte) vocab[byte_characters()[byte]] = byte;
  vocab["he"] = 256;
  vocab["Ġt"] = 257;
  vocab["Ġthe"] = 258;
  return {{"added_tokens", Json::array({{{"id", 259}, {"content", "<s>"}, {"special", true}}})},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "Ġ t", "Ġt he"}}}}};
}

// One token per letter of `letters`, in order from id 0, without merges.
inline Json letters_json(const std::string& letters) {
  Json vocab = Json::object();
  int64_t id = 0;
  for (size_t at = 0; at < letters.size();) {
    const size_t size = code_point_at(letters, at).size;
    vocab[letters.substr(at, size)] = id++;
    at += size;
  }
  return {{"decoder", {{"type", "Fuse"}}}, {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
}

// Characters of every UTF-8 length, with spaces, line ends and combining marks among them.
inline std::string random_text(Rng& rng) {
  constexpr int32_t kFirst[] = {0x20, 0x61, 0xC0, 0x300, 0x4E00, 0x1F600, 0x09, 0xAC00, 0x1100};
  constexpr uint64_t kCount[] = {16, 26, 0x180, 0x70, 0x500, 0x50, 5, 0x400, 0xFF};
  std::string text;
  const uint64_t length = rng.below(40);
  for (uint64_t i = 0; i < length; ++i) {
    const uint64_t kind = rng.below(9);
    append_utf8(kFirst[kind] + static_cast<int32_t>(rng.below(kCount[kind])), text);
  }
  return text;
}

inline std::vector<int64_t> ids_of(const Json& json, const std::string& text,
                                   SpecialTokens special = SpecialTokens::kNone) {
  return tokenizer_of(json).encode(text, special);
}

inline Json with_template() {
  Json json = byte_level_json();
  json["post_processor"] = parse_json(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
      {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
      {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<s>","type_id":0}}],"pair":[],
      "special_tokens":{"<s>":{"id":"<s>","ids":[259],"tokens":["<s>"]}}}]})",
                                      "post");
  return json;
}

}  // namespace circuit
