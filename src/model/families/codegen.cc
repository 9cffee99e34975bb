// CodeGen: GPT-J with q, k and v of all heads in one tensor, in four chunks.
#include "core/error.h"
#include "model/families/gptj.h"

namespace circuit {
namespace {

Architecture read_codegen_config(const Json& config, const std::string& place) {
  Architecture a = read_gptj(config, place);
  a.family = "codegen";
  if (a.n_heads % 4 != 0) fail(place, "n_head: found {}, expected a multiple of 4.", a.n_heads);
  return a;
}

Layout codegen_layout(const Architecture& a) {
  LayoutNames names = gptj_names();
  names.qkv = "attn.qkv_proj";
  names.order = FusedOrder::kInChunks;
  return layout_by_names(a, names);
}

}  // namespace

Family codegen_family() { return {"codegen", read_codegen_config, codegen_layout}; }

}  // namespace circuit
