#include "model/text_part.h"

#include <ATen/ops/equal.h>

#include <algorithm>

#include "model/families/family.h"

namespace circuit {
namespace {

// Where the text part of a larger model stands among its tensors: before their names come those of its module.
void find_text_part(const Checkpoint& checkpoint, Layout* layout) {
  for (const std::string& prefix : {"language_model." + layout->prefix, std::string("model.language_model."),
                                    std::string("model.text_model."), layout->prefix}) {
    if (!checkpoint.contains(prefix + layout->embedding)) continue;
    layout->prefix = prefix;
    break;
  }
  if (layout->unembedding == layout->embedding) return;
  const bool inside =
      !checkpoint.contains(layout->unembedding) && checkpoint.contains("language_model." + layout->unembedding);
  layout->head_prefix = inside ? "language_model." : "";
}

Layout layout_in(const Checkpoint& checkpoint, Architecture architecture, bool tied) {
  architecture.head.tied = tied;
  Layout layout = layout_of(architecture);
  if (!architecture.wrapper.empty()) find_text_part(checkpoint, &layout);
  return layout;
}

// Where embedding and head stand, were they apart.
TiedCopy places_of(const Checkpoint& checkpoint, const Architecture& architecture, const Layout& layout) {
  const std::string prefix = checkpoint.contains(layout.prefix + layout.embedding) ? layout.prefix : "";
  const Layout apart = layout_in(checkpoint, architecture, false);
  return {with_prefix(layout, prefix, layout.embedding), with_prefix(apart, prefix, apart.unembedding)};
}

bool are_equal(const Checkpoint& checkpoint, const TiedCopy& places) {
  const at::Tensor e = checkpoint.tensor(places.embedding);
  const at::Tensor h = checkpoint.tensor(places.head);
  return e.scalar_type() == h.scalar_type() && at::equal(e, h);
}

}  // namespace

Layout settle_layout(const Checkpoint& checkpoint, Architecture* architecture) {
  bool& tied = architecture->head.tied;
  Layout layout = layout_in(checkpoint, *architecture, tied);
  const TiedCopy places = places_of(checkpoint, *architecture, layout);
  if (!checkpoint.contains(places.embedding) || places.head == places.embedding) return layout;
  const bool has_head = checkpoint.contains(places.head);
  if (!tied) {
    if (architecture->wrapper.empty() || has_head) return layout;
    architecture->notes.push_back("there is no " + places.head + ": the head is the embedding");
  } else {
    if (!has_head || are_equal(checkpoint, places)) return layout;
    architecture->notes.push_back("tie_word_embeddings is true, but " + places.head +
                                  " is there and differs: it is the head, as transformers takes it");
  }
  tied = !tied;
  return layout_in(checkpoint, *architecture, tied);
}

std::optional<TiedCopy> tied_copy(const Checkpoint& checkpoint) {
  const auto type = checkpoint.config().find("model_type");
  const bool known = type != checkpoint.config().end() && type->is_string() &&
                     std::any_of(families().begin(), families().end(),
                                 [&](const Family& family) { return family.model_type == *type; });
  if (!known && !is_wrapper(checkpoint.config())) return std::nullopt;
  Architecture architecture = read_architecture(checkpoint.config(), checkpoint.config_path());
  if (!architecture.head.tied) return std::nullopt;
  const Layout layout = layout_in(checkpoint, architecture, true);
  TiedCopy places = places_of(checkpoint, architecture, layout);
  const bool both = places.head != places.embedding && checkpoint.contains(places.embedding) &&
                    checkpoint.contains(places.head) && are_equal(checkpoint, places);
  return both ? std::optional(std::move(places)) : std::nullopt;
}

}  // namespace circuit
