#include "tuning/apply.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "core/setting_name.h"
#include "core/table.h"
#include "model/finite.h"
#include "task/open_model.h"
#include "tuning/adapter_files.h"

namespace circuit {
namespace {

// As many rows as a terminal shows; --json has all.
constexpr size_t kRowsShown = 20;

// The tensors that adapters change; each may be changed by one adapter, or by deltas, but not by both.
void add_adapters(const ApplyRequest& r, const std::vector<std::string>& adapters, const Checkpoint& base,
                  std::map<std::string, at::Tensor>* changed) {
  if (adapters.empty()) return;
  const OpenModel open(r.model, in_float32(r.compute));
  for (const std::string& folder : adapters) {
    for (auto& [name, tensor] : merge_adapter(base, open.model, folder)) {
      if (r.scale != 1) tensor = scaled_change(base.tensor(name), tensor, r.scale);
      if (changed->emplace(name, std::move(tensor)).second) continue;
      fail(folder, "tensor '{}' is changed by another delta or adapter too. Apply this one to what the others make.",
           name);
    }
  }
}

void scale_all(double scale, std::vector<Delta>* deltas) {
  for (Delta& delta : *deltas) delta = scaled(std::move(delta), scale);
}

}  // namespace

std::string overlap_table(const Applied& applied) {
  const auto& [overlaps, deltas, changed] = applied;
  std::vector<std::vector<std::string>> rows{{"slice", "elements", "disagreement", "first", "second"}};
  for (size_t i = 0; i < std::min(overlaps.size(), kRowsShown); ++i) {
    const Overlap& each = overlaps[i];
    rows.push_back({each.region, with_commas(each.elements), fmt::format("{:.3f}", each.disagreement),
                    deltas[each.first].name, deltas[each.second].name});
  }
  std::string text = format_table(rows);
  if (overlaps.size() > kRowsShown)
    text += fmt::format("and {} more; {} lists all\n", overlaps.size() - kRowsShown, setting("json"));
  return text;
}

Json overlap_json(const Applied& applied) {
  const std::vector<Delta>& deltas = applied.deltas;
  Json list = Json::array();
  for (const Overlap& each : applied.overlaps) {
    list.push_back({{"slice", each.region},
                    {"elements", each.elements},
                    {"disagreement", each.disagreement},
                    {"first", deltas[each.first].name},
                    {"second", deltas[each.second].name}});
  }
  return list;
}

Applied apply(const ApplyRequest& r) {
  const Checkpoint base = Checkpoint::open(r.model);
  require_finite(base);
  Applied applied;
  std::vector<std::string> adapters;
  for (const std::string& path : r.deltas) {
    if (is_adapter(path)) {
      adapters.push_back(path);
    } else {
      applied.deltas.push_back(read_delta(path));
    }
  }
  applied.overlaps = find_overlaps(base, applied.deltas);
  if (r.rule == OnOverlap::kRefuse && !applied.overlaps.empty()) log_info("{}", overlap_table(applied));
  auto changed = apply_deltas(base, applied.deltas, r.rule);
  if (r.scale != 1) {
    // Whole and undamaged, they are scaled.
    scale_all(r.scale, &applied.deltas);
    changed = apply_deltas(base, applied.deltas, r.rule);
  }
  add_adapters(r, adapters, base, &changed);
  write_checkpoint(base, changed, r.out);
  applied.changed_tensors = static_cast<int64_t>(changed.size());
  return applied;
}

Applied revert(const ApplyRequest& r) {
  const Checkpoint model = Checkpoint::open(r.model);
  Applied applied;
  for (const std::string& path : r.deltas) {
    if (is_adapter(path)) fail(path, "an adapter holds no values of the base: it cannot be taken off again.");
    applied.deltas.push_back(read_delta(path));
  }
  if (r.scale != 1) scale_all(r.scale, &applied.deltas);
  const auto reverted = revert_deltas(model, applied.deltas, r.rule);
  write_checkpoint(model, reverted, r.out);
  applied.changed_tensors = static_cast<int64_t>(reverted.size());
  return applied;
}

}  // namespace circuit
