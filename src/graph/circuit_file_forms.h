// The two forms of a circuit file, read whole. Used by read_circuit only.
#pragma once

#include <string>
#include <string_view>

#include "graph/circuit_file.h"

namespace circuit {

// text: the file; place: its path, for errors. What they throw: read_circuit in circuit_file.h.
CircuitFile parse_circuit_json(std::string_view text, const std::string& place);
CircuitFile parse_circuit_compact(std::string_view bytes, const std::string& place);

// Throws Error for a share outside [0, 1], naming the edge.
void check_stability(double share, const std::string& edge, const std::string& place);

}  // namespace circuit
