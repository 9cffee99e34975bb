// log.jsonl: one JSON object a row, keys in the order of the columns.
#include <cmath>

#include "io/json.h"
#include "store/logger.h"

namespace circuit {
namespace {

std::string encode(const LogRow& row) {
  nlohmann::ordered_json object = {{"kind", row.kind}, {"step", row.step}};
  // JSON has no infinity.
  for (const auto& [name, value] : row.values) {
    object[name] = value && std::isfinite(*value) ? nlohmann::ordered_json(*value) : nullptr;
  }
  return object.dump() + "\n";
}

}  // namespace

Logger jsonl_logger() {
  return {"jsonl", [](int64_t) { return std::string("log.jsonl"); }, [](int64_t) { return std::string(); }, encode};
}

}  // namespace circuit
