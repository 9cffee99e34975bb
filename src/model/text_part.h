// What a model's files say beyond config.json: where the text part of a larger model stands, and whether its head is
// the embedding.
#pragma once

#include <optional>
#include <string>

#include "model/checkpoint.h"
#include "model/model.h"

namespace circuit {

// The layout of the architecture in these files. Whether the head is the embedding is for the files to say too, as
// transformers has it: two matrices that differ are not tied, and what wraps a language model and has no head of its
// own is. Changes head.tied then, and says so in the notes.
Layout settle_layout(const Checkpoint& checkpoint, Architecture* architecture);

// A second copy of a tied embedding, under the head's name, which some files have: what changes the one must change the
// other, or they are tied no more.
struct TiedCopy {
  std::string embedding, head;  // names in the file
};
// None for a model of a family that is not known.
std::optional<TiedCopy> tied_copy(const Checkpoint& checkpoint);

}  // namespace circuit
