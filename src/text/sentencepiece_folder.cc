#include <algorithm>

#include "core/error.h"
#include "io/files.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"

namespace circuit {
namespace {

// Classes of transformers that take the file as it is; others put tokens elsewhere or change texts before.
constexpr const char* kPlainClasses[] = {
    "", "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "PreTrainedTokenizer", "TokenizersBackend"};

// As transformers adds them: control and unknown pieces are special, the user's pieces are not.
void add_pieces(const SentencePieceFile& file, const std::string& place, TokenizerParts& parts) {
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    const bool control = piece.type == PieceType::kControl || piece.type == PieceType::kUnknown;
    if (!control) continue;
    AddedToken token;
    token.id = static_cast<int64_t>(id);
    token.content = piece.text;
    token.special = true;
    parts.added.add(token, *parts.model, place);
  }
}

std::unique_ptr<Decoder> make_decoder(const SentencePieceFile& file, const std::string& place) {
  Json steps = Json::array();
  steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}});
  if (file.byte_fallback) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (file.add_dummy_prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return read_decoder({{"type", "Sequence"}, {"decoders", steps}}, place);
}

}  // namespace

TokenizerParts read_sentencepiece_folder(const std::string& folder) {
  const std::string place = folder + "/tokenizer.model";
  const TokenizerConfig config = read_tokenizer_config(folder);
  const bool plain = std::any_of(std::begin(kPlainClasses), std::end(kPlainClasses),
                                 [&](const char* name) { return config.tokenizer_class == name; });
  if (!plain) {
    fail(config.place, "tokenizer_class: '{}' reads tokenizer.model in a way of its own. Give a tokenizer.json.",
         config.tokenizer_class);
  }
  const MappedFile mapped(place);
  SentencePieceFile file = read_sentencepiece_file(mapped.text(), place);
  if (!config.prepends_space) file.add_dummy_prefix = false;
  const Json json = file_exists(config.place) ? read_json(config.place, NonFinite::kKeep) : Json::object();
  file.prefix_every_chunk = optional_bool(json, "legacy", false, config.place);
  TokenizerParts parts;
  parts.model = make_sentencepiece_model(file);
  parts.normalizer = make_sentencepiece_normalizer(file, place);
  parts.decoder = make_decoder(file, place);
  add_pieces(file, place, parts);
  const auto named = [&](int64_t id) {
    return parts.model->token_of(id) == nullptr ? std::nullopt : std::optional<int64_t>(id);
  };
  parts.bos_id = named(file.bos_id);
  parts.eos_id = named(file.eos_id);
  apply_tokenizer_config(config, parts);
  return parts;
}

}  // namespace circuit
