// A circuit as a drawing of its own: one SVG file that browsers, editors and papers take.
#pragma once

#include <string>

#include "graph/graph.h"

namespace circuit {

// Layers from bottom (input) to top (logits); of each its heads, and its MLP to their right. Key and value
// readers are ports of their head, or boxes of their own to the left where a group shares them. Only nodes of
// the circuit are drawn. An edge's width and opacity follow |score|, its colour the sign; its title holds
// name and score, which browsers show on hover. Many edges are drawn thinner and paler.
// Well-formed XML; the same bytes for the same circuit.
std::string to_svg(const Graph& graph, const Circuit& circuit, const EdgeScores& scores);

// Both circuits in one drawing, told apart by colour: edges of both, of A alone, of B alone; of an edge of A alone the
// width follows A's score, of the others B's.
std::string to_svg_of_two(const Graph& graph, const Circuit& a, const EdgeScores& scores_a, const Circuit& b,
                          const EdgeScores& scores_b);

}  // namespace circuit
