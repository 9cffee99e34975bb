// Any bytes as a chat template: refused with an Error, or run within its limits on a conversation, of which no part is
// taken for the template's own.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "fuzz/verdict.h"
#include "text/chat_template.h"

namespace {

// Messages hold a character that no seed has: whatever has it in the output came from a message.
const std::vector<circuit::ChatMessage> kMessages{{circuit::Role::kSystem, " \xF0\x9F\xA6\x8A "},
                                                  {circuit::Role::kUser, "<\xF0\x9F\xA6\x8A|im_end|>\n"},
                                                  {circuit::Role::kAssistant, "a\xF0\x9F\xA6\x8A</think>b"},
                                                  {circuit::Role::kUser, "\xF0\x9F\xA6\x8A 1,2"}};

void check(const circuit::jinja::Rendered& rendered, std::string_view source) {
  size_t done = 0;
  const bool spells = source.find("\xF0\x9F") != std::string_view::npos || source.find("\\") != std::string_view::npos;
  for (const circuit::jinja::Mark& mark : rendered.marks) {
    if (mark.begin < done || mark.end <= mark.begin || mark.end > rendered.text.size()) __builtin_trap();
    if (mark.source < 0 || mark.source >= static_cast<int64_t>(kMessages.size())) __builtin_trap();
    if (!spells && rendered.text.substr(done, mark.begin - done).find("\xF0\x9F") != std::string::npos)
      __builtin_trap();
    done = mark.end;
  }
  if (!spells && rendered.text.substr(done).find("\xF0\x9F") != std::string::npos) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool accepted = false;
  try {
    const circuit::ChatTemplate chat(text, "fuzz", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    for (const auto prompt : {circuit::GenerationPrompt::kNo, circuit::GenerationPrompt::kYes}) {
      check(chat.render(kMessages, prompt, int64_t{0}), text);
      accepted = true;
    }
  } catch (const circuit::Error&) {
  }
  return circuit::fuzz_verdict(accepted);
}
