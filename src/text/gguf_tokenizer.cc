#include "text/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "text/pre_tokenizer.h"

namespace circuit {
namespace {

const std::string kGgmlKey = "tokenizer.ggml.";
constexpr const char* kSpace = "\u2581";  // SentencePiece's space

// tokenizer.ggml.token_type
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;

// Llama 3's own pattern (its tokenizer.json, pre_tokenizer).
constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What a name in tokenizer.ggml.pre stands for: the tokenizer.json of the models that llama.cpp gives it to.
struct GgufPre {
  const char* name;
  bool digits;             // each digit is a piece, before the pattern
  const char* pattern;     // null: ByteLevel's own
  const char* normalizer;  // a Unicode form, or null
  bool ignore_merges;
  bool adds_bos;  // where tokenizer.ggml.add_bos_token does not say
};

const GgufPre& find_pre(const GgufHeader& header) {
  const std::string key = kGgmlKey + "pre";
  if (!header.has(key)) {
    fail(header.place(), "{}: is missing: the file does not say how text is cut. Convert the model anew.", key);
  }
  static const GgufPre kPre[] = {
      {"gpt-2", false, nullptr, nullptr, false, false},          {"smollm", true, nullptr, nullptr, false, false},
      {"llama-bpe", false, kLlama3Pattern, nullptr, true, true}, {"llama3", false, kLlama3Pattern, nullptr, true, true},
      {"llama-v3", false, kLlama3Pattern, nullptr, true, true},  {"qwen2", false, kQwen2Pattern, "NFC", false, false},
  };
  const std::string name = header.text(key);
  for (const GgufPre& pre : kPre) {
    if (name == pre.name) return pre;
  }
  fail(header.place(), "{}: '{}' is not read. Read are gpt-2, smollm, llama-bpe, qwen2.", key, name);
}

bool is_sentencepiece(const GgufHeader& header) {
  const std::string model = header.text(kGgmlKey + "model");
  if (model != "gpt2" && model != "llama") {
    fail(header.place(), "{}model: found '{}', expected gpt2 or llama.", kGgmlKey, model);
  }
  return model == "llama";
}

// The token of a role, as an id below `count`.
std::optional<int64_t> role_id(const GgufHeader& header, const std::string& role, size_t count) {
  const std::string key = kGgmlKey + role + "_token_id";
  const std::optional<int64_t> id = header.optional_integer(key);
  // Files without such a token say so with the largest number.
  if (!id || *id == UINT32_MAX || *id == -1) return std::nullopt;
  if (*id < 0 || *id >= static_cast<int64_t>(count)) {
    fail(header.place(), "{}: found {}, but there are {} tokens.", key, *id, count);
  }
  return id;
}

std::vector<std::string> read_tokens(const GgufHeader& header) {
  std::vector<std::string> tokens = header.texts(kGgmlKey + "tokens");
  if (tokens.empty()) fail(header.place(), "{}tokens: is empty.", kGgmlKey);
  return tokens;
}

Json vocabulary_json(const GgufHeader& header, const std::vector<std::string>& tokens) {
  Json vocabulary = Json::object();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!vocabulary.emplace(tokens[id], id).second) {
      fail(header.place(), "{}tokens[{}]: '{}' stands there twice.", kGgmlKey, id, tokens[id]);
    }
  }
  return vocabulary;
}

Json added_tokens_json(const GgufHeader& header, const std::vector<std::string>& tokens) {
  Json added = Json::array();
  const std::string key = kGgmlKey + "token_type";
  if (!header.has(key)) return added;
  const std::vector<int64_t> types = header.integers(key);
  if (types.size() != tokens.size()) {
    fail(header.place(), "{}: has {} elements, expected {}, one a token.", key, types.size(), tokens.size());
  }
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (types[id] != kControl && types[id] != kUserDefined) continue;
    if (tokens[id].empty())
      fail(header.place(), "{}tokens[{}]: a token that is found as it stands is empty.", kGgmlKey, id);
    added.push_back({{"id", id},
                     {"content", tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", types[id] == kControl}});
  }
  return added;
}

// "left right" of each token that is two others side by side: the best scores first, as SentencePiece merges.
Json merges_of_scores(const GgufHeader& header, const std::vector<std::string>& tokens) {
  const std::vector<double> scores = header.numbers(kGgmlKey + "scores");
  if (scores.size() != tokens.size()) {
    fail(header.place(), "{}scores: has {} elements, expected {}, one a token.", kGgmlKey, scores.size(),
         tokens.size());
  }
  std::unordered_map<std::string, size_t> id_of;
  size_t longest = 0;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!std::isfinite(scores[id])) fail(header.place(), "{}scores[{}]: is not finite.", kGgmlKey, id);
    id_of.emplace(tokens[id], id);
    longest = std::max(longest, tokens[id].size());
  }
  constexpr size_t kLongestToken = 512;  // SentencePiece's have 16 characters unless told otherwise
  if (longest > kLongestToken) {
    fail(header.place(), "{}tokens: one has {} bytes, at most {} are read.", kGgmlKey, longest, kLongestToken);
  }
  struct ScoredMerge {
    double score;
    size_t left_length, right_length, whole, left, right;
  };
  std::vector<ScoredMerge> found;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string& whole = tokens[id];
    const size_t first = found.size();
    size_t characters = 0;
    for (const char c : whole) characters += (c & 0xC0) != 0x80;
    size_t before = 0;
    for (size_t at = 1; at < whole.size(); ++at) {
      before += (whole[at - 1] & 0xC0) != 0x80;
      if ((whole[at] & 0xC0) == 0x80) continue;
      const auto left = id_of.find(whole.substr(0, at));
      const auto right = id_of.find(whole.substr(at));
      if (left == id_of.end() || right == id_of.end()) continue;
      found.push_back({scores[id], before, characters - before, id, left->second, right->second});
    }
    std::sort(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(),
              [](const auto& a, const auto& b) { return std::tie(a.left, a.right) < std::tie(b.left, b.right); });
  }
  std::stable_sort(found.begin(), found.end(), [](const ScoredMerge& a, const ScoredMerge& b) {
    return std::tie(a.score, a.left_length, a.right_length) > std::tie(b.score, b.left_length, b.right_length);
  });
  Json merges = Json::array();
  for (const ScoredMerge& c : found) merges.push_back({tokens[c.left], tokens[c.right]});
  return merges;
}

// A token of the vocabulary around every text.
Json template_json(const std::vector<std::string>& tokens, std::optional<int64_t> bos, std::optional<int64_t> eos) {
  if (!bos && !eos) return nullptr;
  Json single = Json::array();
  Json pair = Json::array();
  Json special = Json::object();
  const auto put = [&](std::optional<int64_t> id, int type) {
    if (!id) return;
    const std::string& token = tokens[static_cast<size_t>(*id)];
    if (type == 0) single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    pair.push_back({{"SpecialToken", {{"id", token}, {"type_id", type}}}});
    special[token] = {{"id", token}, {"ids", {*id}}, {"tokens", {token}}};
  };
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  put(bos, 0);
  single.push_back(text("A", 0));
  pair.push_back(text("A", 0));
  put(eos, 0);
  put(bos, 1);
  pair.push_back(text("B", 1));
  put(eos, 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

std::optional<int64_t> token_around(const GgufHeader& header, const std::string& role, bool by_default, size_t count) {
  const std::string key = kGgmlKey + "add_" + role + "_token";
  if (!header.flag(key, by_default)) return std::nullopt;
  const std::optional<int64_t> id = role_id(header, role, count);
  if (!id && header.has(key))
    fail(header.place(), "{}: is true, but {}{}_token_id names no token.", key, kGgmlKey, role);
  return id;
}

Json byte_level_json(const GgufHeader& header, const std::vector<std::string>& tokens) {
  const GgufPre& pre = find_pre(header);
  Json byte_level{{"type", "ByteLevel"},
                  {"add_prefix_space", false},
                  {"trim_offsets", true},
                  {"use_regex", pre.pattern == nullptr}};
  Json steps = Json::array();
  if (pre.digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  if (pre.pattern != nullptr) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pre.pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back(byte_level);
  Json merges = Json::array();
  for (std::string& merge : header.texts(kGgmlKey + "merges")) merges.push_back(std::move(merge));
  Json root;
  root["normalizer"] = pre.normalizer == nullptr ? Json() : Json{{"type", pre.normalizer}};
  root["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
  byte_level["use_regex"] = true;
  root["decoder"] = byte_level;
  root["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", pre.ignore_merges},
                   {"vocab", vocabulary_json(header, tokens)},
                   {"merges", merges}};
  root["post_processor"] = template_json(tokens, token_around(header, "bos", pre.adds_bos, tokens.size()),
                                         token_around(header, "eos", false, tokens.size()));
  return root;
}

Json sentencepiece_json(const GgufHeader& header, const std::vector<std::string>& tokens) {
  const bool prefix = header.flag(kGgmlKey + "add_space_prefix", true);
  Json decoders = Json::array();
  decoders.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}});
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  const std::optional<int64_t> unknown = role_id(header, "unknown", tokens.size());
  Json root;
  // As Llama 2's tokenizer.json and llama.cpp have it: a space before every stretch between added tokens.
  Json normalizers = Json::array();
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}});
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
  root["pre_tokenizer"] = nullptr;
  root["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
  root["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", unknown ? Json(tokens[static_cast<size_t>(*unknown)]) : Json()},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"ignore_merges", false},
                   {"vocab", vocabulary_json(header, tokens)},
                   {"merges", merges_of_scores(header, tokens)}};
  root["post_processor"] = template_json(tokens, token_around(header, "bos", true, tokens.size()),
                                         token_around(header, "eos", false, tokens.size()));
  return root;
}

}  // namespace

Json gguf_tokenizer_json(const GgufHeader& header) {
  const bool sentencepiece = is_sentencepiece(header);
  const std::vector<std::string> tokens = read_tokens(header);
  Json root = sentencepiece ? sentencepiece_json(header, tokens) : byte_level_json(header, tokens);
  root["version"] = "1.0";
  root["truncation"] = nullptr;
  root["padding"] = nullptr;
  root["added_tokens"] = added_tokens_json(header, tokens);
  return root;
}

Json gguf_tokenizer_config(const GgufHeader& header) {
  Json config{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const std::vector<std::string> tokens = read_tokens(header);
  for (const auto& [key, role] :
       {std::pair{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}}) {
    if (const auto id = role_id(header, role, tokens.size())) config[key] = tokens[static_cast<size_t>(*id)];
  }
  if (header.has("tokenizer.chat_template")) config["chat_template"] = header.text("tokenizer.chat_template");
  return config;
}

}  // namespace circuit
