// Any bytes as a configuration, as a --set and as an axis of a sweep's grid: refused with an Error, or what it prints
// reads back as the same configuration. Fields of every kind; those of RunConfig would bring libtorch along.
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
  bool named = false;
  bool flag = false;
  std::vector<std::string> list{"x"}, chosen;
  circuit::Settings settings() {
    circuit::Settings s;
    s.section("text");
    s.add("any", &text, "");
    s.add("choice", &choice, "").one_of({"one", "two"});
    s.add("named", &named, {{"one", false}, {"two", true}}, "");
    s.section("number");
    s.add("integer", &integer, "").range(0, 10);
    s.add("any", &any, "");
    s.add("share", &number, "").range(0, 1);
    s.add("free", &free, "");
    s.section("flag");
    s.add("on", &flag, "");
    s.section("list");
    s.add("any", &list, "");
    s.add("chosen", &chosen, "").one_of({"one", "two"});
    return s;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Values values;
  bool accepted = false;
  try {
    circuit::parse_config(text, "fuzz", values.settings());
    accepted = true;
  } catch (const circuit::Error&) {
  }
  // What was read, be it but in part, reads back: an Error here is a finding.
  const std::string printed = circuit::print_config(values.settings());
  Values again;
  circuit::parse_config(printed, "fuzz", again.settings());
  if (circuit::print_config(again.settings()) != printed) __builtin_trap();
  try {
    circuit::set_config(text, values.settings());
    accepted = true;
  } catch (const circuit::Error&) {
  }
  try {
    // A grid's values are values of --set.
    const circuit::GridAxis axis = circuit::parse_grid_axis(text);
    if (axis.values.empty()) __builtin_trap();
    for (const std::string& value : axis.values) {
      if (circuit::file_name_part(value).find('/') != std::string::npos) __builtin_trap();
      circuit::set_config(axis.key + "=" + value, values.settings());
    }
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
