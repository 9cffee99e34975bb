#include "core/settings.h"

#include <algorithm>

namespace circuit {

Setting& Setting::range(double from, double to) {
  low = from;
  high = to;
  return *this;
}

Setting& Setting::above(double from, double to) {
  ends = Ends::kLowExcluded;
  return range(from, to);
}

Setting& Setting::below(double from, double to) {
  ends = Ends::kHighExcluded;
  return range(from, to);
}

Setting& Setting::at_least(double from) {
  constexpr double kMany = 1e12;
  return range(from, kMany);
}

Setting& Setting::one_of(std::vector<std::string> names) {
  choices = std::move(names);
  return *this;
}

Setting& Setting::in(std::string unit_name) {
  unit = std::move(unit_name);
  return *this;
}

Setting& Setting::since_version(std::string version) {
  since = std::move(version);
  return *this;
}

Setting& Setting::free_on_resume() {
  changes_result = false;
  return *this;
}

Setting& Setting::a_path() {
  is_path = true;
  return *this;
}

bool Setting::is_text() const {
  return std::holds_alternative<std::string*>(value) || std::holds_alternative<NamedValue>(value);
}

const char* Setting::type() const {
  if (is_text()) return "text";
  if (is_list()) return "list";
  if (std::holds_alternative<int64_t*>(value)) return "integer";
  return std::holds_alternative<double*>(value) ? "number" : "flag";
}

Setting& Settings::add(const std::string& name, Setting::Value value, std::string help) {
  Setting setting;
  setting.key = section_.empty() ? name : section_ + "." + name;
  setting.value = std::move(value);
  setting.help = std::move(help);
  list_.push_back(std::move(setting));
  return list_.back();
}

const Setting* Settings::find(const std::string& key) const {
  const auto found = std::find_if(list_.begin(), list_.end(), [&](const Setting& s) { return s.key == key; });
  return found == list_.end() ? nullptr : &*found;
}

Setting* Settings::find(const std::string& key) {
  return const_cast<Setting*>(static_cast<const Settings*>(this)->find(key));
}

}  // namespace circuit
