// Qwen 2 and 2.5: Llama with biases on q, k and v, and none on the output.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_qwen2_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "qwen2";
  a.every_layer().attention.qkv_bias = true;
  if (optional_bool(config, "use_mrope", false, place)) fail(place, "use_mrope = true is not supported.");
  read_qwen_windows(config, place, &a);
  return a;
}

}  // namespace

Family qwen2_family() { return {"qwen2", read_qwen2_config, llama_like_layout}; }

}  // namespace circuit
