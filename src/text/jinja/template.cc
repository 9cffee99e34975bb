#include "text/jinja/template.h"

#include <ctime>

#include "core/error.h"
#include "io/json.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/operators.h"
#include "text/jinja/parser.h"
#include "text/jinja/print.h"

namespace circuit::jinja {
namespace {

Value function_value(std::string name, std::function<Value(Runtime&, Arguments&)> call) {
  return std::make_shared<const Function>(Function{std::move(name), std::move(call)});
}

Value make_range(Runtime& runtime, Arguments& arguments) {
  Values& given = arguments.positional;
  if (!arguments.named.empty() || given.empty() || given.size() > 3)
    runtime.refuse("range: wants one to three integers.");
  for (const Value& value : given) {
    if (!value.is_int()) runtime.refuse("range: wants integers, not {}.", type_name(value));
  }
  const int64_t start = given.size() == 1 ? 0 : given[0].integer();
  const int64_t stop = given[given.size() == 1 ? 0 : 1].integer();
  const int64_t step = given.size() == 3 ? given[2].integer() : 1;
  if (step == 0) runtime.refuse("range: the step is 0.");
  Values items;
  int64_t at = start;
  while (step > 0 ? at < stop : at > stop) {
    if (static_cast<int64_t>(items.size()) >= kMaxRange) runtime.refuse("range: more than {} numbers.", kMaxRange);
    items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  runtime.charge(items.size() / 4);
  const std::string written =
      step == 1 ? fmt::format("range({}, {})", start, stop) : fmt::format("range({}, {}, {})", start, stop, step);
  return runtime.sequence(SequenceKind::kRange, std::move(items), written);
}

// transformers keeps such names from namespaces.
void check_namespace_name(const Runtime& runtime, const std::string& name) {
  if (name.substr(0, 1) == "_") runtime.refuse("namespace: the name '{}' begins with '_'.", name);
}

Value make_namespace(Runtime& runtime, Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  for (const Value& value : arguments.positional) {
    if (value.dict() == nullptr) runtime.refuse("namespace: wants names and values.");
    for (const auto& [key, held] : value.dict()->entries) {
      if (key.text() == nullptr) runtime.refuse("namespace: a key is no text.");
      check_namespace_name(runtime, key.text()->bytes);
      space->values.emplace_back(key.text()->bytes, held);
    }
  }
  for (auto& [name, value] : arguments.named) {
    runtime.check_storable(value);
    check_namespace_name(runtime, name);
    space->values.emplace_back(name, value);
  }
  return space;
}

Value make_dict(Runtime& runtime, Arguments& arguments) {
  if (arguments.positional.size() > 1 || (!arguments.positional.empty() && arguments.positional[0].dict() == nullptr)) {
    runtime.refuse("dict: wants names and values.");
  }
  std::vector<std::pair<Value, Value>> entries;
  if (!arguments.positional.empty()) entries = arguments.positional[0].dict()->entries;
  for (auto& [name, value] : arguments.named) {
    bool is_new = true;
    for (auto& [key, held] : entries) {
      if (key.text() == nullptr || key.text()->bytes != name) continue;
      held = value;
      is_new = false;
    }
    if (is_new) entries.emplace_back(runtime.text(name), value);
  }
  return runtime.dict(std::move(entries));
}

Value raise_exception(Runtime& runtime, Arguments& arguments) {
  Signature signature(runtime, "raise_exception", arguments);
  const Value message = signature.required("message");
  TextBuilder built;
  print_value(runtime, message, built);
  runtime.refuse("it refuses the conversation: {}", built.bytes());
}

}  // namespace

struct Template::Tree {
  Stmts body;
};

Template::Template(std::string_view source, std::string place) : place_(std::move(place)) {
  constexpr size_t kMaxSource = size_t{4} << 20;
  if (source.size() > kMaxSource)
    fail(place_, "chat template: found {} bytes, expected at most {}.", source.size(), kMaxSource);
  if (!is_valid_utf8(source)) fail(place_, "chat template: it is not valid UTF-8.");
  tree_ = std::make_unique<const Tree>(Tree{parse_template(source, place_)});
}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Rendered Template::render(const std::function<Named(Runtime& runtime)>& variables) const {
  Meter meter;
  Runtime runtime(&meter, place_);
  Scope globals(nullptr);
  globals.set("range", function_value("range", make_range));
  globals.set("namespace", function_value("namespace", make_namespace));
  globals.set("dict", function_value("dict", make_dict));
  globals.set("raise_exception", function_value("raise_exception", raise_exception));
  Scope root(&globals);
  for (auto& [name, value] : variables(runtime)) root.set(name, std::move(value));
  runtime.allow_for_variables();
  TextBuilder built;
  Evaluator(&runtime).run(tree_->body, root, built);
  std::vector<Mark> marks = built.take_marks();
  return {built.take_bytes(), std::move(marks)};
}

Value make_strftime_now(int64_t seconds) {
  return function_value("strftime_now", [seconds](Runtime& runtime, Arguments& arguments) -> Value {
    Signature signature(runtime, "strftime_now", arguments);
    const Value format = signature.required("format");
    signature.finish();
    if (format.text() == nullptr) runtime.refuse("strftime_now: the format is {}.", type_name(format));
    if (format.text()->bytes.size() > 1000) runtime.refuse("strftime_now: the format is longer than 1000 bytes.");
    if (format.text()->bytes.empty()) return runtime.text("");
    const std::time_t time = seconds;
    std::tm parts{};
    localtime_r(&time, &parts);
    std::string out(16'384, '\0');
    out.resize(std::strftime(out.data(), out.size(), format.text()->bytes.c_str(), &parts));
    TextBuilder built;
    built.add_as(out, *format.text(), 0, format.text()->bytes.size());
    return runtime.text(std::move(built));
  });
}

}  // namespace circuit::jinja
