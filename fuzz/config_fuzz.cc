// Any bytes as a configuration, as a --set and as an axis of a sweep's grid: refused with an Error, or what it prints
// reads back as the same configuration. Fields of every kind; those of TuneConfig would bring libtorch along.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "core/grid.h"
#include "fuzz/verdict.h"

namespace {

struct Values {
  std::string text = "a", choice = "one";
  int64_t integer = 1, any = 0;
  double number = 0.5, free = 0;
  bool flag = false;
  std::vector<std::string> list{"x"}, chosen;
  std::vector<circuit::ConfigField> fields() {
    return {{"text.any", &text, "", 0, -1, {}},
            {"text.choice", &choice, "", 0, -1, {"one", "two"}},
            {"number.integer", &integer, "", 0, 10, {}},
            {"number.any", &any, "", 0, -1, {}},
            {"number.share", &number, "", 0, 1, {}},
            {"number.free", &free, "", 0, -1, {}},
            {"flag.on", &flag, "", 0, -1, {}},
            {"list.any", &list, "", 0, -1, {}},
            {"list.chosen", &chosen, "", 0, -1, {"one", "two"}}};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Values values;
  bool accepted = false;
  try {
    circuit::parse_config(text, "fuzz", values.fields());
    accepted = true;
  } catch (const circuit::Error&) {
  }
  // What was read, be it but in part, reads back: an Error here is a finding.
  const std::string printed = circuit::print_config(values.fields());
  Values again;
  circuit::parse_config(printed, "fuzz", again.fields());
  if (circuit::print_config(again.fields()) != printed) __builtin_trap();
  try {
    circuit::set_config(text, values.fields());
    accepted = true;
  } catch (const circuit::Error&) {
  }
  try {
    // A grid's values are values of --set.
    const circuit::GridAxis axis = circuit::parse_grid_axis(text);
    if (axis.values.empty()) __builtin_trap();
    for (const std::string& value : axis.values) {
      if (circuit::file_name_part(value).find('/') != std::string::npos) __builtin_trap();
      circuit::set_config(axis.key + "=" + value, values.fields());
    }
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
