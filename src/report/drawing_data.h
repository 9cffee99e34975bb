// The circuits over time in the compact form that page/drawing.js reads.
#pragma once

#include <cstdint>
#include <string>

#include "io/json.h"
#include "report/run_data.h"

namespace circuit {

// {"upstream": [name…], "downstream": [name…], "edges": [u0, d0, u1, d1, …] (indices of those lists),
//  "frames": [{"step", "n_edges", "n_nodes", "share", "scale",
//              "ids", "scores": the strongest edges, "upstream", "downstream": strengths}…],
//  "discoveries": how many there were, "parallel": attention and MLP side by side,
//  "id_bytes": 2 or 4}
// ids: base64 of little-endian indices of "edges"; scores and strengths: base64 of float16, times scale.
// Edges whose nodes are not in the node lists are left out.
Json drawing_data(const RunData& run);

std::string base64(const std::string& bytes);
// Nearest IEEE half, ties to even; overflow gives infinity.
uint16_t to_half(float value);

}  // namespace circuit
