// A setting is declared once, where its value lives: name, type, unit, range, default, one line of help, since when.
// From that declaration come the TOML reader, --set, command-line flags, --help-config, what a run stores, and the
// tables of the documentation, so that they cannot disagree.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace circuit {

// A value that is one of some named ones, such as an enum: its name, and how to take another.
struct NamedValue {
  std::function<std::string()> get;
  std::function<void(const std::string&)> set;
};

struct Setting {
  // Lists of strings: a TOML list, or one string with commas between the elements.
  using Value = std::variant<std::string*, int64_t*, double*, bool*, std::vector<std::string>*, NamedValue>;

  std::string key;  // "section.name"
  Value value;      // where it lives; what stands there when it is declared is the default
  std::string help;
  double low = 0;  // numbers: inclusive bounds; low > high: any
  double high = -1;
  std::vector<std::string> choices;  // strings, and those of a list: empty: any
  enum class Ends { kIncluded, kLowExcluded, kHighExcluded } ends = Ends::kIncluded;
  std::string unit;            // "steps", "nats per token"; empty: none, or the help says it
  std::string since = "0.1";   // the version that first had it
  bool is_path = false;        // a file or folder (a list: each): a run keeps it absolute
  bool changes_result = true;  // false: a run that has begun may go on with another value

  Setting& range(double from, double to);  // inclusive
  Setting& above(double from, double to);  // from itself excluded
  Setting& below(double from, double to);  // to itself excluded
  Setting& at_least(double from);
  Setting& one_of(std::vector<std::string> names);
  Setting& in(std::string unit_name);
  Setting& since_version(std::string version);
  Setting& free_on_resume();
  Setting& a_path();

  bool is_text() const;  // a string or a named value
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(value); }
  // "text", "list", "integer", "number" or "flag".
  const char* type() const;
};

// The declared settings of a configuration, bound to one value of it.
class Settings {
 public:
  // What is added from here on is called "name.…".
  void section(std::string name) { section_ = std::move(name); }
  // The reference holds until the next one is added.
  Setting& add(const std::string& name, Setting::Value value, std::string help);
  // An enum by its names.
  template <class Enum>
  Setting& add(const std::string& name, Enum* value, std::vector<std::pair<const char*, Enum>> names, std::string help);

  const std::vector<Setting>& all() const { return list_; }
  std::vector<Setting>::const_iterator begin() const { return list_.begin(); }
  std::vector<Setting>::const_iterator end() const { return list_.end(); }
  // Whether the section has a setting of this name.
  bool has(const std::string& name) const { return find(section_.empty() ? name : section_ + "." + name) != nullptr; }
  // Null where there is none.
  const Setting* find(const std::string& key) const;
  Setting* find(const std::string& key);

 private:
  std::string section_;
  std::vector<Setting> list_;
};

// The names of a registered list (scorers, selectors, …): the choices of the setting that picks one.
template <class List>
std::vector<std::string> choices_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& item : list) names.push_back(item.name);
  return names;
}

template <class Enum>
Setting& Settings::add(const std::string& name, Enum* value, std::vector<std::pair<const char*, Enum>> names,
                       std::string help) {
  std::vector<std::string> choices;
  for (const auto& [text, unused] : names) choices.emplace_back(text);
  const auto get = [value, names] {
    for (const auto& [text, one] : names) {
      if (one == *value) return std::string(text);
    }
    return std::string();
  };
  const auto set = [value, names](const std::string& chosen) {
    for (const auto& [text, one] : names) {
      if (chosen == text) *value = one;
    }
  };
  return add(name, NamedValue{get, set}, std::move(help)).one_of(std::move(choices));
}

}  // namespace circuit
