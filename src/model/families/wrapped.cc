// Models of several parts, of which the text part is one of the families'. The others are neither read nor changed.
#include <algorithm>

#include "core/error.h"
#include "model/families/family.h"

namespace circuit {
namespace {

const Family* family_named(const Json& config) {
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return nullptr;
  const auto found = std::find_if(families().begin(), families().end(),
                                  [&](const Family& family) { return family.model_type == *type; });
  return found == families().end() ? nullptr : &*found;
}

// Whose text part attends otherwise than the family alone: a prompt's tokens to all of it, or to another part.
constexpr const char* kOtherwise[] = {"paligemma", "colpali", "granite_speech"};

// Whose head is the text family's.
constexpr const char* kOwnHead[] = {"granite4_vision"};

}  // namespace

bool is_wrapper(const Json& config) {
  const auto text = config.find("text_config");
  return family_named(config) == nullptr && text != config.end() && text->is_object() && family_named(*text) != nullptr;
}

void wrap(const std::string& type, Architecture* a) {
  a->wrapper = type;
  a->notes.push_back("of this model the text part alone is read; its other parts are neither used nor changed");
  if (std::find(std::begin(kOwnHead), std::end(kOwnHead), type) != std::end(kOwnHead)) return;
  if (a->head.scale != 1 || a->head.softcap) {
    a->notes.push_back("the text part's scale or cap of logits is not applied, as in transformers");
  }
  a->head.scale = 1;
  a->head.softcap.reset();
  a->head.bias = false;
}

Architecture read_wrapped(const Json& config, const std::string& place) {
  const std::string type = require_string(config, "model_type", place);
  if (std::find(std::begin(kOtherwise), std::end(kOtherwise), type) != std::end(kOtherwise)) {
    fail(place, "model_type '{}' is not supported: its text part does not attend as a language model does.", type);
  }
  Json text = config.at("text_config");
  for (const char* key : {"bos_token_id", "eos_token_id", "tie_word_embeddings"}) {
    if (config.contains(key) && !config.at(key).is_null()) text[key] = config.at(key);
  }
  Architecture a = family_named(text)->read_config(text, place + ", text_config");
  wrap(type, &a);
  return a;
}

}  // namespace circuit
