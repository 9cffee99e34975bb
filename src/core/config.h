// Configuration as structs with one list of fields each: parser, printer and help come from that list, so
// they cannot disagree, and defaults live in the struct only.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace circuit {

// One key: where its value lives, what it means, what it may be.
struct ConfigField {
  std::string key;  // "section.name"
  // Lists of strings: a TOML list, or one string with commas between the elements.
  std::variant<std::string*, int64_t*, double*, bool*, std::vector<std::string>*> value;
  std::string help;
  double low = 0;  // numbers: inclusive bounds; low > high: any
  double high = -1;
  std::vector<std::string> choices;  // strings, and those of a list: empty: any
  enum class Ends { kIncluded, kLowExcluded, kHighExcluded } ends = Ends::kIncluded;
};

// Reads a TOML file into the fields. Throws Error naming file, line and key: a syntax error, an unknown key
// (with the nearest known one), a value of another type, out of range or not among the choices.
void read_config(const std::string& path, const std::vector<ConfigField>& fields);
// The same for TOML text at hand; `place` stands for the path.
void parse_config(const std::string& text, const std::string& place, const std::vector<ConfigField>& fields);

// "key=value" from the command line; strings need no quotes. Throws Error naming option and assignment.
void set_config(const std::string& assignment, const std::vector<ConfigField>& fields,
                const std::string& option = "--set");

// A field's value: as TOML writes it, or as a person does (text without quotes, lists with commas only).
std::string toml_value(const ConfigField& field);
std::string plain_value(const ConfigField& field);

// The fields as TOML, every key with its value: reading it back gives the same configuration.
std::string print_config(const std::vector<ConfigField>& fields);

// Every key with its default, type and meaning, for --help-config.
std::string help_config(const std::vector<ConfigField>& fields);

}  // namespace circuit
