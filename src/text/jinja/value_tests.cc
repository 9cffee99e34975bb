#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace circuit::jinja {
namespace {

using Test = bool (*)(const Value& value);

const std::map<std::string, Test>& plain_tests() {
  static const std::map<std::string, Test> tests{
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"boolean", [](const Value& v) { return v.is_bool(); }},
      {"true", [](const Value& v) { return v.is_bool() && *v.as<bool>(); }},
      {"false", [](const Value& v) { return v.is_bool() && !*v.as<bool>(); }},
      {"integer", [](const Value& v) { return v.is_int() && !v.is_bool(); }},
      {"float", [](const Value& v) { return v.as<double>() != nullptr; }},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"string", [](const Value& v) { return v.text() != nullptr; }},
      {"mapping", [](const Value& v) { return v.dict() != nullptr; }},
      {"iterable", [](const Value& v) { return is_iterable(v) || v.loop() != nullptr; }},
      {"callable", [](const Value& v) { return v.function() != nullptr || v.is_undefined(); }},
      {"escaped", [](const Value& v) { return v.text() != nullptr && v.text()->safe; }},
      {"sequence",
       [](const Value& v) {
         return v.is_undefined() || v.text() != nullptr || v.dict() != nullptr ||
                (v.sequence() != nullptr && v.sequence()->kind <= SequenceKind::kRange);
       }},
  };
  return tests;
}

bool remainder_is(Runtime& runtime, const Value& value, const Value& by, int64_t wanted) {
  return equal(runtime, apply(runtime, Binary::kModulo, value, by), wanted);
}

std::string comparison_of(const std::string& name) {
  static const std::map<std::string, std::string> names{
      {"==", "=="}, {"eq", "=="}, {"equalto", "=="},    {"!=", "!="}, {"ne", "!="},
      {"<", "<"},   {"lt", "<"},  {"lessthan", "<"},    {"<=", "<="}, {"le", "<="},
      {">", ">"},   {"gt", ">"},  {"greaterthan", ">"}, {">=", ">="}, {"ge", ">="},
  };
  const auto found = names.find(name);
  return found == names.end() ? "" : found->second;
}

bool identical(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_bool() || b.is_bool()) return a.is_bool() && b.is_bool() && *a.as<bool>() == *b.as<bool>();
  runtime.refuse("sameas of {} is not supported.", type_name(a));
}

}  // namespace

bool apply_test(Runtime& runtime, const std::string& name, const Value& value, Arguments& arguments) {
  const Nested nested(runtime);
  runtime.charge(1);
  Signature signature(runtime, name, arguments);
  const auto plain = plain_tests().find(name);
  if (plain != plain_tests().end()) {
    signature.finish();
    return plain->second(value);
  }
  if (name == "odd" || name == "even" || name == "lower" || name == "upper") {
    signature.finish();
    if (name == "odd") return remainder_is(runtime, value, int64_t{2}, 1);
    if (name == "even") return remainder_is(runtime, value, int64_t{2}, 0);
    const CharacterClass which = name == "lower" ? CharacterClass::kLower : CharacterClass::kUpper;
    return all_of_class(runtime, to_text(runtime, value).text()->bytes, which);
  }
  const std::string sign = comparison_of(name);
  if (sign.empty() && name != "in" && name != "sameas" && name != "divisibleby") {
    runtime.refuse("the test '{}' is not supported.", name);
  }
  const Value other = signature.required("other");
  signature.finish();
  if (name == "in") return contains(runtime, other, value);
  if (name == "sameas") return identical(runtime, value, other);
  if (name == "divisibleby") return remainder_is(runtime, value, other, 0);
  if (sign == "==") return equal(runtime, value, other);
  if (sign == "!=") return !equal(runtime, value, other);
  const int order = compare(runtime, value, other);
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  return sign == ">" ? order > 0 : order >= 0;
}

}  // namespace circuit::jinja
