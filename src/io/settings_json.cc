#include "io/settings_json.h"

namespace circuit {
namespace {

struct Reader {
  Json operator()(const NamedValue& value) const { return value.get(); }
  template <class T>
  Json operator()(T* value) const {
    return *value;
  }
};

Json value_of(const Setting& setting) { return std::visit(Reader(), setting.value); }

}  // namespace

Json settings_json(const Settings& settings) {
  Json list = Json::array();
  for (const Setting& s : settings) {
    Json entry = {{"key", s.key},   {"type", s.type()}, {"default", value_of(s)},
                  {"help", s.help}, {"since", s.since}, {"changes_result", s.changes_result}};
    if (!s.choices.empty()) entry["choices"] = s.choices;
    if (!s.unit.empty()) entry["unit"] = s.unit;
    if (s.low <= s.high) {
      entry.update({{"low", s.low},
                    {"high", s.high},
                    {"low_excluded", s.ends == Setting::Ends::kLowExcluded},
                    {"high_excluded", s.ends == Setting::Ends::kHighExcluded}});
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace circuit
