#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace circuit::jinja {
namespace {

Value only_value(Runtime& runtime, const char* name, const Value& value, Arguments& arguments) {
  Signature(runtime, name, arguments).finish();
  return to_text(runtime, value);
}

template <Case to>
Value case_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  return change_case(runtime, *only_value(runtime, "upper", value, arguments).text(), to);
}

Value string_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  return only_value(runtime, "string", value, arguments);
}

Value trim_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Value printed = to_text(runtime, value);
  return (*text_method(printed, "strip")->function()).call(runtime, arguments);
}

Value safe_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Value printed = only_value(runtime, "safe", value, arguments);
  const Text& text = *printed.text();
  return runtime.text(text.bytes, text.marks, true);
}

Value escape_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  return escaped(runtime, only_value(runtime, "escape", value, arguments));
}

Value replace_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "replace", arguments);
  const Value old = to_text(runtime, signature.required("old"));
  const Value with = to_text(runtime, signature.required("new"));
  const Value count = signature.optional("count", None{});
  signature.finish();
  if (!count.is_none() && !count.is_int()) runtime.refuse("replace: count is {}, not an integer.", type_name(count));
  const int64_t most = count.is_none() || count.integer() < 0 ? INT64_MAX : count.integer();
  const Value printed = to_text(runtime, value);
  const Text plain(nullptr, printed.text()->bytes, printed.text()->marks, false);
  return replaced(runtime, plain, *old.text(), *with.text(), most);
}

Value indent_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "indent", arguments);
  const Value width = signature.optional("width", int64_t{4});
  const bool first = truth(signature.optional("first", false));
  const bool blank = truth(signature.optional("blank", false));
  signature.finish();
  if (value.text() == nullptr) runtime.refuse("indent: wants a text, not {}.", type_name(value));
  if (width.is_int() && width.integer() > 1000) runtime.refuse("indent: {} spaces.", width.integer());
  if (!width.is_int() && width.text() == nullptr) runtime.refuse("indent: the width is {}.", type_name(width));
  const Value indention =
      width.is_int() ? runtime.text(std::string(static_cast<size_t>(std::max<int64_t>(width.integer(), 0)), ' '))
                     : width;
  // Jinja adds a line end, so that one at the end of the text makes no line of its own.
  TextBuilder with_end;
  with_end.add(*value.text());
  with_end.add("\n");
  const Value whole = runtime.text(std::move(with_end));
  Arguments keep;
  const Value all_lines = blank ? Value() : text_method(whole, "splitlines")->function()->call(runtime, keep);
  TextBuilder built;
  if (first) built.add(*indention.text());
  if (blank) {
    const Text line_end(nullptr, "\n", {}, false);
    TextBuilder new_line;
    new_line.add("\n");
    new_line.add(*indention.text());
    const Value with = runtime.text(std::move(new_line));
    built.add(*replaced(runtime, *value.text(), line_end, *with.text(), INT64_MAX).text());
    return runtime.text(std::move(built), value.text()->safe);
  }
  const Values& lines = all_lines.sequence()->items;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) built.add("\n");
    if (i > 0 && !lines[i].text()->bytes.empty()) built.add(*indention.text());
    built.add(*lines[i].text());
    runtime.charge(1);
    runtime.reserve(built.size());
  }
  return runtime.text(std::move(built), value.text()->safe);
}

Value tojson_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "tojson", arguments);
  JsonForm form;
  form.ascii = truth(signature.optional("ensure_ascii", false));
  const Value indent = signature.optional("indent", None{});
  const Value separators = signature.optional("separators", None{});
  form.sort_keys = truth(signature.optional("sort_keys", false));
  signature.finish();
  if (indent.is_int() && indent.integer() > 1000) runtime.refuse("tojson: an indent of {}.", indent.integer());
  if (indent.is_int()) form.indent = std::string(static_cast<size_t>(std::max<int64_t>(indent.integer(), 0)), ' ');
  if (indent.text() != nullptr) form.indent = indent.text()->bytes;
  if (!indent.is_none() && !form.indent) runtime.refuse("tojson: the indent is {}.", type_name(indent));
  if (form.indent) form.item_separator = ",";
  if (!separators.is_none()) {
    const Values both = items_of(runtime, separators);
    if (both.size() != 2 || both[0].text() == nullptr || both[1].text() == nullptr) {
      runtime.refuse("tojson: separators are not two texts.");
    }
    form.item_separator = both[0].text()->bytes;
    form.key_separator = both[1].text()->bytes;
  }
  TextBuilder built;
  print_json(runtime, value, form, built);
  return runtime.text(std::move(built));
}

Value join_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "join", arguments);
  const Value between = to_text(runtime, signature.optional("d", runtime.text("")));
  const Value attribute = signature.optional("attribute", None{});
  signature.finish();
  TextBuilder built;
  bool first = true;
  for (const Value& item : items_of(runtime, value)) {
    if (!first) built.add(*between.text());
    first = false;
    runtime.charge_bytes(between.text()->bytes.size());
    print_value(runtime, attribute.is_none() ? item : get_path(runtime, item, attribute), built);
  }
  return runtime.text(std::move(built));
}

Value format_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  if (!arguments.named.empty()) runtime.refuse("format: named values are not supported.");
  const Value printed = to_text(runtime, value);
  return percent_format(runtime, *printed.text(), runtime.sequence(SequenceKind::kTuple, arguments.positional));
}

Value wordcount_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const Value printed = only_value(runtime, "wordcount", value, arguments);
  for (const char c : printed.text()->bytes) {
    if (static_cast<unsigned char>(c) > 0x7F) runtime.refuse("wordcount beyond ASCII is not supported.");
  }
  int64_t words = 0;
  bool inside = false;
  for (const char c : printed.text()->bytes) {
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    words += is_word && !inside;
    inside = is_word;
  }
  return words;
}

}  // namespace

const std::map<std::string, Filter>& text_filters() {
  static const std::map<std::string, Filter> filters{
      {"upper", case_filter<Case::kUpper>},
      {"lower", case_filter<Case::kLower>},
      {"capitalize", case_filter<Case::kCapitalize>},
      {"title", case_filter<Case::kTitle>},
      {"string", string_filter},
      {"trim", trim_filter},
      {"safe", safe_filter},
      {"escape", escape_filter},
      {"e", escape_filter},
      {"replace", replace_filter},
      {"indent", indent_filter},
      {"tojson", tojson_filter},
      {"join", join_filter},
      {"format", format_filter},
      {"wordcount", wordcount_filter},
  };
  return filters;
}

}  // namespace circuit::jinja
