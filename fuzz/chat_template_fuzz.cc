// Any bytes as a chat template: refused with an Error, or one of the known forms.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    const circuit::ChatTemplate chat = circuit::recognise_chat_template(text, "fuzz");
    if (chat.default_system.size() + chat.date_lines.size() > 2 * size + 64) __builtin_trap();
    accepted = true;
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
