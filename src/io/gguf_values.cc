#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "io/gguf_cursor.h"
#include "io/json.h"

namespace circuit {
namespace {

const char* kind_name(const GgufValue& value) {
  constexpr const char* kNames[] = {"natural number", "integer", "number", "truth value", "string", "array"};
  return kNames[value.index()];
}

}  // namespace

const GgufTensor* GgufHeader::find_tensor(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* GgufHeader::find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const GgufValue& GgufHeader::require(const std::string& key) const {
  if (const GgufValue* found = find(key)) return *found;
  fail(place_, "{}: is missing.", key);
}

std::optional<int64_t> GgufHeader::optional_integer(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  return integer(key);
}

int64_t GgufHeader::integer(const std::string& key) const {
  const GgufValue& value = require(key);
  if (const auto* found = std::get_if<int64_t>(&value)) return *found;
  const auto* natural = std::get_if<uint64_t>(&value);
  if (natural == nullptr) fail(place_, "{}: found a {}, expected an integer.", key, kind_name(value));
  if (*natural > static_cast<uint64_t>(INT64_MAX)) fail(place_, "{}: {} is out of range.", key, *natural);
  return static_cast<int64_t>(*natural);
}

std::optional<double> GgufHeader::optional_number(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  return number(key);
}

double GgufHeader::number(const std::string& key) const {
  const GgufValue& value = require(key);
  const auto* found = std::get_if<double>(&value);
  if (found == nullptr) return static_cast<double>(integer(key));
  if (!std::isfinite(*found)) fail(place_, "{}: found {}, expected a finite number.", key, non_finite_name(*found));
  return *found;
}

bool GgufHeader::flag(const std::string& key, bool fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* found = std::get_if<bool>(value)) return *found;
  fail(place_, "{}: found a {}, expected a truth value.", key, kind_name(*value));
}

std::string GgufHeader::text(const std::string& key) const {
  const GgufValue& value = require(key);
  const auto* found = std::get_if<std::string_view>(&value);
  if (found == nullptr) fail(place_, "{}: found a {}, expected a string.", key, kind_name(value));
  if (!is_valid_utf8(*found)) fail(place_, "{}: is not valid UTF-8.", key);
  return std::string(*found);
}

std::string GgufHeader::text(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

std::vector<std::string> GgufHeader::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : values_) keys.push_back(key);
  return keys;
}

const GgufArray& GgufHeader::array(const std::string& key) const {
  const GgufValue& value = require(key);
  if (const auto* found = std::get_if<GgufArray>(&value)) return *found;
  fail(place_, "{}: found a {}, expected an array.", key, kind_name(value));
}

std::vector<std::string> GgufHeader::texts(const std::string& key) const {
  const GgufArray& values = array(key);
  if (values.kind != GgufKind::kString) fail(place_, "{}: expected an array of strings.", key);
  GgufCursor cursor(values.bytes, place_);
  std::vector<std::string> found;
  found.reserve(values.count);
  for (uint64_t i = 0; i < values.count; ++i) {
    found.emplace_back(cursor.string(key));
    if (!is_valid_utf8(found.back())) fail(place_, "{}[{}]: is not valid UTF-8.", key, i);
  }
  return found;
}

std::vector<int64_t> GgufHeader::integers(const std::string& key) const {
  const GgufArray& values = array(key);
  const uint64_t element = gguf_kind_bytes(values.kind);
  std::vector<int64_t> found;
  for (uint64_t i = 0; element > 0 && i < values.count; ++i) {
    const GgufValue value = gguf_scalar(values.kind, values.bytes.substr(i * element, element));
    if (const auto* natural = std::get_if<uint64_t>(&value); natural != nullptr && *natural <= INT64_MAX) {
      found.push_back(static_cast<int64_t>(*natural));
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      found.push_back(*integer);
    } else {
      break;
    }
  }
  if (found.size() != values.count) fail(place_, "{}: expected an array of integers of 64 bits.", key);
  return found;
}

std::vector<double> GgufHeader::numbers(const std::string& key) const {
  const GgufArray& values = array(key);
  if (values.kind != GgufKind::kFloat32 && values.kind != GgufKind::kFloat64) {
    fail(place_, "{}: expected an array of floating-point numbers.", key);
  }
  const uint64_t element = gguf_kind_bytes(values.kind);
  std::vector<double> found;
  for (uint64_t i = 0; i < values.count; ++i) {
    found.push_back(std::get<double>(gguf_scalar(values.kind, values.bytes.substr(i * element, element))));
  }
  return found;
}

std::optional<std::string> gguf_of(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) {
    if (std::filesystem::path(path).extension() == ".gguf") return path;
    return std::nullopt;
  }
  if (!std::filesystem::is_directory(path, ignored) || file_exists(path + "/config.json")) return std::nullopt;
  std::vector<std::string> found;
  for (const auto& item : std::filesystem::directory_iterator(path, ignored)) {
    if (item.path().extension() == ".gguf" && item.is_regular_file(ignored)) found.push_back(item.path().string());
  }
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    fail(path, "{} GGUF files are in this folder. Give the path of one, such as {}.", found.size(), found.front());
  }
  if (found.empty()) return std::nullopt;
  return found.front();
}

}  // namespace circuit
