// Any bytes as a configuration: refused with an Error, or what it prints reads back as the same configuration.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/error.h"

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
            {"flag", &flag, "", 0, -1, {}},
            {"list.any", &list, "", 0, -1, {}},
            {"list.chosen", &chosen, "", 0, -1, {"one", "two"}}};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Values values;
  try {
    circuit::parse_config(text, "fuzz", values.fields());
    const std::string printed = circuit::print_config(values.fields());
    Values again;
    circuit::parse_config(printed, "fuzz", again.fields());
    if (circuit::print_config(again.fields()) != printed) __builtin_trap();
  } catch (const circuit::Error&) {
  }
  try {
    circuit::set_config(text, values.fields());
  } catch (const circuit::Error&) {
  }
  return 0;
}
