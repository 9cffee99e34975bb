#include "core/config.h"

#include <fmt/core.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "core/names.h"
#include "core/setting_name.h"
#include "core/toml_text.h"

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

const Setting& find_setting(const std::string& key, const std::string& place, const Settings& settings) {
  const Setting* nearest = nullptr;
  size_t best = SIZE_MAX;
  for (const Setting& known : settings) {
    if (known.key == key) return known;
    const size_t distance = edit_distance(known.key, key);
    if (distance < best) {
      best = distance;
      nearest = &known;
    }
  }
  fail(place, "unknown key '{}'. Nearest: '{}'. All keys: {}.", key, nearest == nullptr ? "" : nearest->key,
       setting("help_config"));
}

void check_range(const Setting& setting, double value, const std::string& place) {
  if (!std::isfinite(value)) fail(place, "{}: must be a finite number.", setting.key);
  using Ends = Setting::Ends;
  const bool at_open_end = (setting.ends == Ends::kLowExcluded && value == setting.low) ||
                           (setting.ends == Ends::kHighExcluded && value == setting.high);
  if (setting.low > setting.high || (value >= setting.low && value <= setting.high && !at_open_end)) return;
  const char* from = setting.ends == Ends::kLowExcluded ? "more than " : "";
  const char* to = setting.ends == Ends::kHighExcluded ? "less than " : "";
  fail(place, "{}: found {}, expected {}{} to {}{}.", setting.key, value, from, setting.low, to, setting.high);
}

void check_choice(const Setting& setting, const std::string& value, const std::string& place) {
  if (setting.choices.empty()) return;
  if (std::find(setting.choices.begin(), setting.choices.end(), value) != setting.choices.end()) return;
  fail(place, "{}: '{}' is not one of {}.", setting.key, value,
       joined(setting.choices, [](const std::string& choice) { return choice; }));
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

std::vector<std::string> string_list(const Setting& setting, const toml::node& node, const std::string& place) {
  if (node.is_string()) return split_at_commas(node.as_string()->get());
  if (!node.is_array()) fail(place, "{}: expected a list of strings.", setting.key);
  std::vector<std::string> list;
  for (const toml::node& element : *node.as_array()) {
    if (!element.is_string()) fail(place, "{}: expected a list of strings.", setting.key);
    list.push_back(element.as_string()->get());
  }
  return list;
}

void set_text(const Setting& setting, const std::string& text) {
  if (auto* const* plain = std::get_if<std::string*>(&setting.value)) {
    **plain = text;
  } else {
    std::get<NamedValue>(setting.value).set(text);
  }
}

std::string text_of(const Setting& setting) {
  auto* const* plain = std::get_if<std::string*>(&setting.value);
  return plain != nullptr ? **plain : std::get<NamedValue>(setting.value).get();
}

void assign(const Setting& setting, const toml::node& node, const std::string& place) {
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&setting.value)) {
    std::vector<std::string> found = string_list(setting, node, place);
    for (const std::string& element : found) check_choice(setting, element, place);
    **list = std::move(found);
  } else if (setting.is_text()) {
    if (!node.is_string()) fail(place, "{}: expected a string.", setting.key);
    check_choice(setting, node.as_string()->get(), place);
    set_text(setting, node.as_string()->get());
  } else if (auto* const* integer = std::get_if<int64_t*>(&setting.value)) {
    if (!node.is_integer()) fail(place, "{}: expected an integer.", setting.key);
    check_range(setting, static_cast<double>(node.as_integer()->get()), place);
    **integer = node.as_integer()->get();
  } else if (auto* const* number = std::get_if<double*>(&setting.value)) {
    if (!node.is_number()) fail(place, "{}: expected a number.", setting.key);
    const double value = *node.value<double>();
    check_range(setting, value, place);
    **number = value;
  } else {
    if (!node.is_boolean()) fail(place, "{}: expected true or false.", setting.key);
    *std::get<bool*>(setting.value) = node.as_boolean()->get();
  }
}

void assign_table(const toml::table& table, const std::string& prefix, const std::string& place,
                  const Settings& settings) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string where = fmt::format("{}:{}", place, node.source().begin.line);
    if (const toml::table* inner = node.as_table()) {
      assign_table(*inner, key + ".", place, settings);
    } else {
      assign(find_setting(key, where, settings), node, where);
    }
  }
}

std::string toml_string(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

}  // namespace

std::string toml_value(const Setting& setting) {
  if (setting.is_text()) return toml_string(text_of(setting));
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&setting.value)) {
    return "[" + joined(**list, toml_string) + "]";
  }
  if (auto* const* integer = std::get_if<int64_t*>(&setting.value)) return std::to_string(**integer);
  if (auto* const* flag = std::get_if<bool*>(&setting.value)) return **flag ? "true" : "false";
  // The shortest form that reads back as the same double, always recognisable as a float.
  std::string number = fmt::format("{}", *std::get<double*>(setting.value));
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}

std::string plain_value(const Setting& setting) {
  if (setting.is_text()) return text_of(setting);
  auto* const* list = std::get_if<std::vector<std::string>*>(&setting.value);
  return list == nullptr ? toml_value(setting) : joined(**list, [](const std::string& element) { return element; });
}

void parse_config(const std::string& text, const std::string& place, const Settings& settings) {
  check_toml_text(text, place);
  toml::table table;
  try {
    table = toml::parse(ascii_toml(text), place);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    fail(fmt::format("{}:{}", place, at.line), "not valid TOML at column {}: {}.", at.column, error.description());
  }
  assign_table(table, "", place, settings);
}

void read_config(const std::string& path, const Settings& settings) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot open the configuration.");
  std::stringstream text;
  text << file.rdbuf();
  parse_config(text.str(), path, settings);
}

void set_config(const std::string& assignment, const Settings& settings, const std::string& option) {
  const size_t equals = assignment.find('=');
  const std::string place = option + " " + assignment;
  if (equals == std::string::npos) throw UsageError("[" + place + "] expected key=value.");
  const std::string key = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  const Setting& setting = find_setting(key, place, settings);
  // Text needs no quotes; a list may also be written as TOML writes it.
  const bool is_text = setting.is_text() || (setting.is_list() && value.substr(0, 1) != "[");
  try {
    const std::string text = "v = " + (is_text ? toml_string(value) : value);
    if (!is_toml_text(text)) fail(place, "'{}' is not a value for {}.", value, key);
    const toml::table table = toml::parse(ascii_toml(text));
    assign(setting, *table.get("v"), place);
  } catch (const toml::parse_error&) {
    fail(place, "'{}' is not a value for {}.", value, key);
  }
}

std::string print_config(const Settings& settings) {
  std::string text;
  std::string section;
  for (const Setting& setting : settings) {
    const size_t dot = setting.key.find('.');
    const std::string own = setting.key.substr(0, dot);
    if (own != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", own);
    section = own;
    text += fmt::format("{} = {}\n", setting.key.substr(dot + 1), toml_value(setting));
  }
  return text;
}

std::string help_config(const Settings& settings) {
  std::string text;
  std::string section;
  for (const Setting& setting : settings) {
    const size_t dot = setting.key.find('.');
    const std::string own = setting.key.substr(0, dot);
    if (own != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", own);
    section = own;
    std::string help = setting.help;
    for (size_t i = 0; i < setting.choices.size(); ++i) help += (i == 0 ? " One of: " : ", ") + setting.choices[i];
    text += fmt::format("{} = {}  # {}\n", setting.key.substr(dot + 1), toml_value(setting), help);
  }
  return text;
}

std::string range_text(const Setting& setting) {
  if (!setting.choices.empty()) return joined(setting.choices, [](const std::string& c) { return "`" + c + "`"; });
  std::string text;
  constexpr double kMany = 1e6;  // bounds from here on only keep sums from running over
  if (setting.low <= setting.high) {
    using Ends = Setting::Ends;
    const std::string low = fmt::format("{}{}", setting.ends == Ends::kLowExcluded ? "above " : "", setting.low);
    if (setting.high >= kMany) {
      text = setting.ends == Ends::kLowExcluded ? low : low + " or more";
    } else {
      text = fmt::format("{} to {}{}", low, setting.ends == Ends::kHighExcluded ? "below " : "", setting.high);
    }
  }
  if (!setting.unit.empty()) text += (text.empty() ? "" : " ") + setting.unit;
  return text;
}

std::string markdown_config(const Settings& settings) {
  std::string table = "| key | default | may be | meaning | since |\n| --- | --- | --- | --- | --- |\n";
  for (const Setting& s : settings) {
    const std::string range = range_text(s);
    table += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", s.key, toml_value(s), range.empty() ? s.type() : range,
                         s.help, s.since);
  }
  return table;
}

}  // namespace circuit
