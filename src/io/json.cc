#include "io/json.h"

#include <algorithm>
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

// Refuses what nlohmann's DOM parser would accept silently: duplicate keys and unbounded nesting.
class StrictCheck {
 public:
  explicit StrictCheck(const std::string& place) : place_(place) {}
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
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

Json parse_json(std::string_view text, const std::string& place) {
  StrictCheck check(place);
  try {
    return Json::parse(text.begin(), text.end(), [&check](int depth, Json::parse_event_t event, Json& value) {
      return check(depth, event, value);
    });
  } catch (const Json::parse_error& error) {
    const size_t at = error.byte > 0 ? error.byte - 1 : 0;
    if (!is_valid_utf8(text)) fail(place, "invalid UTF-8 near {}.", position_of(text, at));
    fail(place, "not valid JSON at {}.", position_of(text, at));
  } catch (const Json::exception& error) {
    fail(place, "not usable JSON: {}.", error.what());
  }
}

Json read_json(const std::string& path) {
  const MappedFile file(path);
  return parse_json(file.text(), path);
}

void each_json_line(std::string_view text, const std::string& name,
                    const std::function<void(const Json& record, const std::string& place)>& on_record) {
  size_t line_number = 0;
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

int64_t require_int(const Json& object, const std::string& key, const std::string& place) {
  const Json& value = require(object, key, place);
  if (!value.is_number_integer()) fail(place, "{}: found a {}, expected an integer.", key, kind_of(value));
  return value.get<int64_t>();
}

int64_t optional_int(const Json& object, const std::string& key, int64_t fallback, const std::string& place) {
  const Json* value = find_typed(object, key, place, "an integer", [](const Json& v) { return v.is_number_integer(); });
  return value != nullptr ? value->get<int64_t>() : fallback;
}

double optional_number(const Json& object, const std::string& key, double fallback, const std::string& place) {
  const Json* value = find_typed(object, key, place, "a number", [](const Json& v) { return v.is_number(); });
  return value != nullptr ? value->get<double>() : fallback;
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
