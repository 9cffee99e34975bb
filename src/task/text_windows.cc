#include "task/text_windows.h"

#include <algorithm>

#include "core/error.h"

namespace circuit {
namespace {

// `document` begins with `begin` tokens that are no targets.
void add_windows(const std::string& path, const std::vector<int64_t>& document, int64_t begin, int64_t window,
                 std::vector<Example>* examples) {
  const auto n = static_cast<int64_t>(document.size());
  if (n <= begin) return;
  for (int64_t first = 0; first + 1 < n; first += window - 1) {
    const int64_t last = std::min(n, first + window);
    Example example;
    example.ids.assign(document.begin() + first, document.begin() + last);
    if (first == 0) example.first_target = std::max<int64_t>(1, begin);
    example.place = fmt::format("{}, window {}", path, examples->size());
    examples->push_back(std::move(example));
  }
}

}  // namespace

std::vector<Example> read_text_windows(const std::string& path, const LazyTokenizer& tokenizer,
                                       const Architecture& architecture, int64_t window, BeginToken begin_token) {
  if (window == 0) window = architecture.n_positions;
  if (window < 2 || window > architecture.n_positions) {
    fail("data.window", "found {}, expected 2 to the model's {} positions.", window, architecture.n_positions);
  }
  const EncodedText text = read_text(path, tokenizer, BeginToken::kNever);
  const std::vector<int64_t> begin_ids = begin_tokens(tokenizer.get(), begin_token);
  const auto begin = static_cast<int64_t>(begin_ids.size());
  if (window <= begin) fail("data.window", "found {}, expected more than the {} begin tokens.", window, begin);
  const auto& ends = architecture.eos_ids;
  std::vector<Example> examples;
  std::vector<int64_t> document = begin_ids;
  for (const int64_t id : text.ids) {
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) {
      document.push_back(id);
      continue;
    }
    add_windows(path, document, begin, window, &examples);
    document = begin_ids;
  }
  add_windows(path, document, begin, window, &examples);
  if (examples.empty()) fail(path, "there are no two tokens side by side to learn from.");
  return examples;
}

}  // namespace circuit
