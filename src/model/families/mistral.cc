// Mistral: Llama without biases, with a sliding window of attention in its first version.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

// Where config.json leaves the key out, as Hugging Face reads it. null means no window.
constexpr int64_t kDefaultWindow = 4096;

Architecture read_mistral_config(const Json& config, const std::string& place) {
  LlamaLike like;
  like.default_kv_heads = 8;
  Architecture a = read_llama_like(config, place, like);
  a.family = "mistral";
  const auto window = config.find("sliding_window");
  if (window != config.end() && window->is_null()) return a;
  const int64_t tokens = optional_size(config, "sliding_window", kDefaultWindow, place);
  a.every_layer().attention.window = tokens;
  a.notes.push_back(
      fmt::format("sliding_window = {}: a token attends to itself and the {} before it", tokens, tokens - 1));
  return a;
}

}  // namespace

Family mistral_family() { return {"mistral", read_mistral_config, llama_like_layout}; }

}  // namespace circuit
