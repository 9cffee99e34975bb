// Every circuit of several evaluated on every task of several: what one circuit carries of another's task.
#pragma once

#include <circuit/api.h>

#include <string>
#include <vector>

#include "evaluation/evaluate_file.h"
#include "io/json.h"

namespace circuit {

struct CircuitMatrix {
  std::vector<std::string> tasks, circuits;           // files of records, of circuits: rows, columns
  std::vector<std::vector<CircuitEvaluation>> cells;  // [task][circuit]: metric and faithfulness, as one alone has them
  // [circuit][circuit], Jaccard index of the edges that are run.
  std::vector<std::vector<double>> overlap;
};

// Of `request` all but data, circuit, against, and of what is evaluated the pruning: every cell is what evaluate_file
// says of its two files, bit for bit. One pass over each task. Says on stderr
// on which task faithfulness is not defined. Throws Error naming the file or the record, also for a circuit whose nodes
// are not those of the first.
CIRCUIT_API CircuitMatrix evaluate_matrix(const EvaluateRequest& request, const std::vector<std::string>& data,
                                          const std::vector<std::string>& circuits);

// metric, ablation: their names.
Json matrix_json(const CircuitMatrix& matrix, const std::string& metric, const std::string& ablation);
// Of that JSON: a table of faithfulness, one of the overlaps.
std::string matrix_text(const Json& json);

}  // namespace circuit
