#include "scoring/inspect.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"

namespace circuit {
namespace {

struct InspectArguments {
  CommonOptions common;
  std::string model;
  int64_t batch = 16;
  int64_t length = 128;
};

int run(const InspectArguments& o) {
  const Inspected found = inspect(o.model, o.batch, o.length, o.common);
  fmt::print("{}", o.common.json ? inspected_json(found).dump(1) + "\n" : inspected_text(found));
  return 0;
}

}  // namespace

void add_inspect(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<InspectArguments>();
  CLI::App* command = program.add_subcommand("inspect", "architecture, parameters, graph size, memory");
  command->footer("Example:\n  circuit inspect examples/books-4l --batch 16 --length 64");
  command->add_option("MODEL", o->model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("--batch", o->batch, "sequences of the memory estimate")->check(at_least(1));
  command->add_option("--length", o->length, "tokens per sequence of the memory estimate")->check(at_least(1));
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
