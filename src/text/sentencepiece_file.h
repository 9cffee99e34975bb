// SentencePiece's tokenizer.model: a protocol buffer (sentencepiece_model.proto, ModelProto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace circuit {

enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

struct SentencePieceFile {
  std::vector<SentencePiece> pieces;  // by id
  bool is_unigram = true;             // else BPE
  bool byte_fallback = false;
  int64_t unk_id = 0, bos_id = 1, eos_id = 2;  // of the trainer; -1: none
  std::string charsmap;                        // how characters are normalised; empty: they are not
  bool add_dummy_prefix = true;
  bool prefix_every_chunk = false;  // also behind added tokens: not of the file, transformers' "legacy"
  bool remove_extra_whitespaces = true;
};

// Throws Error naming `place` for a file that is cut off or no such protocol buffer, for models of other types (WORD,
// CHAR), and for settings that are not supported.
SentencePieceFile read_sentencepiece_file(std::string_view bytes, const std::string& place);

}  // namespace circuit
