#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "text/gguf_tokenizer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// The token that the classes below use as begin, end and unknown token when the files name none.
constexpr const char* kEndOfText = "<|endoftext|>";

// What a tokenizer_class stands for when there is no tokenizer.json that spells it out.
struct TokenizerClass {
  const char* name;
  const char* normalizer;  // a Unicode form, or null
  const char* pattern;     // null: ByteLevel's own
  bool has_bos;            // kEndOfText is its begin token by default
};
const TokenizerClass kClasses[] = {
    {"GPT2Tokenizer", nullptr, nullptr, true},
    {"Qwen2Tokenizer", "NFC", kQwen2Pattern, false},
    {"GPTNeoXTokenizer", "NFC", nullptr, true},
};

const TokenizerClass& find_class(const TokenizerConfig& config) {
  // vocab.json and merges.txt alone are GPT-2's layout.
  const std::string name = config.tokenizer_class.empty() ? kClasses[0].name : config.tokenizer_class;
  for (const TokenizerClass& known : kClasses) {
    if (name == known.name) return known;
  }
  fail(config.place,
       "tokenizer_class: found '{}', expected GPT2Tokenizer, Qwen2Tokenizer or GPTNeoXTokenizer. Others need "
       "a "
       "tokenizer.json.",
       name);
}

std::vector<Bpe::Merge> read_merges(const std::string& path) {
  const std::string content = read_file(path);
  if (!is_valid_utf8(content)) fail(path, "invalid UTF-8.");
  std::vector<Bpe::Merge> merges;
  std::string_view text = content;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.substr(0, 8) == "#version") continue;
    const size_t space = line.find(' ');
    const bool one_space = space != std::string_view::npos && line.find(' ', space + 1) == std::string_view::npos;
    if (!one_space) fail(fmt::format("{}:{}", path, number), "found '{}', expected two tokens and one space.", line);
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const TokenizerClass& kind, const TokenizerConfig& config) {
  Json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", config.add_prefix_space.value_or(false)}};
  if (kind.pattern == nullptr) return read_pre_tokenizer(byte_level, config.place);
  byte_level["use_regex"] = false;
  const Json split{{"type", "Split"}, {"pattern", {{"Regex", kind.pattern}}}, {"behavior", "Isolated"}};
  const Json steps{{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}};
  return read_pre_tokenizer(steps, config.place);
}

void add_default_tokens(const TokenizerClass& kind, TokenizerParts& parts) {
  const auto id = parts.model->id_of(kEndOfText);
  if (!id) return;
  AddedToken token;
  token.id = *id;
  token.content = kEndOfText;
  token.special = true;
  parts.added.add(token, *parts.model, "tokenizer");
  if (kind.has_bos) parts.bos_id = token.id;
  parts.eos_id = token.id;
}

}  // namespace

TokenizerParts read_tokenizer_files(const std::string& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const TokenizerClass& kind = find_class(config);
  const std::string vocab_path = folder + "/vocab.json";
  const std::string merges_path = folder + "/merges.txt";
  TokenizerParts parts;
  parts.model = std::make_unique<Bpe>(read_vocabulary(read_json(vocab_path), vocab_path), read_merges(merges_path),
                                      BpeOptions{}, merges_path);
  if (kind.normalizer != nullptr) parts.normalizer = make_unicode_form(kind.normalizer);
  parts.pre_tokenizer = make_pre_tokenizer(kind, config);
  parts.decoder = read_decoder(Json{{"type", "ByteLevel"}}, config.place);
  add_default_tokens(kind, parts);
  apply_tokenizer_config(config, parts);
  return parts;
}

TokenizerParts read_gguf_tokenizer(const std::string& path) {
  const MappedFile file(path);
  const GgufHeader header = GgufHeader::parse(file.text(), path);
  TokenizerParts parts = read_tokenizer_root(gguf_tokenizer_json(header), path);
  apply_tokenizer_config(parse_tokenizer_config(gguf_tokenizer_config(header), path), parts);
  return parts;
}

Tokenizer Tokenizer::load(const std::string& path) {
  std::error_code ignored;
  if (const auto gguf = gguf_of(path)) return Tokenizer(read_gguf_tokenizer(*gguf));
  if (!fs::is_directory(path, ignored)) {
    const MappedFile file(path);
    return Tokenizer(read_tokenizer_json(file.text(), path));
  }
  const std::string json_path = path + "/tokenizer.json";
  if (file_exists(json_path)) {
    const MappedFile file(json_path);
    const TokenizerConfig config = read_tokenizer_config(path);
    TokenizerParts parts =
        read_tokenizer_json(file.text(), json_path, {config.add_prefix_space, config.prepends_space});
    apply_tokenizer_config(config, parts);
    return Tokenizer(std::move(parts));
  }
  if (file_exists(path + "/vocab.json") && file_exists(path + "/merges.txt")) {
    return Tokenizer(read_tokenizer_files(path));
  }
  if (file_exists(path + "/tokenizer.model")) {
    const bool ranks = is_tiktoken_file(MappedFile(path + "/tokenizer.model").text());
    return Tokenizer(ranks ? read_tiktoken_folder(path) : read_sentencepiece_folder(path));
  }
  fail(path, "no tokenizer found, expected tokenizer.json, or vocab.json and merges.txt, or tokenizer.model.");
}

}  // namespace circuit
