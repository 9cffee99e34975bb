// Numbers that are not finite, in the files of a run. JSON has none: there they are texts, here. In run.db infinities
// are SQLite's own and NaN is the text 'nan' (io/sqlite.h binds and reads it so); what is not defined at all, such as
// an overlap with no discovery before, is NULL there and null here.
#pragma once

#include <map>
#include <string>

#include "io/json.h"

namespace circuit {

// A number; the text "inf", "-inf" or "nan" where it is not finite.
Json number_json(double value);
Json numbers_json(const std::map<std::string, double>& values);

// What those wrote; null, as version 0.1 wrote for such a number, is NaN. Throws Error naming the key for anything
// else.
double number_of(const Json& value, const std::string& key, const std::string& place);
std::map<std::string, double> numbers_of(const Json& object, const std::string& key, const std::string& place);

}  // namespace circuit
