// Plain text as training examples: windows of it, every token of which but the first is a target.
#pragma once

#include <string>
#include <vector>

#include "task/example.h"
#include "task/records.h"

namespace circuit {

// Windows of `window` tokens (0: the model's positions), one after another, that overlap by one token, so that every
// token but a document's first is predicted once. Documents end at the architecture's end token, which is in no
// window; a window does not cross it, and one of fewer than two tokens is left out. A document begins with
// begin_tokens, which are no targets. Throws Error naming the file when it is not UTF-8, a window is longer than the
// model's positions, or nothing is left.
std::vector<Example> read_text_windows(const std::string& path, const LazyTokenizer& tokenizer,
                                       const Architecture& architecture, int64_t window, BeginToken begin_token);

}  // namespace circuit
