#include "evaluation/ability_text.h"

#include <fmt/format.h>

#include "store/number_json.h"

namespace circuit {

Json ability_json(const std::string& path, const FileScore& score) {
  Json json = {{"file", path}, {"kind", score.kind}};
  for (const auto& [name, count] : score.counts) json[name] = count;
  for (const Measure& m : score.measures) {
    json[m.name] = number_json(m.value);
    if (m.interval) json["intervals"][m.name] = {m.interval->low, m.interval->high};
  }
  for (const auto& [name, values] : score.by) json[name + "_by"] = values;
  if (!score.decoding.is_null()) json["decoding"] = score.decoding;
  return json;
}

std::string ability_text(const std::string& path, const FileScore& score) {
  std::string text = fmt::format("{} ({})\n", path, score.kind);
  for (const auto& [name, count] : score.counts) text += fmt::format("  {:<34} {}\n", name, count);
  for (const Measure& m : score.measures) {
    const std::string interval =
        m.interval ? fmt::format("  ({:.4f} to {:.4f})", m.interval->low, m.interval->high) : "";
    text += fmt::format("  {:<34} {:.6f}{}\n", m.name, m.value, interval);
  }
  for (const auto& [measure, values] : score.by) {
    for (const auto& [name, value] : values) text += fmt::format("  {:<34} {:.4f}\n", measure + " " + name, value);
  }
  if (!score.decoding.is_null()) text += fmt::format("  {:<34} {}\n", "decoding", score.decoding.dump());
  return text;
}

}  // namespace circuit
