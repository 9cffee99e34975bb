#include "core/config.h"

#include <fmt/core.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string_view>

#include "core/names.h"

namespace circuit {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row.back();
}

const ConfigField& find_field(const std::string& key, const std::string& place,
                              const std::vector<ConfigField>& fields) {
  const ConfigField* nearest = nullptr;
  size_t best = SIZE_MAX;
  for (const ConfigField& field : fields) {
    if (field.key == key) return field;
    const size_t distance = edit_distance(field.key, key);
    if (distance < best) {
      best = distance;
      nearest = &field;
    }
  }
  fail(place, "unknown key '{}'. Nearest: '{}'. All keys: circuit tune --help-config.", key,
       nearest == nullptr ? "" : nearest->key);
}

void check_range(const ConfigField& field, double value, const std::string& place) {
  if (!std::isfinite(value)) fail(place, "{}: must be a finite number.", field.key);
  using Ends = ConfigField::Ends;
  const bool at_open_end = (field.ends == Ends::kLowExcluded && value == field.low) ||
                           (field.ends == Ends::kHighExcluded && value == field.high);
  if (field.low > field.high || (value >= field.low && value <= field.high && !at_open_end)) return;
  const char* from = field.ends == Ends::kLowExcluded ? "more than " : "";
  const char* to = field.ends == Ends::kHighExcluded ? "less than " : "";
  fail(place, "{}: found {}, expected {}{} to {}{}.", field.key, value, from, field.low, to, field.high);
}

void check_choice(const ConfigField& field, const std::string& value, const std::string& place) {
  if (field.choices.empty()) return;
  if (std::find(field.choices.begin(), field.choices.end(), value) != field.choices.end()) return;
  fail(place, "{}: '{}' is not one of {}.", field.key, value,
       joined(field.choices, [](const std::string& choice) { return choice; }));
}

// "a, b" → {"a", "b"}; empty elements are dropped.
std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream rest(text);
  for (std::string part; std::getline(rest, part, ',');) {
    const size_t first = part.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    parts.push_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return parts;
}

std::vector<std::string> string_list(const ConfigField& field, const toml::node& node, const std::string& place) {
  if (node.is_string()) return split_at_commas(node.as_string()->get());
  if (!node.is_array()) fail(place, "{}: expected a list of strings.", field.key);
  std::vector<std::string> list;
  for (const toml::node& element : *node.as_array()) {
    if (!element.is_string()) fail(place, "{}: expected a list of strings.", field.key);
    list.push_back(element.as_string()->get());
  }
  return list;
}

void assign(const ConfigField& field, const toml::node& node, const std::string& place) {
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&field.value)) {
    std::vector<std::string> found = string_list(field, node, place);
    for (const std::string& element : found) check_choice(field, element, place);
    **list = std::move(found);
  } else if (auto* const* text = std::get_if<std::string*>(&field.value)) {
    if (!node.is_string()) fail(place, "{}: expected a string.", field.key);
    check_choice(field, node.as_string()->get(), place);
    **text = node.as_string()->get();
  } else if (auto* const* integer = std::get_if<int64_t*>(&field.value)) {
    if (!node.is_integer()) fail(place, "{}: expected an integer.", field.key);
    check_range(field, static_cast<double>(node.as_integer()->get()), place);
    **integer = node.as_integer()->get();
  } else if (auto* const* number = std::get_if<double*>(&field.value)) {
    if (!node.is_number()) fail(place, "{}: expected a number.", field.key);
    const double value = *node.value<double>();
    check_range(field, value, place);
    **number = value;
  } else {
    if (!node.is_boolean()) fail(place, "{}: expected true or false.", field.key);
    *std::get<bool*>(field.value) = node.as_boolean()->get();
  }
}

void assign_table(const toml::table& table, const std::string& prefix, const std::string& place,
                  const std::vector<ConfigField>& fields) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string where = fmt::format("{}:{}", place, node.source().begin.line);
    if (const toml::table* inner = node.as_table()) {
      assign_table(*inner, key + ".", place, fields);
    } else {
      assign(find_field(key, where, fields), node, where);
    }
  }
}

std::string toml_string(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

// Behind the string or comment that begins at i; i itself where none does.
size_t behind_text(std::string_view text, size_t i) {
  const size_t end = text.size();
  const char c = text[i];
  if (c == '#') return std::min(end, text.find('\n', i));
  if (c != '"' && c != '\'') return i;
  const std::string triple(3, c);
  const bool long_form = text.substr(i, 3) == triple;
  i += long_form ? 3 : 1;
  while (i < end && (long_form ? text.substr(i, 3) != triple : text[i] != c && text[i] != '\n')) {
    i += c == '"' && text[i] == '\\' ? 2 : 1;
  }
  i += long_form ? 3 : 1;
  // A long string may end in up to two quotes of its own.
  for (int more = 0; long_form && more < 2 && i < end && text[i] == c; ++more) ++i;
  return std::min(i, end);
}

size_t behind_byte_order_mark(std::string_view text) { return text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0; }

// Where the first character beyond ASCII stands outside strings and comments; npos: nowhere. toml++ 3.3 runs into
// undefined behaviour there (U+00A1 … U+0499), and TOML has no place for one.
size_t bare_unicode(std::string_view text) {
  size_t i = behind_byte_order_mark(text);
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return i;
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

bool starts_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '"' || c == '\'';
}

// Where the first table header stands whose bracket no key follows, such as [~]; npos: nowhere. toml++ 3.3 only asserts
// the key: without assertions, g++ builds what refuses the text, clang what takes the key for granted.
size_t header_without_key(std::string_view text) {
  int64_t depth = 0;  // of lists and inline tables, in which a line may begin with a bracket of theirs
  bool line_begins = true;
  size_t i = behind_byte_order_mark(text);
  while (i < text.size()) {
    const char c = text[i];
    if (c == '[' && line_begins && depth == 0) {
      const size_t key = text.find_first_not_of(" \t", i + (text.substr(i, 2) == "[[" ? 2 : 1));
      if (key == std::string_view::npos || !starts_key(text[key])) return i;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (c != ' ' && c != '\t') line_begins = c == '\n';
    i = std::max(i + 1, behind_text(text, i));
  }
  return std::string_view::npos;
}

// "file:line" of byte `at`.
std::string place_of(const std::string& text, size_t at, const std::string& place) {
  return fmt::format("{}:{}", place,
                     1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

}  // namespace

std::string toml_value(const ConfigField& field) {
  if (auto* const* text = std::get_if<std::string*>(&field.value)) return toml_string(**text);
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&field.value)) {
    return "[" + joined(**list, toml_string) + "]";
  }
  if (auto* const* integer = std::get_if<int64_t*>(&field.value)) return std::to_string(**integer);
  if (auto* const* flag = std::get_if<bool*>(&field.value)) return **flag ? "true" : "false";
  // The shortest form that reads back as the same double, always recognisable as a float.
  std::string number = fmt::format("{}", *std::get<double*>(field.value));
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}

std::string plain_value(const ConfigField& field) {
  if (auto* const* text = std::get_if<std::string*>(&field.value)) return **text;
  auto* const* list = std::get_if<std::vector<std::string>*>(&field.value);
  return list == nullptr ? toml_value(field) : joined(**list, [](const std::string& element) { return element; });
}

void parse_config(const std::string& text, const std::string& place, const std::vector<ConfigField>& fields) {
  const size_t bare = bare_unicode(text);
  if (bare != std::string::npos) {
    fail(place_of(text, bare, place),
         "a character beyond ASCII outside of quotes. Put keys and texts that have one in quotes.");
  }
  const size_t header = header_without_key(text);
  if (header != std::string::npos) {
    fail(place_of(text, header, place), "not valid TOML: no key follows the bracket. A table is [name].");
  }
  toml::table table;
  try {
    table = toml::parse(text, place);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail(fmt::format("{}:{}", place, at.line), "not valid TOML at column {}: {}.", at.column, error.description());
  }
  assign_table(table, "", place, fields);
}

void read_config(const std::string& path, const std::vector<ConfigField>& fields) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot open the configuration.");
  std::stringstream text;
  text << file.rdbuf();
  parse_config(text.str(), path, fields);
}

void set_config(const std::string& assignment, const std::vector<ConfigField>& fields, const std::string& option) {
  const size_t equals = assignment.find('=');
  const std::string place = option + " " + assignment;
  if (equals == std::string::npos) throw UsageError("[" + place + "] expected key=value.");
  const std::string key = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  const ConfigField& field = find_field(key, place, fields);
  // Text needs no quotes; a list may also be written as TOML writes it.
  const bool is_list = std::holds_alternative<std::vector<std::string>*>(field.value);
  const bool is_text = std::holds_alternative<std::string*>(field.value) || (is_list && value.substr(0, 1) != "[");
  try {
    const std::string text = "v = " + (is_text ? toml_string(value) : value);
    if (bare_unicode(text) != std::string::npos || header_without_key(text) != std::string::npos) {
      fail(place, "'{}' is not a value for {}.", value, key);
    }
    const toml::table table = toml::parse(text);
    assign(field, *table.get("v"), place);
  } catch (const toml::parse_error&) {
    fail(place, "'{}' is not a value for {}.", value, key);
  }
}

std::string print_config(const std::vector<ConfigField>& fields) {
  std::string text;
  std::string section;
  for (const ConfigField& field : fields) {
    const size_t dot = field.key.find('.');
    const std::string own = field.key.substr(0, dot);
    if (own != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", own);
    section = own;
    text += fmt::format("{} = {}\n", field.key.substr(dot + 1), toml_value(field));
  }
  return text;
}

std::string help_config(const std::vector<ConfigField>& fields) {
  std::string text;
  std::string section;
  for (const ConfigField& field : fields) {
    const size_t dot = field.key.find('.');
    const std::string own = field.key.substr(0, dot);
    if (own != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", own);
    section = own;
    std::string help = field.help;
    for (size_t i = 0; i < field.choices.size(); ++i) help += (i == 0 ? " One of: " : ", ") + field.choices[i];
    text += fmt::format("{} = {}  # {}\n", field.key.substr(dot + 1), toml_value(field), help);
  }
  return text;
}

}  // namespace circuit
