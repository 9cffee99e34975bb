// Files of tiktoken: a line a token, its bytes in base64 and its rank, which is its id too.
#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "core/error.h"
#include "io/files.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"

namespace circuit {
namespace {

// Llama 3's (its tokenizer.py, pat_str), which transformers' TikTokenConverter takes as well.
constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// Nothing for what is no base64.
std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.back() != '=' ? 0 : text[text.size() - 2] == '=' ? 2 : 1;
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool pad = i >= text.size() - padding;
    const int value = pad ? 0 : base64_value(text[i]);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xFF);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

std::string byte_level_text(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += byte_characters()[static_cast<unsigned char>(byte)];
  return text;
}

struct RankedToken {
  std::string bytes;
  uint32_t rank = 0;
};

std::optional<RankedToken> read_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::optional<std::string> bytes = from_base64(line.substr(0, space));
  RankedToken token;
  const char* end = line.data() + line.size();
  const auto read = std::from_chars(line.data() + space + 1, end, token.rank);
  if (!bytes || bytes->empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  token.bytes = *bytes;
  return token;
}

std::string_view first_line(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::vector<RankedToken> read_ranks(std::string_view text, const std::string& place) {
  constexpr size_t kLongestToken = 1024;
  std::vector<RankedToken> tokens;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = first_line(&text);
    if (line.empty()) continue;
    const std::optional<RankedToken> token = read_line(line);
    const std::string at = fmt::format("{}:{}", place, number);
    if (!token) fail(at, "expected a token in base64, a space and its rank.");
    if (token->rank > kMaxTokenId) fail(at, "found rank {}, expected at most {}.", token->rank, kMaxTokenId);
    if (token->bytes.size() > kLongestToken) {
      fail(at, "found a token of {} bytes, expected at most {}.", token->bytes.size(), kLongestToken);
    }
    tokens.push_back(*token);
  }
  std::sort(tokens.begin(), tokens.end(), [](const RankedToken& a, const RankedToken& b) { return a.rank < b.rank; });
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].rank == tokens[i - 1].rank) fail(place, "rank {} is there twice.", tokens[i].rank);
  }
  return tokens;
}

// Two tokens that make a third may merge, lowest rank of the third first (transformers, TikTokenConverter).
std::unique_ptr<Bpe> make_model(const std::vector<RankedToken>& tokens, const std::string& place) {
  std::unordered_map<std::string_view, uint32_t> ranks;
  Vocabulary vocabulary;
  for (const RankedToken& token : tokens) {
    if (!ranks.emplace(token.bytes, token.rank).second) fail(place, "the token of rank {} is there twice.", token.rank);
    vocabulary.emplace(byte_level_text(token.bytes), token.rank);
  }
  std::vector<Bpe::Merge> merges;
  for (const RankedToken& token : tokens) {
    std::vector<std::pair<std::pair<uint32_t, uint32_t>, size_t>> splits;  // ranks of both halves, and where
    for (size_t at = 1; at < token.bytes.size(); ++at) {
      const auto left = ranks.find(std::string_view(token.bytes).substr(0, at));
      const auto right = ranks.find(std::string_view(token.bytes).substr(at));
      if (left != ranks.end() && right != ranks.end()) splits.push_back({{left->second, right->second}, at});
    }
    std::sort(splits.begin(), splits.end());
    for (const auto& [halves, at] : splits) {
      merges.emplace_back(byte_level_text(token.bytes.substr(0, at)), byte_level_text(token.bytes.substr(at)));
    }
  }
  BpeOptions options;
  options.ignore_merges = true;
  return std::make_unique<Bpe>(std::move(vocabulary), merges, options, place);
}

}  // namespace

bool is_tiktoken_file(std::string_view text) { return read_line(first_line(&text)).has_value(); }

TokenizerParts read_tiktoken_folder(const std::string& folder) {
  const std::string place = folder + "/tokenizer.model";
  const TokenizerConfig config = read_tokenizer_config(folder);
  const std::string model_place = folder + "/config.json";
  const Json model = file_exists(model_place) ? read_json(model_place, NonFinite::kKeep) : Json::object();
  const std::string family = model.is_object() ? optional_string(model, "model_type", "", model_place) : "";
  if (family != "llama") {
    fail(place,
         "it is a file of tiktoken; how texts are cut before is known of model_type llama (Llama 3), not of '{}'. "
         "Give a tokenizer.json.",
         family);
  }
  const MappedFile mapped(place);
  TokenizerParts parts;
  parts.model = make_model(read_ranks(mapped.text(), place), place);
  const Json split{{"type", "Split"}, {"pattern", {{"Regex", kLlama3Pattern}}}, {"behavior", "Isolated"}};
  const Json bytes{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  parts.pre_tokenizer =
      read_pre_tokenizer({{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}}, place);
  parts.decoder = read_decoder(Json{{"type", "ByteLevel"}}, place);
  apply_tokenizer_config(config, parts);
  return parts;
}

}  // namespace circuit
