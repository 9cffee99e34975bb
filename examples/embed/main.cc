// libcircuit in another program: find a circuit, see what it carries, tune ten steps of it, save the model.
//   embed MODEL TRAIN.jsonl DEV.jsonl FOLDER     (FOLDER must not exist)
#include <circuit/circuit.h>
#include <fmt/core.h>

#include <filesystem>

int work(const std::string& model, const std::string& train, const std::string& dev, const std::string& folder) {
  std::filesystem::create_directories(folder);
  circuit::ComputeSpec compute;
  compute.threads = 1;

  const circuit::Inspected what = circuit::inspect(model, 16, 64, compute);
  fmt::print("{}: {} parameters, {} edges\n", what.architecture.family, what.parameters, what.edges);

  circuit::DiscoverRequest discovery;
  discovery.model = model;
  discovery.data = dev;
  discovery.compute = compute;
  discovery.score.method = "eap";
  discovery.score.ablation = circuit::find_ablation("mean");
  discovery.selection.n = 200;
  const circuit::Discovered found = circuit::discover(discovery);
  circuit::write_discovered(discovery, found, {folder + "/circuit.json"});
  fmt::print("{} edges, metric {:.3f} over {} examples\n", found.selected.circuit.edges.size(), found.result.metric,
             found.result.examples);

  circuit::EvaluateRequest evaluation;
  evaluation.model = model;
  evaluation.data = dev;
  evaluation.circuit = folder + "/circuit.json";
  evaluation.compute = compute;
  evaluation.ablation = circuit::find_ablation("mean");
  evaluation.what.curve = false;
  evaluation.what.redundancy = 0;
  const circuit::EvaluatedFile carried = circuit::evaluate_file(evaluation);
  if (carried.evaluation.faithfulness) fmt::print("faithfulness {:.3f}\n", carried.evaluation.faithfulness->value);

  circuit::RunConfig run;
  run.model.path = model;
  run.data.train = train;
  run.data.dev = dev;
  run.selection.n = 200;
  run.tuning.steps = 10;
  run.optimizer.schedule.lr = 3e-4;
  run.run.path = folder + "/run";
  const circuit::RunSummary summary = circuit::execute_run(run, compute, circuit::Checks::kUsual);
  fmt::print("dev/metric {:.3f} -> {:.3f}, {} of {} parameters touched\n", summary.before.at("dev/metric"),
             summary.after.at("dev/metric"), summary.touched_parameters, summary.all_parameters);

  circuit::ExportRequest save;
  save.run = run.run.path;
  save.out = folder + "/tuned";
  const circuit::Exported saved = circuit::export_run(save);
  fmt::print("step {} saved: {} tensors changed\n", saved.step, saved.changed_tensors);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  circuit::set_quiet(true);
  try {
    return work(argv[1], argv[2], argv[3], argv[4]);
  } catch (const circuit::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
