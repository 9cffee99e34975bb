// Gemma 2: scores and logits are soft-capped, every other layer from the first has a window.
#include "model/families/gemma.h"

namespace circuit {
namespace {

// Hugging Face's, where config.json leaves the key out. null means no cap.
constexpr double kDefaultScoreCap = 50;
constexpr double kDefaultLogitCap = 30;

Architecture read_gemma2_config(const Json& config, const std::string& place) {
  Architecture a = read_gemma(config, place, {"", 2});
  a.family = "gemma2";
  const auto cap = read_softcap(config, "attn_logit_softcapping", kDefaultScoreCap, place);
  for (LayerSpec& kind : a.layer_kinds) kind.attention.softcap = cap;
  a.head.softcap = read_softcap(config, "final_logit_softcapping", kDefaultLogitCap, place);
  return a;
}

}  // namespace

Family gemma2_family() { return {"gemma2", read_gemma2_config, llama_like_layout}; }

}  // namespace circuit
