#include "evaluation/number_in_text.h"

#include "text/unicode.h"

namespace circuit {
namespace {

constexpr const char* kMarker = "####";

bool is_digit(const std::string& text, size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; }

struct Found {
  size_t end = 0;  // one past its last character
  std::string value;
};

std::string canonical(const std::string& whole, std::string fraction) {
  const size_t first = whole.find_first_not_of('0');
  std::string value = first == std::string::npos ? "0" : whole.substr(first);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fraction.empty() ? value : value + "." + fraction;
}

// Digits from `at` on, which is a digit or a dot before one; a comma counts when exactly three digits follow it.
Found digits_at(const std::string& text, size_t at) {
  std::string whole;
  std::string fraction;
  while (true) {
    while (is_digit(text, at)) whole += text[at++];
    const bool thousands = at < text.size() && text[at] == ',' && !whole.empty() && is_digit(text, at + 1) &&
                           is_digit(text, at + 2) && is_digit(text, at + 3) && !is_digit(text, at + 4);
    if (!thousands) break;
    ++at;
  }
  if (at < text.size() && text[at] == '.' && is_digit(text, at + 1)) {
    ++at;
    while (is_digit(text, at)) fraction += text[at++];
  }
  return {at, canonical(whole, fraction)};
}

bool starts_digits(const std::string& text, size_t at) {
  return is_digit(text, at) || (at < text.size() && text[at] == '.' && is_digit(text, at + 1));
}

// A number that begins at `at` with a sign, "$" or digits.
std::optional<Found> number_at(const std::string& text, size_t at) {
  bool negative = false;
  for (; at < text.size() && (text[at] == '-' || text[at] == '+' || text[at] == '$'); ++at) negative |= text[at] == '-';
  if (!starts_digits(text, at)) return std::nullopt;
  Found found = digits_at(text, at);
  if (negative && found.value != "0") found.value.insert(0, "-");
  return found;
}

// Whether the "-" at `at` is a sign: not after a word, a number or a closing bracket.
bool is_sign(const std::string& text, size_t at) {
  if (at == 0) return true;
  if (text[at - 1] == ')' || text[at - 1] == ']') return false;
  return !is_word_character(code_point_at(text, previous_code_point(text, at)).value);
}

}  // namespace

std::optional<std::string> marked_number(const std::string& text) {
  const std::string marker = kMarker;
  for (size_t at = text.find(marker); at != std::string::npos; at = text.find(marker, at + 1)) {
    const size_t after = at + marker.size();
    const size_t start = after + leading_white_space(std::string_view(text).substr(after));
    if (const std::optional<Found> found = number_at(text, start)) return found->value;
  }
  return std::nullopt;
}

std::optional<std::string> last_number(const std::string& text) {
  std::optional<std::string> last;
  for (size_t at = 0; at < text.size();) {
    const bool sign = text[at] == '-' && is_sign(text, at);
    const std::optional<Found> found = sign || starts_digits(text, at) ? number_at(text, at) : std::nullopt;
    if (found) last = found->value;
    at = found ? found->end : at + 1;
  }
  return last;
}

}  // namespace circuit
