// Any bytes as a JSON Lines file: refused with an Error, or every record is an object.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    circuit::each_json_line(text, "fuzz", [](const circuit::Json& record, const std::string& place) {
      if (!record.is_object() || place.empty()) __builtin_trap();
    });
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
