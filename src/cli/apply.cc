#include "tuning/apply.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/names.h"
#include "io/outputs.h"

namespace circuit {
namespace {

struct ApplyArguments {
  CommonOptions common;
  ApplyRequest request;
  std::string on_overlap;
};

int run(ApplyArguments o, Applied (*work)(const ApplyRequest&), const char* what) {
  ApplyRequest& r = o.request;
  if (!o.on_overlap.empty()) r.rule = find_named(overlap_rules(), "--on-overlap", o.on_overlap).rule;
  apply_common(o.common);
  check_new_folder("-o", r.out);
  r.compute = o.common;
  const Applied done = work(r);
  if (o.common.json) {
    const Json json = {{"out", r.out}, {"changed_tensors", done.changed_tensors}, {"overlaps", overlap_json(done)}};
    fmt::print("{}\n", json.dump());
    return 0;
  }
  if (!done.overlaps.empty()) fmt::print("{}", overlap_table(done));
  fmt::print("{}: {} tensors {}, the others byte for byte as they were\n", r.out, done.changed_tensors, what);
  return 0;
}

void add_options(CLI::App* command, ApplyArguments* o, const char* model) {
  command->add_option("MODEL", o->request.model, model)->required();
  command->add_option("DELTA", o->request.deltas, "deltas of circuit export --delta")->required();
  command->add_option("-o,--out", o->request.out, "folder to write; must not exist")->required();
  command->add_option(
      "--on-overlap", o->on_overlap,
      "where slices of several deltas overlap: last, first, mean or sum (of the changes); else refused");
  command->add_option("--scale", o->request.scale, "of the changes: 0 the base, 1 as tuned")->check(between(-10, 10));
}

}  // namespace

void add_apply(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ApplyArguments>();
  CLI::App* command = program.add_subcommand("apply", "deltas (or LoRA adapters) on a model, several merged");
  command->footer(
      "Examples:\n  circuit apply gpt2 delta -o tuned\n  circuit apply gpt2 delta --scale 0.7 -o partly\n"
      "  circuit apply gpt2 agreement gender --on-overlap mean -o both\n  circuit apply gpt2 adapter -o merged");
  add_options(command, o.get(), "model directory the deltas were made for");
  add_common(*command, &o->common, chosen, [o] { return run(*o, apply, "changed"); });
}

void add_revert(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ApplyArguments>();
  CLI::App* command = program.add_subcommand("revert", "deltas off a model: the base's bytes again");
  command->footer("Example:\n  circuit revert tuned delta -o base-again");
  add_options(command, o.get(), "model directory that circuit apply or export made with these deltas");
  add_common(*command, &o->common, chosen, [o] { return run(*o, revert, "are the base's again"); });
}

}  // namespace circuit
