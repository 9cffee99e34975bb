// generation_config.json: how a model's makers want its texts made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/generate.h"

namespace circuit {

// What was asked for by hand; it goes before what the file says.
struct GenerateWishes {
  std::optional<int64_t> max_tokens, min_tokens, top_k;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
};

struct GenerateChoice {
  GenerateSpec spec;
  std::vector<std::string> from_file;  // what the file decided, as a person reads it
  std::vector<std::string> unused;     // keys of the file that this program does not know
};

// As Hugging Face's generate resolves them: sampling where temperature is wished above 0 or the file says do_sample,
// then with the file's temperature (1), top_k (50 where the file samples), top_p and min_p; repetition_penalty always;
// max_new_tokens, else max_length less the prompt, else 50. The file's end tokens are the model's (Architecture).
// Throws Error naming the file and the key for a value of another type or out of range, and for one that asks for what
// is not done here (beams, n-gram bans, forced or suppressed tokens, stop strings, …).
GenerateChoice choose_generation(const std::string& directory, const GenerateWishes& wishes, int64_t prompt_tokens);

}  // namespace circuit
