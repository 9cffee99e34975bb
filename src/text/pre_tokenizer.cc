#include "text/pre_tokenizer.h"

#include <optional>

#include "core/error.h"
#include "text/byte_alphabet.h"
#include "text/json_shape.h"
#include "text/pattern.h"
#include "text/split.h"

namespace circuit {

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

// Rust's \w, spelled out because Oniguruma's differs in a few scripts.
constexpr const char* kWordsOrSymbols =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+)";
constexpr const char* kPunctuation = R"([\p{P}\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E])";

std::string_view view(const AlignedText& text, Range range) {
  return std::string_view(text.text).substr(range.begin, range.size());
}

class Split : public PreTokenizer {
 public:
  Split(Pattern pattern, SplitBehavior behavior, SplitAt at)
      : pattern_(std::move(pattern)), behavior_(behavior), at_(at) {}

  Pieces apply(Pieces in) const override {
    std::vector<Range> out;
    for (const Range piece : in.ranges) {
      for (const Range part : split_text(view(in.aligned, piece), pattern_, behavior_, at_)) {
        out.push_back({piece.begin + part.begin, piece.begin + part.end});
      }
    }
    in.ranges = std::move(out);
    return in;
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  SplitAt at_;
};

// Starts each piece that does not with one space, aligned to the empty place before it.
Pieces with_prefix_space(const Pieces& in) {
  Pieces out;
  for (const Range piece : in.ranges) {
    const size_t begin = out.aligned.text.size();
    if (in.aligned.text[piece.begin] != ' ') out.aligned.append(" ", in.aligned.place_before(piece.begin));
    out.aligned.append(in.aligned, piece);
    out.ranges.push_back({begin, out.aligned.text.size()});
  }
  return out;
}

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::optional<Split> split)
      : add_prefix_space_(add_prefix_space), split_(std::move(split)) {}
  // One byte becomes at most two, and with a prefix space two more.
  double growth() const override { return add_prefix_space_ ? 4 : 2; }

  Pieces apply(Pieces in) const override {
    if (add_prefix_space_) in = with_prefix_space(in);
    if (split_) in = split_->apply(std::move(in));
    Pieces out;
    out.aligned.text.reserve(in.aligned.text.size());
    out.aligned.origin.reserve(in.aligned.text.size());
    for (const Range piece : in.ranges) {
      const size_t begin = out.aligned.text.size();
      for (size_t at = piece.begin; at < piece.end; ++at) {
        out.aligned.append(byte_characters()[static_cast<unsigned char>(in.aligned.text[at])], in.aligned.origin[at]);
      }
      out.ranges.push_back({begin, out.aligned.text.size()});
    }
    return out;
  }

 private:
  bool add_prefix_space_;
  std::optional<Split> split_;
};

enum class PrependScheme { kAlways, kFirst, kNever };

// Spaces become a visible character (U+2581), which is also put before the text.
class Metaspace : public PreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, std::optional<Split> split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(std::move(split)) {}
  // A space becomes one character of at most four bytes, with one more before the piece.
  double growth() const override { return 8; }

  Pieces apply(Pieces in) const override {
    Pieces out;
    for (const Range piece : in.ranges) {
      const size_t begin = out.aligned.text.size();
      if (prepends(in.aligned, piece)) out.aligned.append(replacement_, in.aligned.place_before(piece.begin));
      for (size_t at = piece.begin; at < piece.end; ++at) {
        const Range byte{at, at + 1};
        if (in.aligned.text[at] == ' ') {
          out.aligned.append(replacement_, in.aligned.origin[at]);
        } else {
          out.aligned.append(in.aligned, byte);
        }
      }
      out.ranges.push_back({begin, out.aligned.text.size()});
    }
    return split_ ? split_->apply(std::move(out)) : out;
  }

 private:
  bool prepends(const AlignedText& text, Range piece) const {
    if (scheme_ == PrependScheme::kNever || text.text[piece.begin] == ' ') return false;
    if (text.text.compare(piece.begin, replacement_.size(), replacement_) == 0) return false;
    return scheme_ == PrependScheme::kAlways || text.origin[piece.begin].begin == 0;
  }

  std::string replacement_;
  PrependScheme scheme_;
  std::optional<Split> split_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}
  double growth() const override {
    double product = 1;
    for (const auto& step : steps_) product *= step->growth();
    return product;
  }
  Pieces apply(Pieces pieces) const override {
    for (const auto& step : steps_) pieces = step->apply(std::move(pieces));
    return pieces;
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

std::unique_ptr<PreTokenizer> read_byte_level(const Json& json, const std::string& place) {
  // trim_offsets narrows the ranges Hugging Face reports; here a token's range always covers its space.
  refuse_unknown_keys(json, {"add_prefix_space", "trim_offsets", "use_regex"}, place);
  std::optional<Split> split;
  if (optional_bool(json, "use_regex", true, place)) {
    split.emplace(Pattern::regex(kGpt2Pattern, place), SplitBehavior::kIsolated, SplitAt::kMatches);
  }
  return std::make_unique<ByteLevel>(optional_bool(json, "add_prefix_space", true, place), std::move(split));
}

std::unique_ptr<PreTokenizer> read_split(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"pattern", "behavior", "invert"}, place);
  Pattern pattern = Pattern::read(require(json, "pattern", place), place + ".pattern");
  const SplitBehavior behavior = parse_split_behavior(require_string(json, "behavior", place), place);
  const bool invert = optional_bool(json, "invert", false, place);
  return std::make_unique<Split>(std::move(pattern), behavior, invert ? SplitAt::kBetweenMatches : SplitAt::kMatches);
}

PrependScheme read_prepend_scheme(const Json& json, const std::string& place) {
  const std::string name = optional_string(json, "prepend_scheme", "always", place);
  const bool prefix = optional_bool(json, "add_prefix_space", true, place);
  if (!prefix && json.contains("prepend_scheme") && name != "never") {
    fail(place, "add_prefix_space: found false beside prepend_scheme '{}', expected them to agree.", name);
  }
  if (!prefix || name == "never") return PrependScheme::kNever;
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  fail(place, "prepend_scheme: found '{}', expected always, first or never.", name);
}

std::unique_ptr<PreTokenizer> pre_tokenizer_metaspace(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"}, place);
  const std::string replacement = optional_character(json, "replacement", "▁", place);
  std::optional<Split> split;
  if (optional_bool(json, "split", true, place)) {
    split.emplace(Pattern::literal(replacement), SplitBehavior::kMergedWithNext, SplitAt::kMatches);
  }
  return std::make_unique<Metaspace>(replacement, read_prepend_scheme(json, place), std::move(split));
}

std::unique_ptr<PreTokenizer> pre_tokenizer_sequence(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"pretokenizers"}, place);
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const Json& step : require_array(json, "pretokenizers", place)) {
    const std::string at = fmt::format("{}.pretokenizers[{}]", place, steps.size());
    if (step.is_null()) fail(at, "found null, expected an object.");
    steps.push_back(read_pre_tokenizer(step, at));
  }
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> make_split(const char* expression, SplitBehavior behavior, SplitAt at,
                                         const std::string& place) {
  return std::make_unique<Split>(Pattern::regex(expression, place), behavior, at);
}

std::unique_ptr<PreTokenizer> pre_tokenizer_step(const Json& json, const std::string& place) {
  const std::string type = require_type(json, place);
  if (type == "Sequence") return pre_tokenizer_sequence(json, place);
  if (type == "ByteLevel") return read_byte_level(json, place);
  if (type == "Split") return read_split(json, place);
  if (type == "Metaspace") return pre_tokenizer_metaspace(json, place);
  if (type == "Digits") {
    refuse_unknown_keys(json, {"individual_digits"}, place);
    const bool individual = optional_bool(json, "individual_digits", false, place);
    return make_split(R"(\p{N})", individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, SplitAt::kMatches,
                      place);
  }
  if (type == "Punctuation") {
    refuse_unknown_keys(json, {"behavior"}, place);
    const std::string behavior = optional_string(json, "behavior", "Isolated", place);
    return make_split(kPunctuation, parse_split_behavior(behavior, place), SplitAt::kMatches, place);
  }
  if (type == "Whitespace") {
    refuse_unknown_keys(json, {}, place);
    return make_split(kWordsOrSymbols, SplitBehavior::kRemoved, SplitAt::kBetweenMatches, place);
  }
  if (type == "WhitespaceSplit") {
    refuse_unknown_keys(json, {}, place);
    return make_split(R"(\p{White_Space})", SplitBehavior::kRemoved, SplitAt::kMatches, place);
  }
  fail(place,
       "type: found '{}', expected ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, "
       "WhitespaceSplit or Sequence.",
       type);
}

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& place) {
  if (json.is_null()) return nullptr;
  auto pre_tokenizer = pre_tokenizer_step(json, place);
  check_growth(pre_tokenizer->growth(), place);
  return pre_tokenizer;
}

}  // namespace circuit
