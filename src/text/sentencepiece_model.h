// The models and the normaliser of a SentencePiece file, as the library sentencepiece works them.
#pragma once

#include <memory>

#include "text/normalizer.h"
#include "text/sentencepiece_file.h"
#include "text/token_model.h"

namespace circuit {

// Unigram (Kudo 2018, Viterbi) or BPE with the pieces' scores, with bytes for unknown characters where the file says
// so; a run of unknown characters is one token otherwise. Text cannot spell control, unknown and byte pieces.
std::unique_ptr<TokenModel> make_sentencepiece_model(const SentencePieceFile& file);

// The file's characters map, spaces as U+2581, one at the start, and runs of them as one where the file says so. Throws
// Error naming `place` for a map that is broken.
std::unique_ptr<Normalizer> make_sentencepiece_normalizer(const SentencePieceFile& file, const std::string& place);

}  // namespace circuit
