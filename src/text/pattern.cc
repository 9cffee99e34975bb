#include "text/pattern.h"

// Keeps oniguruma.h from defining UChar, a name other libraries use too.
#define ONIG_ESCAPE_UCHAR_COLLISION
#include <oniguruma.h>

#include <algorithm>
#include <mutex>

#include "core/error.h"
#include "text/json_shape.h"
#include "text/unicode.h"

namespace circuit {
namespace {

// The longest expression in a published tokenizer is about 600 bytes; longer ones only cost stack.
constexpr size_t kMaxExpressionBytes = 8192;
// Backtracking allowed per search: a floor, and steps per byte for patterns that look ahead over a long run.
constexpr unsigned long kRetryFloor = 100000;
constexpr unsigned long kRetriesPerByte = 64;

const OnigUChar* onig_bytes(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

std::string onig_message(int code, OnigErrorInfo* info) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int size = info != nullptr ? onig_error_code_to_str(buffer, code, info) : onig_error_code_to_str(buffer, code);
  return replace_invalid_utf8({reinterpret_cast<const char*>(buffer), static_cast<size_t>(size)});
}

void initialize_onig() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
}

struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeMatchParam {
  void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
};

bool on_boundary(std::string_view text, size_t at) {
  return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

}  // namespace

struct Pattern::Regex {
  OnigRegex handle = nullptr;
  Regex() = default;
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex() { onig_free(handle); }

  std::vector<Range> find_all(std::string_view text, const std::string& expression) const;
};

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Pattern Pattern::literal(std::string text) {
  Pattern out;
  out.source_ = std::move(text);
  return out;
}

Pattern Pattern::regex(const std::string& expression, const std::string& place) {
  if (expression.size() > kMaxExpressionBytes) {
    fail(place, "a regular expression of {} bytes; at most {} are read.", expression.size(), kMaxExpressionBytes);
  }
  initialize_onig();
  Pattern out;
  out.source_ = expression;
  out.regex_ = std::make_unique<Regex>();
  OnigErrorInfo info;
  const OnigUChar* start = onig_bytes(expression);
  const int code = onig_new(&out.regex_->handle, start, start + expression.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                            ONIG_SYNTAX_DEFAULT, &info);
  if (code != ONIG_NORMAL) {
    out.regex_->handle = nullptr;
    fail(place, "regular expression '{}': {}.", expression, onig_message(code, &info));
  }
  return out;
}

Pattern Pattern::read(const Json& json, const std::string& place) {
  if (!json.is_object() || json.size() != 1) {
    fail(place, "found a {}, expected {{\"String\": …}} or {{\"Regex\": …}}.", json.type_name());
  }
  refuse_unknown_keys(json, {"String", "Regex"}, place);
  if (json.contains("String")) return literal(require_string(json, "String", place));
  return regex(require_string(json, "Regex", place), place);
}

std::vector<Range> Pattern::find_all(std::string_view text) const {
  if (regex_ != nullptr) return regex_->find_all(text, source_);
  std::vector<Range> matches;
  if (source_.empty()) return matches;
  for (size_t at = text.find(source_); at != std::string_view::npos; at = text.find(source_, at + source_.size())) {
    matches.push_back({at, at + source_.size()});
  }
  return matches;
}

double Pattern::growth(const std::string& content) const {
  const auto size = static_cast<double>(content.size());
  if (regex_ == nullptr) return std::max(1.0, size / std::max<double>(1, static_cast<double>(source_.size())));
  // An expression may match the empty string between any two characters.
  return 1 + 2 * size;
}

std::vector<Range> Pattern::Regex::find_all(std::string_view text, const std::string& expression) const {
  std::vector<Range> matches;
  const std::unique_ptr<OnigRegion, FreeRegion> region(onig_region_new());
  const std::unique_ptr<OnigMatchParam, FreeMatchParam> param(onig_new_match_param());
  onig_initialize_match_param(param.get());
  const unsigned long retries = kRetryFloor + kRetriesPerByte * text.size();
  onig_set_retry_limit_in_match_of_match_param(param.get(), retries);
  onig_set_retry_limit_in_search_of_match_param(param.get(), retries);
  const OnigUChar* begin = onig_bytes(text);
  const OnigUChar* end = begin + text.size();
  size_t at = 0;
  while (at <= text.size()) {
    const int code =
        onig_search_with_param(handle, begin, end, begin + at, end, region.get(), ONIG_OPTION_NONE, param.get());
    if (code == ONIG_MISMATCH) break;
    if (code < 0) fail("tokenizer", "regular expression '{}': {}.", expression, onig_message(code, nullptr));
    const Range match{static_cast<size_t>(region->beg[0]), static_cast<size_t>(region->end[0])};
    if (match.begin > match.end || !on_boundary(text, match.begin) || !on_boundary(text, match.end)) {
      fail("tokenizer", "regular expression '{}' matches a part of a character.", expression);
    }
    const bool repeated = match.empty() && !matches.empty() && matches.back().end == match.end;
    if (!repeated) matches.push_back(match);
    at = match.end;
    if (repeated) at += at < text.size() ? code_point_at(text, at).size : 1;
  }
  return matches;
}

}  // namespace circuit
