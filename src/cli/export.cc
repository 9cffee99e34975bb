#include "run/export.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/table.h"
#include "io/json.h"
#include "io/outputs.h"

namespace circuit {
namespace {

using What = ExportRequest::What;

struct ExportArguments {
  CommonOptions common;
  ExportRequest request;
  std::string step;
  bool adapter = false;
  bool delta = false;
};

// Decimal, zeros in front allowed: that is how a checkpoint's folder is called.
int64_t step_of(const std::string& text) {
  int64_t step = -1;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    throw UsageError(fmt::format("[--step] '{}' is not a number.", text));
  return step;
}

Json to_json(const ExportRequest& r, const Exported& e) {
  Json json = {{"out", r.out}, {"step", e.step}};
  if (r.what == What::kAdapters) json["adapters"] = e.adapters;
  if (r.what == What::kDelta) json.update({{"slices", e.slices}, {"parameters", e.parameters}});
  if (r.what != What::kAdapters) json["changed_tensors"] = e.changed_tensors;
  return json;
}

std::string to_text(const ExportRequest& r, const Exported& e) {
  const std::string begin = fmt::format("step {} written to {}: ", e.step, r.out);
  if (r.what == What::kAdapters) return begin + fmt::format("{} adapters as PEFT reads them", e.adapters);
  if (r.what == What::kModel) {
    return begin + fmt::format("{} tensors changed, the others byte for byte the base model's", e.changed_tensors);
  }
  return begin +
         fmt::format("{} slices of {} tensors, {} parameters", e.slices, e.changed_tensors, with_commas(e.parameters));
}

int run(ExportArguments o) {
  apply_common(o.common);
  check_new_folder("-o", o.request.out);
  if (!o.step.empty()) o.request.step = step_of(o.step);
  o.request.what = o.delta ? What::kDelta : o.adapter ? What::kAdapters : What::kModel;
  o.request.compute = o.common;
  const Exported done = export_run(o.request);
  fmt::print("{}\n", o.common.json ? to_json(o.request, done).dump() : to_text(o.request, done));
  return 0;
}

}  // namespace

void add_export(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<ExportArguments>();
  CLI::App* command = program.add_subcommand("export", "a run's model as a Hugging Face directory");
  command->footer(
      "Examples:\n  circuit export runs/agreement -o tuned\n  circuit export runs/agreement --delta -o delta\n"
      "  circuit export runs/lora --adapter -o adapter");
  command->add_option("RUN", o->request.run, "run directory")->required();
  command->add_option("-o,--out", o->request.out, "folder to write; must not exist")->required();
  command->add_option("--step", o->step, "step to export (default: the best on dev, else the last)");
  command
      ->add_flag("--delta", o->delta, "only the slices that changed, and the base's values of them: see circuit apply")
      ->excludes(
          command->add_flag("--adapter", o->adapter, "of a run of method lora: the adapters, as PEFT reads them"));
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
