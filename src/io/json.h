// JSON and JSON Lines with errors that say where.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace circuit {

using Json = nlohmann::json;

// NaN, Infinity and -Infinity, which Python's json writes and reads beside JSON, and numbers beyond float64. kRefuse:
// an Error that names the key. kKeep: numbers, for files that Hugging Face reads so: one that no one uses does no harm,
// and optional_number refuses one that is used.
enum class NonFinite { kRefuse, kKeep };

// Parses one document. Throws Error "[place] …" on a syntax error (with line and column), invalid UTF-8,
// a duplicate key or nesting deeper than 128 levels. place: usually the path.
Json parse_json(std::string_view text, const std::string& place, NonFinite non_finite = NonFinite::kRefuse);

// read_file + parse_json.
Json read_json(const std::string& path, NonFinite non_finite = NonFinite::kRefuse);

// The longest line a JSON Lines file may have; a longer one is refused rather than held in memory.
constexpr size_t kMaxRecordBytes = size_t{64} << 20;

// Calls `on_record(object, place)` for each non-blank line, place being "name:line". Throws Error on a
// line that is not one JSON object, is invalid UTF-8 or longer than kMaxRecordBytes.
void each_json_line(std::string_view text, const std::string& name,
                    const std::function<void(const Json& record, const std::string& place)>& on_record);

// Typed access with errors that name the key: "[place] key: found a number, expected a string."
const Json& require(const Json& object, const std::string& key, const std::string& place);
std::string require_string(const Json& object, const std::string& key, const std::string& place);
int64_t require_int(const Json& object, const std::string& key, const std::string& place);
double require_number(const Json& object, const std::string& key, const std::string& place);
// `value` as an integer of 64 bits: an Error for another type, and for what int64 does not hold. what: names it.
int64_t int_of(const Json& value, const std::string& what, const std::string& place);
// The value of `key`, or `fallback` where it is absent or null; a value of another type is an Error, and so is a number
// that is not finite.
int64_t optional_int(const Json& object, const std::string& key, int64_t fallback, const std::string& place);
double optional_number(const Json& object, const std::string& key, double fallback, const std::string& place);
bool optional_bool(const Json& object, const std::string& key, bool fallback, const std::string& place);
std::string optional_string(const Json& object, const std::string& key, const std::string& fallback,
                            const std::string& place);

// Null where the value is not finite, or none: what JSON can hold.
Json number_or_null(const std::optional<double>& value);

// NaN, Infinity, -Infinity, as Python writes them.
std::string non_finite_name(double value);
// The number that is not finite whose word reaches byte `at` of a JSON text, where a parser stopped at it.
std::optional<double> non_finite_at(std::string_view text, size_t at);

// True for well-formed UTF-8 (no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

}  // namespace circuit
