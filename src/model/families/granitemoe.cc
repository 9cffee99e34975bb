// Granite MoE: Granite with experts, all of them in one tensor a matrix.
#include "core/error.h"
#include "model/families/llama_like.h"

namespace circuit {
namespace {

Architecture read_granitemoe_config(const Json& config, const std::string& place) {
  Architecture a = read_llama_like(config, place);
  a.family = "granitemoe";
  read_multipliers(config, place, &a);
  read_experts(config, place, {}, &a);
  return a;
}

Layout granitemoe_layout(const Architecture& a) {
  LayoutNames names;
  names.router = "block_sparse_moe.router.layer";
  names.all_gate_in = "block_sparse_moe.input_linear.weight";
  names.all_out = "block_sparse_moe.output_linear.weight";
  return layout_by_names(a, names);
}

}  // namespace

Family granitemoe_family() { return {"granitemoe", read_granitemoe_config, granitemoe_layout}; }

}  // namespace circuit
