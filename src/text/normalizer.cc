#include "text/normalizer.h"

#include <vector>

#include "core/error.h"
#include "text/json_shape.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace circuit {
namespace {

class Lowercase : public Normalizer {
 public:
  AlignedText apply(AlignedText in) const override {
    AlignedText out;
    for (size_t at = 0; at < in.text.size();) {
      const CodePoint c = code_point_at(in.text, at);
      std::string lower;
      append_lower_case(c.value, lower);
      const Range range{at, at + c.size};
      if (in.text.compare(at, c.size, lower) == 0) {
        out.append(in, range);
      } else {
        out.append(lower, in.origin_of(range));
      }
      at += c.size;
    }
    return out;
  }
};

class StripSpace : public Normalizer {
 public:
  StripSpace(bool left, bool right) : left_(left), right_(right) {}
  AlignedText apply(AlignedText in) const override {
    const size_t begin = left_ ? leading_white_space(in.text) : 0;
    const size_t cut = right_ ? trailing_white_space(std::string_view(in.text).substr(begin)) : 0;
    return in.slice({begin, in.text.size() - cut});
  }

 private:
  bool left_;
  bool right_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  AlignedText apply(AlignedText in) const override {
    if (in.text.empty()) return in;
    AlignedText out;
    out.append(text_, in.place_before(0));
    out.append(in, {0, in.text.size()});
    return out;
  }

 private:
  std::string text_;
};

class Replace : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  double growth() const override { return pattern_.growth(content_); }
  AlignedText apply(AlignedText in) const override {
    if (in.text.empty()) return in;
    AlignedText out;
    size_t done = 0;
    for (const Range match : pattern_.find_all(in.text)) {
      out.append(in, {done, match.begin});
      out.append(content_, match.empty() ? place_of(in, match.begin) : in.origin_of(match));
      done = match.end;
    }
    out.append(in, {done, in.text.size()});
    return out;
  }

 private:
  static Range place_of(const AlignedText& in, size_t at) {
    if (at < in.text.size()) return in.place_before(at);
    return {in.origin.back().end, in.origin.back().end};
  }

  Pattern pattern_;
  std::string content_;
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  double growth() const override {
    double product = 1;
    for (const auto& step : steps_) product *= step->growth();
    return product;
  }
  AlignedText apply(AlignedText text) const override {
    for (const auto& step : steps_) text = step->apply(std::move(text));
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> normalizer_sequence(const Json& json, const std::string& place) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const Json& step : require_array(json, "normalizers", place)) {
    const std::string at = fmt::format("{}.normalizers[{}]", place, steps.size());
    if (step.is_null()) fail(at, "found null, expected an object.");
    steps.push_back(read_normalizer(step, at));
  }
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

std::unique_ptr<Normalizer> normalizer_step(const Json& json, const std::string& place) {
  const std::string type = require_type(json, place);
  if (auto form = make_unicode_form(type)) {
    refuse_unknown_keys(json, {}, place);
    return form;
  }
  if (type == "Sequence") {
    refuse_unknown_keys(json, {"normalizers"}, place);
    return normalizer_sequence(json, place);
  }
  if (type == "Lowercase") {
    refuse_unknown_keys(json, {}, place);
    return std::make_unique<Lowercase>();
  }
  if (type == "Strip") {
    refuse_unknown_keys(json, {"strip_left", "strip_right"}, place);
    return std::make_unique<StripSpace>(optional_bool(json, "strip_left", true, place),
                                        optional_bool(json, "strip_right", true, place));
  }
  if (type == "Prepend") {
    refuse_unknown_keys(json, {"prepend"}, place);
    return std::make_unique<Prepend>(require_string(json, "prepend", place));
  }
  if (type == "Replace") {
    refuse_unknown_keys(json, {"pattern", "content"}, place);
    return std::make_unique<Replace>(Pattern::read(require(json, "pattern", place), place + ".pattern"),
                                     require_string(json, "content", place));
  }
  fail(place, "type: found '{}', expected NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace or Sequence.", type);
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& place) {
  if (json.is_null()) return nullptr;
  auto normalizer = normalizer_step(json, place);
  check_growth(normalizer->growth(), place);
  return normalizer;
}

}  // namespace circuit
