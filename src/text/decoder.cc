#include "text/decoder.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/byte_alphabet.h"
#include "text/json_shape.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace circuit {
namespace {

using Strings = std::vector<std::string>;

std::string joined(const Strings& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

class ByteLevelDecoder : public Decoder {
 public:
  Strings apply(Strings tokens, DecodeFrom /*from*/) const override {
    for (std::string& token : tokens) token = bytes_of_token(token);
    return {replace_invalid_utf8(joined(tokens))};
  }
};

// Runs of <0x00> … <0xFF> become the text they spell, or one U+FFFD a byte when they spell none.
class ByteFallbackDecoder : public Decoder {
 public:
  Strings apply(Strings tokens, DecodeFrom /*from*/) const override {
    Strings out;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const auto byte = byte_of(token)) {
        bytes += *byte;
        continue;
      }
      flush(bytes, out);
      out.push_back(std::move(token));
    }
    flush(bytes, out);
    return out;
  }

 private:
  static std::optional<char> byte_of(const std::string& token) {
    if (token.size() != 6 || token.compare(0, 3, "<0x") != 0 || token[5] != '>') return std::nullopt;
    if (token.find_first_not_of("0123456789abcdefABCDEF", 3) != 5) return std::nullopt;
    return static_cast<char>(std::stoi(token.substr(3, 2), nullptr, 16));
  }
  static void flush(std::string& bytes, Strings& out) {
    if (bytes.empty()) return;
    if (is_valid_utf8(bytes)) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    }
    bytes.clear();
  }
};

class FuseDecoder : public Decoder {
 public:
  Strings apply(Strings tokens, DecodeFrom /*from*/) const override { return {joined(tokens)}; }
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  double growth() const override { return pattern_.growth(content_); }
  Strings apply(Strings tokens, DecodeFrom /*from*/) const override {
    for (std::string& token : tokens) {
      std::string out;
      size_t done = 0;
      for (const Range match : pattern_.find_all(token)) {
        out.append(token, done, match.begin - done);
        out += content_;
        done = match.end;
      }
      out.append(token, done);
      token = std::move(out);
    }
    return tokens;
  }

 private:
  Pattern pattern_;
  std::string content_;
};

// Takes up to `start` and `stop` copies of one character off the ends of each string.
class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Strings apply(Strings tokens, DecodeFrom from) const override {
    const int64_t start = from == DecodeFrom::kStartOfText ? start_ : 0;
    for (std::string& token : tokens) {
      size_t begin = 0;
      for (int64_t i = 0; i < start && token.compare(begin, content_.size(), content_) == 0; ++i) {
        begin += content_.size();
      }
      size_t end = token.size();
      for (int64_t i = 0; i < stop_ && end - begin >= content_.size(); ++i) {
        if (token.compare(end - content_.size(), content_.size(), content_) != 0) break;
        end -= content_.size();
      }
      token = token.substr(begin, end - begin);
    }
    return tokens;
  }

 private:
  std::string content_;
  int64_t start_;
  int64_t stop_;
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drops_first)
      : replacement_(std::move(replacement)), drops_first_(drops_first) {}
  Strings apply(Strings tokens, DecodeFrom from) const override {
    const Pattern pattern = Pattern::literal(replacement_);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool drop = i == 0 && drops_first_ && from == DecodeFrom::kStartOfText;
      std::string out;
      size_t done = 0;
      for (const Range match : pattern.find_all(tokens[i])) {
        out.append(tokens[i], done, match.begin - done);
        if (!drop) out += ' ';
        done = match.end;
      }
      tokens[i] = out.append(tokens[i], done);
    }
    return tokens;
  }

 private:
  std::string replacement_;
  bool drops_first_;
};

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> steps) : steps_(std::move(steps)) {}
  double growth() const override {
    double product = 1;
    for (const auto& step : steps_) product *= step->growth();
    return product;
  }
  Strings apply(Strings tokens, DecodeFrom from) const override {
    for (const auto& step : steps_) tokens = step->apply(std::move(tokens), from);
    return tokens;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

std::unique_ptr<Decoder> decoder_sequence(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"decoders"}, place);
  std::vector<std::unique_ptr<Decoder>> steps;
  for (const Json& step : require_array(json, "decoders", place)) {
    const std::string at = fmt::format("{}.decoders[{}]", place, steps.size());
    if (step.is_null()) fail(at, "found null, expected an object.");
    steps.push_back(read_decoder(step, at));
  }
  return std::make_unique<DecoderSequence>(std::move(steps));
}

std::unique_ptr<Decoder> read_strip(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"content", "start", "stop"}, place);
  const int64_t start = optional_int(json, "start", 0, place);
  const int64_t stop = optional_int(json, "stop", 0, place);
  if (start < 0 || stop < 0) fail(place, "start, stop: found {}, {}, expected 0 or more.", start, stop);
  return std::make_unique<StripDecoder>(optional_character(json, "content", " ", place), start, stop);
}

std::unique_ptr<Decoder> decoder_metaspace(const Json& json, const std::string& place) {
  refuse_unknown_keys(json, {"replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"}, place);
  const bool prefix = optional_bool(json, "add_prefix_space", true, place) &&
                      optional_string(json, "prepend_scheme", "always", place) != "never";
  return std::make_unique<MetaspaceDecoder>(optional_character(json, "replacement", "▁", place), prefix);
}

std::unique_ptr<Decoder> decoder_step(const Json& json, const std::string& place) {
  const std::string type = require_type(json, place);
  if (type == "Sequence") return decoder_sequence(json, place);
  if (type == "Strip") return read_strip(json, place);
  if (type == "Metaspace") return decoder_metaspace(json, place);
  if (type == "ByteLevel") {
    refuse_unknown_keys(json, {"add_prefix_space", "trim_offsets", "use_regex"}, place);
    return std::make_unique<ByteLevelDecoder>();
  }
  if (type == "ByteFallback") {
    refuse_unknown_keys(json, {}, place);
    return std::make_unique<ByteFallbackDecoder>();
  }
  if (type == "Fuse") {
    refuse_unknown_keys(json, {}, place);
    return std::make_unique<FuseDecoder>();
  }
  if (type == "Replace") {
    refuse_unknown_keys(json, {"pattern", "content"}, place);
    return std::make_unique<ReplaceDecoder>(Pattern::read(require(json, "pattern", place), place + ".pattern"),
                                            require_string(json, "content", place));
  }
  fail(place, "type: found '{}', expected ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace or Sequence.", type);
}

}  // namespace

std::unique_ptr<Decoder> read_decoder(const Json& json, const std::string& place) {
  if (json.is_null()) return nullptr;
  auto decoder = decoder_step(json, place);
  check_growth(decoder->growth(), place);
  return decoder;
}

}  // namespace circuit
