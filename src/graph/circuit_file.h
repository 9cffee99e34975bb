// A circuit on disk: the JSON that EAP-IG and MIB read, and a compact safetensors form (docs/formats.md).
#pragma once

#include <map>
#include <string>

#include "graph/graph.h"
#include "model/architecture.h"

namespace circuit {

// Every edge with its score and membership; `meta` says how they were made. Written by atomic rename.
void write_circuit_json(const std::string& path, const Architecture& architecture, const Graph& graph,
                        const EdgeScores& scores, const Circuit& circuit,
                        const std::map<std::string, std::string>& meta);

// scores [edges] float32 and circuit [edges] uint8, in edge order; node names and meta in the metadata.
void write_circuit_compact(const std::string& path, const Graph& graph, const EdgeScores& scores,
                           const Circuit& circuit, const std::map<std::string, std::string>& meta);

}  // namespace circuit
