#include "io/json.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>
#include <vector>

#include "core/error.h"
#include "io/files.h"

namespace circuit {
namespace {

constexpr int kMaxDepth = 128;

std::string position_of(std::string_view text, size_t byte) {
  byte = std::min(byte, text.size());
  const std::string_view before = text.substr(0, byte);
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t start = before.rfind('\n');
  const size_t column = start == std::string_view::npos ? byte + 1 : byte - start;
  return fmt::format("line {}, column {}", line, column);
}

// JSON text has no word for these values, so each stands as a string that no file spells until it is parsed.
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::pair<const char*, double> kStandIns[] = {{"\x01 circuit NaN", std::numeric_limits<double>::quiet_NaN()},
                                                        {"\x01 circuit Infinity", kInfinity},
                                                        {"\x01 circuit -Infinity", -kInfinity}};

void restore_non_finite(Json& value) {
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text[0] != '\x01') return;
  for (const auto& [stand_in, number] : kStandIns) {
    if (text != stand_in) continue;
    value = number;
    return;
  }
}

// The value of a word outside strings that JSON does not read but Python does.
std::optional<double> non_finite_of(const std::string& word) {
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (word == "Infinity") return kInfinity;
  if (word == "-Infinity") return -kInfinity;
  if (word.find_first_not_of("+-.0123456789eE") != std::string::npos || word.empty()) return std::nullopt;
  const double number = std::strtod(word.c_str(), nullptr);
  return std::isinf(number) ? std::optional(number) : std::nullopt;
}

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '+' || c == '.'; }

// `text` with a stand-in for every such word; null where it has none.
std::optional<std::string> with_stand_ins(std::string_view text) {
  std::string out;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const bool word = std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '-';
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
      at = std::min(at + 1, text.size());
    } else if (word) {
      while (at < text.size() && in_word(text[at])) ++at;
      if (const auto value = non_finite_of(std::string(text.substr(begin, at - begin)))) {
        found = true;
        out += "\"\\u0001 circuit " + non_finite_name(*value) + "\"";
        continue;
      }
    } else {
      ++at;
    }
    out += text.substr(begin, at - begin);
  }
  return found ? std::optional(out) : std::nullopt;
}

void refuse_non_finite(const Json& value, const std::string& key, const std::string& place) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    fail(place, "{}: found {}, expected a number.", key.empty() ? "the value" : key,
         non_finite_name(value.get<double>()));
  }
  if (value.is_object()) {
    for (const auto& [name, item] : value.items())
      refuse_non_finite(item, key.empty() ? name : key + "." + name, place);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) refuse_non_finite(value[i], fmt::format("{}[{}]", key, i), place);
  }
}

// Refuses what nlohmann's DOM parser would accept silently: duplicate keys and unbounded nesting.
class StrictCheck {
 public:
  explicit StrictCheck(const std::string& place) : place_(place) {}
  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        if (depth > kMaxDepth) fail(place_, "JSON nested deeper than {} levels.", kMaxDepth);
        keys_.resize(static_cast<size_t>(depth) + 1);
        keys_[depth].clear();
        break;
      case Json::parse_event_t::key: {
        const auto& name = value.get_ref<const std::string&>();
        // At a key event `depth` is that of the members, one below their object.
        if (!keys_[depth - 1].insert(name).second) fail(place_, "key '{}' appears twice in one object.", name);
        break;
      }
      case Json::parse_event_t::value:
        if (value.is_string()) restore_non_finite(value);
        break;
      default:
        break;
    }
    return true;
  }

 private:
  const std::string& place_;
  std::vector<std::set<std::string>> keys_;
};

std::string kind_of(const Json& value) { return value.type_name(); }

template <class Check>
const Json* find_typed(const Json& object, const std::string& key, const std::string& place, const char* expected,
                       Check check) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return nullptr;
  if (!check(*found)) fail(place, "{}: found a {}, expected {}.", key, kind_of(*found), expected);
  return &*found;
}

}  // namespace

namespace {

Json parse_strictly(std::string_view text, const std::string& place) {
  StrictCheck check(place);
  return Json::parse(text.begin(), text.end(), [&check](int depth, Json::parse_event_t event, Json& value) {
    return check(depth, event, value);
  });
}

// After a failure: the document, when what failed are only words for numbers that are not finite.
std::optional<Json> parse_with_stand_ins(std::string_view text, const std::string& place) {
  const std::optional<std::string> replaced = with_stand_ins(text);
  if (!replaced) return std::nullopt;
  try {
    return parse_strictly(*replaced, place);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& place, NonFinite non_finite) {
  std::string message;
  try {
    return parse_strictly(text, place);
  } catch (const Json::parse_error& error) {
    const size_t at = error.byte > 0 ? error.byte - 1 : 0;
    if (!is_valid_utf8(text)) fail(place, "invalid UTF-8 near {}.", position_of(text, at));
    message = fmt::format("not valid JSON at {}.", position_of(text, at));
  } catch (const Json::exception& error) {
    message = fmt::format("not usable JSON: {}.", error.what());
  }
  std::optional<Json> json = parse_with_stand_ins(text, place);
  if (!json) fail(place, "{}", message);
  if (non_finite == NonFinite::kRefuse) refuse_non_finite(*json, "", place);
  return std::move(*json);
}

Json read_json(const std::string& path, NonFinite non_finite) {
  const MappedFile file(path);
  return parse_json(file.text(), path, non_finite);
}

std::optional<double> non_finite_at(std::string_view text, size_t at) {
  size_t begin = std::min(at, text.size());
  size_t end = begin;
  while (begin > 0 && in_word(text[begin - 1])) --begin;
  while (end < text.size() && in_word(text[end])) ++end;
  return non_finite_of(std::string(text.substr(begin, end - begin)));
}

Json number_or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

std::string non_finite_name(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"; }

void each_json_line(std::string_view text, const std::string& name,
                    const std::function<void(const Json& record, const std::string& place)>& on_record) {
  size_t line_number = 0;
  text = without_byte_order_mark(text);
  while (!text.empty()) {
    ++line_number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", name, line_number);
    if (line.size() > kMaxRecordBytes) {
      fail(place, "a record of {} bytes; at most {} are read. Split it.", line.size(), kMaxRecordBytes);
    }
    const Json record = parse_json(line, place);
    if (!record.is_object()) fail(place, "found a {}, expected one JSON object per line.", kind_of(record));
    on_record(record, place);
  }
}

const Json& require(const Json& object, const std::string& key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end()) fail(place, "key '{}' is missing.", key);
  return *found;
}

std::string require_string(const Json& object, const std::string& key, const std::string& place) {
  const Json& value = require(object, key, place);
  if (!value.is_string()) fail(place, "{}: found a {}, expected a string.", key, kind_of(value));
  return value.get<std::string>();
}

int64_t int_of(const Json& value, const std::string& what, const std::string& place) {
  if (!value.is_number_integer()) fail(place, "{}: found a {}, expected an integer.", what, kind_of(value));
  constexpr auto kLargest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value.is_number_unsigned() && value.get<uint64_t>() > kLargest) {
    fail(place, "{}: found {}, expected at most {}.", what, value.get<uint64_t>(), kLargest);
  }
  return value.get<int64_t>();
}

int64_t require_int(const Json& object, const std::string& key, const std::string& place) {
  return int_of(require(object, key, place), key, place);
}

namespace {

double number_of(const Json& value, const std::string& what, const std::string& place) {
  if (!value.is_number()) fail(place, "{}: found a {}, expected a number.", what, kind_of(value));
  const auto number = value.get<double>();
  if (!std::isfinite(number)) fail(place, "{}: found {}, expected a finite number.", what, non_finite_name(number));
  return number;
}

}  // namespace

double require_number(const Json& object, const std::string& key, const std::string& place) {
  return number_of(require(object, key, place), key, place);
}

int64_t optional_int(const Json& object, const std::string& key, int64_t fallback, const std::string& place) {
  const Json* value = find_typed(object, key, place, "an integer", [](const Json& v) { return v.is_number_integer(); });
  return value != nullptr ? int_of(*value, key, place) : fallback;
}

double optional_number(const Json& object, const std::string& key, double fallback, const std::string& place) {
  const Json* value = find_typed(object, key, place, "a number", [](const Json& v) { return v.is_number(); });
  return value != nullptr ? number_of(*value, key, place) : fallback;
}

bool optional_bool(const Json& object, const std::string& key, bool fallback, const std::string& place) {
  const Json* value = find_typed(object, key, place, "true or false", [](const Json& v) { return v.is_boolean(); });
  return value != nullptr ? value->get<bool>() : fallback;
}

std::string optional_string(const Json& object, const std::string& key, const std::string& fallback,
                            const std::string& place) {
  const Json* value = find_typed(object, key, place, "a string", [](const Json& v) { return v.is_string(); });
  return value != nullptr ? value->get<std::string>() : fallback;
}

bool is_valid_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    size_t extra = 0;
    unsigned low = 0x80;
    unsigned high = 0xBF;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if (lead >= 0xC2 && lead <= 0xDF) extra = 1;
    if (lead >= 0xE0 && lead <= 0xEF) extra = 2;
    if (lead >= 0xF0 && lead <= 0xF4) extra = 3;
    if (extra == 0 || i + extra >= text.size()) return false;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    for (size_t k = 1; k <= extra; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next < low || next > high) return false;
      low = 0x80;
      high = 0xBF;
    }
    i += extra + 1;
  }
  return true;
}

}  // namespace circuit
