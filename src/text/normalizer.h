// Changes the text before it is cut into pieces (tokenizer.json's "normalizer").
#pragma once

#include <memory>
#include <string>

#include "io/json.h"
#include "text/aligned_text.h"

namespace circuit {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // `text` is valid UTF-8, and so is the result; its origin follows every change.
  virtual AlignedText apply(AlignedText text) const = 0;
  // Upper bound of bytes out per byte in that matters when steps are chained.
  virtual double growth() const { return 1; }
};

// NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace and Sequence; null for a JSON null.
// Throws Error naming `place` and the key for anything else.
std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& place);

// The Unicode normalisation form called NFC, NFD, NFKC or NFKD; null for another name.
std::unique_ptr<Normalizer> make_unicode_form(const std::string& name);

}  // namespace circuit
