#include "cli/setting_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include "cli/validators.h"

namespace circuit {
namespace {

// An upper bound that is there only so that sums do not run over is no news to a user.
constexpr double kMany = 1e6;

template <class T>
void add_number(CLI::App& command, const std::string& flag, T* value, const Setting& setting) {
  CLI::Option* option = command.add_option(flag, *value, setting.help)->capture_default_str();
  const T low = static_cast<T>(setting.low);
  if (setting.low > setting.high) return;
  option->check(setting.high >= kMany ? at_least(low) : between(low, static_cast<T>(setting.high)));
}

struct Adder {
  CLI::App& command;
  const Setting& setting;
  std::string flag;

  void operator()(std::string* value) const {
    CLI::Option* option = command.add_option(flag, *value, setting.help);
    if (!setting.choices.empty()) option->check(CLI::IsMember(setting.choices));
  }
  void operator()(int64_t* value) const { add_number(command, flag, value, setting); }
  void operator()(double* value) const { add_number(command, flag, value, setting); }
  void operator()(bool* value) const { command.add_flag(flag, *value, setting.help); }
  void operator()(std::vector<std::string>* value) const {
    command.add_option(flag, *value, setting.help)->delimiter(',');
  }
  void operator()(const NamedValue& value) const {
    command.add_option_function<std::string>(flag, value.set, setting.help)->check(CLI::IsMember(setting.choices));
  }
};

}  // namespace

std::string flag_of(const std::string& setting) {
  if (setting == "out") return "-o";
  // An action of one command.
  if (setting == "help_config") return "circuit tune --help-config";
  std::string flag = "--" + setting.substr(setting.rfind('.') + 1);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void add_settings(CLI::App& command, const Settings& settings) {
  for (const Setting& setting : settings) std::visit(Adder{command, setting, flag_of(setting.key)}, setting.value);
}

}  // namespace circuit
