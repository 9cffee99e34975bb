#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "dynamics/diff_text.h"
#include "graph/svg.h"
#include "io/files.h"
#include "io/outputs.h"
#include "task/open_model.h"

namespace circuit {
namespace {

struct DiffArguments {
  CommonOptions common;
  std::string a, b, svg;
  int64_t top = 10;
};

int diff_two_circuits(const DiffArguments& o, DiffSide a, DiffSide b) {
  const Graph graph = on_one_graph(&a, &b);
  const CircuitDiff d =
      diff_circuits(graph, a.circuit->circuit, a.circuit->scores, b.circuit->circuit, b.circuit->scores);
  if (!o.svg.empty()) {
    write_file(o.svg,
               to_svg_of_two(graph, a.circuit->circuit, a.circuit->scores, b.circuit->circuit, b.circuit->scores));
  }
  fmt::print("{}",
             o.common.json ? circuits_json(a, b, graph, d, o.top).dump() + "\n" : circuits_text(a, b, graph, d, o.top));
  return 0;
}

int diff_two_models(const DiffArguments& o, const DiffSide& a, const DiffSide& b) {
  if (!o.svg.empty()) throw UsageError("[diff] --svg draws two circuits: these are models.");
  const OpenModel open(a.name, o.common);
  // A mapping of its own: the model's parameters may be views of the other.
  const WeightDiff d = diff_weights(Checkpoint::open(a.name), open.model, Checkpoint::open(b.name));
  fmt::print("{}", o.common.json ? weights_json(a, b, d).dump() + "\n" : weights_text(a, b, d, o.top));
  return 0;
}

int run(const DiffArguments& o) {
  apply_common(o.common);
  check_outputs({o.a, o.b}, {{"--svg", o.svg}});
  DiffSide a = open_diff_side(o.a);
  DiffSide b = open_diff_side(o.b);
  if (a.circuit.has_value() != b.circuit.has_value()) {
    fail("diff", "{} is a circuit and {} a model: compare two circuits or two models.", a.circuit ? o.a : o.b,
         a.circuit ? o.b : o.a);
  }
  return a.circuit ? diff_two_circuits(o, std::move(a), std::move(b)) : diff_two_models(o, a, b);
}

}  // namespace

void add_diff(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<DiffArguments>();
  CLI::App* command =
      program.add_subcommand("diff", "two circuits (files, runs, steps of a run) or two models compared");
  command->footer(
      "Examples:\n  circuit diff before.json after.json\n  circuit diff runs/agreement:0 runs/agreement:500\n"
      "  circuit diff runs/agreement:0 runs/agreement --svg moved.svg\n  circuit diff gpt2 tuned --top 40");
  command->add_option("A", o->a, "circuit file, RUN (its last circuit), RUN:STEP, or model directory")->required();
  command->add_option("B", o->b, "the same")->required();
  command->add_option("--top", o->top, "rows of the largest changes")->capture_default_str()->check(at_least(1));
  command->add_option("--svg", o->svg, "draw both circuits into this file: what stayed, left and entered");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
