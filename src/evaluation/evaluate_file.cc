#include "evaluation/evaluate_file.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "evaluation/evaluation_text.h"
#include "graph/circuit_file.h"
#include "scoring/memory.h"

namespace circuit {

EvaluatedFile evaluate_file(const EvaluateRequest& r) {
  find_metric(r.metric);
  return evaluate_file(r, OpenModel(r.model, r.compute));
}

EvaluatedFile evaluate_file(const EvaluateRequest& r, const OpenModel& open) {
  ScoreSpec spec(find_metric(r.metric));
  spec.ablation = r.ablation;
  CircuitFile as_written = read_circuit(r.circuit);
  if (r.negate) {
    for (float& score : as_written.scores.values) score = -score;
  }
  const Graph graph = as_written.shape.graph_of(open.model.architecture(), r.circuit);
  const CircuitFile file = on_graph(std::move(as_written), graph, r.circuit);
  const ScoredRecords records(r.data, r.ablation_data, open, r.records, &spec);
  spec.batch = batch_in_memory(plan_circuits(open.model, graph, longest_of(records.examples)), r.batch, r.compute);
  if (r.what.baselines && as_run(graph, file.circuit, r.what.pruning).edges.empty()) {
    fail(r.circuit, "none of its {} edges is run: baselines of its size would be empty. Leave them out.",
         file.circuit.edges.size());
  }
  EvaluatedFile found;
  found.what = r.what;
  // Sizes are cut out of a ranking, which a file without scores does not have.
  const std::vector<float>& scores = file.scores.values;
  const bool scored = std::any_of(scores.begin(), scores.end(), [](float s) { return s != 0; });
  if (!scored && r.what.curve) log_info("{}: every score is zero: no curve, CPR or CMD.", r.circuit);
  found.what.curve = r.what.curve && scored;
  const SliceTable slices(graph, open.model);
  Rng rng = Rng(r.seed).split("evaluate");
  {
    Progress progress("evaluate", static_cast<int64_t>(records.examples.size()));
    found.evaluation = evaluate_circuit(open.model, {graph, file.scores, slices}, file.circuit, records.examples, spec,
                                        found.what, rng, [&](int64_t done, int64_t) { progress.update(done); });
  }
  if (!found.evaluation.faithfulness) log_warning("{}", why_undefined(found.evaluation));
  if (r.against.empty()) return found;
  CircuitFile reference = read_circuit(r.against);
  reference.shape.graph_of(open.model.architecture(), r.against);
  found.against = recovery(file.circuit, file.scores, on_graph(std::move(reference), graph, r.against).circuit);
  return found;
}

}  // namespace circuit
