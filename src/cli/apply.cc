#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "core/table.h"
#include "io/files.h"
#include "io/json.h"
#include "io/outputs.h"
#include "model/finite.h"
#include "task/open_model.h"
#include "tuning/adapter_files.h"
#include "tuning/delta.h"

namespace circuit {
namespace {

struct Options {
  CommonOptions common;
  std::string model, out;
  std::vector<std::string> deltas;
  std::string on_overlap;
};

// As many rows as a terminal shows; --json has all.
constexpr size_t kRowsShown = 20;

OnOverlap rule_of(const Options& o) {
  return o.on_overlap.empty() ? OnOverlap::kRefuse : find_named(overlap_rules(), "--on-overlap", o.on_overlap).rule;
}

std::string overlap_table(const std::vector<Overlap>& overlaps, const std::vector<Delta>& deltas) {
  std::vector<std::vector<std::string>> rows{{"slice", "elements", "disagreement", "first", "second"}};
  for (size_t i = 0; i < std::min(overlaps.size(), kRowsShown); ++i) {
    const Overlap& each = overlaps[i];
    rows.push_back({each.region, with_commas(each.elements), fmt::format("{:.3f}", each.disagreement),
                    deltas[each.first].name, deltas[each.second].name});
  }
  std::string text = format_table(rows);
  if (overlaps.size() > kRowsShown)
    text += fmt::format("and {} more; --json lists all\n", overlaps.size() - kRowsShown);
  return text;
}

Json overlap_json(const std::vector<Overlap>& overlaps, const std::vector<Delta>& deltas) {
  Json list = Json::array();
  for (const Overlap& each : overlaps) {
    list.push_back({{"slice", each.region},
                    {"elements", each.elements},
                    {"disagreement", each.disagreement},
                    {"first", deltas[each.first].name},
                    {"second", deltas[each.second].name}});
  }
  return list;
}

// The tensors that adapters change; each may be changed by one adapter, or by deltas, but not by both.
void add_adapters(const Options& o, const std::vector<std::string>& adapters, const Checkpoint& base,
                  std::map<std::string, at::Tensor>* changed) {
  if (adapters.empty()) return;
  const OpenModel open(o.model, in_float32(o.common));
  for (const std::string& folder : adapters) {
    for (auto& [name, tensor] : merge_adapter(base, open.model, folder)) {
      if (changed->emplace(name, std::move(tensor)).second) continue;
      fail(folder, "tensor '{}' is changed by another delta or adapter too. Apply this one to what the others make.",
           name);
    }
  }
}

void print_result(const Options& o, const std::vector<Overlap>& overlaps, const std::vector<Delta>& deltas,
                  size_t changed, const char* what) {
  if (o.common.json) {
    fmt::print(
        "{}\n",
        Json({{"out", o.out}, {"changed_tensors", changed}, {"overlaps", overlap_json(overlaps, deltas)}}).dump());
    return;
  }
  if (!overlaps.empty()) fmt::print("{}", overlap_table(overlaps, deltas));
  fmt::print("{}: {} tensors {}, the others byte for byte as they were\n", o.out, changed, what);
}

int apply(const Options& o) {
  const OnOverlap rule = rule_of(o);
  apply_common(o.common);
  check_new_folder("-o", o.out);
  const Checkpoint base = Checkpoint::open(o.model);
  require_finite(base);
  std::vector<Delta> deltas;
  std::vector<std::string> adapters;
  for (const std::string& path : o.deltas) {
    if (is_adapter(path)) {
      adapters.push_back(path);
    } else {
      deltas.push_back(read_delta(path));
    }
  }
  const std::vector<Overlap> overlaps = find_overlaps(base, deltas);
  if (rule == OnOverlap::kRefuse && !overlaps.empty()) log_info("{}", overlap_table(overlaps, deltas));
  auto changed = apply_deltas(base, deltas, rule);
  add_adapters(o, adapters, base, &changed);
  write_checkpoint(base, changed, o.out);
  print_result(o, overlaps, deltas, changed.size(), "changed");
  return 0;
}

int revert(const Options& o) {
  const OnOverlap rule = rule_of(o);
  apply_common(o.common);
  check_new_folder("-o", o.out);
  const Checkpoint model = Checkpoint::open(o.model);
  std::vector<Delta> deltas;
  for (const std::string& path : o.deltas) {
    if (is_adapter(path)) fail(path, "an adapter holds no values of the base: it cannot be taken off again.");
    deltas.push_back(read_delta(path));
  }
  const auto reverted = revert_deltas(model, deltas, rule);
  write_checkpoint(model, reverted, o.out);
  print_result(o, {}, deltas, reverted.size(), "are the base's again");
  return 0;
}

void add_options(CLI::App* command, Options* o, const char* model) {
  command->add_option("MODEL", o->model, model)->required();
  command->add_option("DELTA", o->deltas, "deltas of circuit export --delta")->required();
  command->add_option("-o,--out", o->out, "folder to write; must not exist")->required();
  command->add_option("--on-overlap", o->on_overlap,
                      "what stands where slices of several deltas overlap: last, first, mean or sum (of the changes); "
                      "default: refused");
  add_common(*command, &o->common);
}

}  // namespace

void add_apply(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("apply", "deltas (or LoRA adapters) on a model, several merged");
  command->footer(
      "Examples:\n  circuit apply gpt2 delta -o tuned\n"
      "  circuit apply gpt2 agreement gender --on-overlap mean -o both\n  circuit apply gpt2 adapter -o "
      "merged");
  add_options(command, o.get(), "model directory the deltas were made for");
  command->callback([o, chosen] { *chosen = [o] { return apply(*o); }; });
}

void add_revert(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("revert", "deltas off a model: the base's bytes again");
  command->footer("Example:\n  circuit revert tuned delta -o base-again");
  add_options(command, o.get(), "model directory that circuit apply or export made with these deltas");
  command->callback([o, chosen] { *chosen = [o] { return revert(*o); }; });
}

}  // namespace circuit
