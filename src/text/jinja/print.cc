#include "text/jinja/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/characters.h"
#include "text/jinja/operators.h"
#include "text/unicode.h"

namespace circuit::jinja {
namespace {

// A text in quotes, its characters one by one through `escape`, which leaves those alone for which it says nothing.
template <class Escape>
void quote(Runtime& runtime, const Text& text, char mark, TextBuilder& out, const Escape& escape) {
  const std::string edge(1, mark);
  runtime.charge_bytes(text.bytes.size() * 8);
  out.add(edge);
  size_t plain = 0;
  for (size_t at = 0; at < text.bytes.size();) {
    const CodePoint c = code_point_at(text.bytes, at);
    const std::string escaped = escape(c.value);
    if (!escaped.empty()) {
      out.add_part(text, plain, at);
      out.add_as(escaped, text, at, at + c.size);
      plain = at + c.size;
    }
    at += c.size;
  }
  out.add_part(text, plain, text.bytes.size());
  out.add(edge);
}

void print_repr_text(Runtime& runtime, const Text& text, TextBuilder& out) {
  const bool has_single = text.bytes.find('\'') != std::string::npos;
  const char mark = has_single && text.bytes.find('"') == std::string::npos ? '"' : '\'';
  if (text.safe) out.add("Markup(");
  quote(runtime, text, mark, out, [mark](int32_t c) -> std::string {
    if (c == mark || c == '\\') return {'\\', static_cast<char>(c)};
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if (is_printable(c)) return "";
    if (c < 0x100) return fmt::format("\\x{:02x}", c);
    return c < 0x10000 ? fmt::format("\\u{:04x}", c) : fmt::format("\\U{:08x}", c);
  });
  if (text.safe) out.add(")");
}

void print_json_text(Runtime& runtime, const Text& text, bool ascii, TextBuilder& out) {
  quote(runtime, text, '"', out, [ascii](int32_t c) -> std::string {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        break;
    }
    if (c < 0x20 || (ascii && c > 0x7E && c < 0x10000)) return fmt::format("\\u{:04x}", c);
    if (!ascii || c < 0x10000) return "";
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
  });
}

const char* constant_name(const Value& value, bool json) {
  if (value.is_none()) return json ? "null" : "None";
  if (*value.as<bool>()) return json ? "true" : "True";
  return json ? "false" : "False";
}

void print_repr(Runtime& runtime, const Value& value, TextBuilder& out);

void print_items(Runtime& runtime, const Values& items, TextBuilder& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.add(", ");
    print_repr(runtime, items[i], out);
  }
}

void print_sequence(Runtime& runtime, const Sequence& sequence, TextBuilder& out) {
  const Nested nested(runtime);
  switch (sequence.kind) {
    case SequenceKind::kRange:
      return out.add(sequence.written);
    case SequenceKind::kGenerator:
      runtime.refuse("it prints what a filter makes item by item. Pass it through '| list' or '| join'.");
    case SequenceKind::kTuple:
      out.add("(");
      print_items(runtime, sequence.items, out);
      return out.add(sequence.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kList:
      break;
    case SequenceKind::kKeys:
      out.add("dict_keys(");
      break;
    case SequenceKind::kValues:
      out.add("dict_values(");
      break;
    case SequenceKind::kItems:
      out.add("dict_items(");
      break;
  }
  out.add("[");
  print_items(runtime, sequence.items, out);
  out.add(sequence.kind == SequenceKind::kList ? "]" : "])");
}

void print_dict(Runtime& runtime, const Dict& dict, TextBuilder& out) {
  const Nested nested(runtime);
  out.add("{");
  bool first = true;
  for (const auto& [key, entry] : dict.entries) {
    if (!first) out.add(", ");
    first = false;
    print_repr(runtime, key, out);
    out.add(": ");
    print_repr(runtime, entry, out);
  }
  out.add("}");
}

void print_repr(Runtime& runtime, const Value& value, TextBuilder& out) {
  if (const Text* text = value.text()) return print_repr_text(runtime, *text, out);
  if (value.is_undefined()) return out.add("Undefined");
  print_value(runtime, value, out);
}

// Keys of JSON objects are texts; Python writes constants and numbers so.
void print_json_key(Runtime& runtime, const Value& key, const JsonForm& form, TextBuilder& out) {
  if (const Text* text = key.text()) return print_json_text(runtime, *text, form.ascii, out);
  if (key.sequence() != nullptr) runtime.refuse("tojson: a key of a dict is no text.");
  out.add("\"");
  print_json(runtime, key, form, out);
  out.add("\"");
}

class JsonPrinter {
 public:
  JsonPrinter(Runtime& runtime, const JsonForm& form, TextBuilder& out) : runtime_(runtime), form_(form), out_(out) {}

  void print(const Value& value) {
    const Nested nested(runtime_);
    runtime_.charge(1);
    if (const Text* text = value.text()) return print_json_text(runtime_, *text, form_.ascii, out_);
    if (value.is_none() || value.is_bool()) return out_.add(constant_name(value, true));
    if (value.is_int()) return out_.add(std::to_string(value.integer()));
    if (value.is_number()) return print_number(value.number());
    if (const Dict* dict = value.dict()) return print(*dict);
    const Sequence* sequence = value.sequence();
    if (sequence == nullptr || (sequence->kind != SequenceKind::kList && sequence->kind != SequenceKind::kTuple)) {
      runtime_.refuse("tojson: {} cannot be JSON.", type_name(value));
    }
    print(*sequence);
  }

 private:
  void print_number(double number) {
    if (std::isnan(number)) return out_.add("NaN");
    if (std::isinf(number)) return out_.add(number > 0 ? "Infinity" : "-Infinity");
    out_.add(python_float(number));
  }

  void print(const Sequence& sequence) {
    if (sequence.items.empty()) return out_.add("[]");
    out_.add("[");
    ++level_;
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      next_line(i > 0);
      print(sequence.items[i]);
    }
    --level_;
    next_line(false);
    out_.add("]");
  }

  void print(const Dict& dict) {
    if (dict.entries.empty()) return out_.add("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (form_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return compare(runtime_, a->first, b->first) < 0; });
    }
    out_.add("{");
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      next_line(i > 0);
      print_json_key(runtime_, entries[i]->first, form_, out_);
      out_.add(form_.key_separator);
      print(entries[i]->second);
    }
    --level_;
    next_line(false);
    out_.add("}");
  }

  // Before an item, and before the closing bracket.
  void next_line(bool separates) {
    if (separates) out_.add(form_.item_separator);
    if (!form_.indent) return;
    runtime_.reserve(out_.size() + level_ * form_.indent->size());
    out_.add("\n");
    for (size_t i = 0; i < level_; ++i) out_.add(*form_.indent);
  }

  Runtime& runtime_;
  const JsonForm& form_;
  TextBuilder& out_;
  size_t level_ = 0;
};

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  const std::string scientific(digits, end);
  const size_t e = scientific.find('e');
  const int exponent = std::stoi(scientific.substr(e + 1));
  // Python's repr: an exponent below -4 and from 16 on.
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", scientific.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  const auto fixed = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed).ptr;
  std::string text(digits, fixed);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

void print_value(Runtime& runtime, const Value& value, TextBuilder& out) {
  runtime.charge(1);
  runtime.reserve(out.size());
  if (const Text* text = value.text()) {
    runtime.charge_bytes(text->bytes.size());
    runtime.reserve(out.size() + text->bytes.size());
    return out.add(*text);
  }
  if (value.is_undefined()) return;
  if (value.is_none() || value.is_bool()) return out.add(constant_name(value, false));
  if (value.is_int()) return out.add(std::to_string(value.integer()));
  if (value.is_number()) return out.add(python_float(value.number()));
  if (const Sequence* sequence = value.sequence()) return print_sequence(runtime, *sequence, out);
  if (const Dict* dict = value.dict()) return print_dict(runtime, *dict, out);
  runtime.refuse("it prints {}, which is not supported.", type_name(value));
}

Value to_text(Runtime& runtime, const Value& value) {
  if (value.text() != nullptr) return value;
  TextBuilder built;
  print_value(runtime, value, built);
  return runtime.text(std::move(built));
}

void print_json(Runtime& runtime, const Value& value, const JsonForm& form, TextBuilder& out) {
  JsonPrinter(runtime, form, out).print(value);
}

}  // namespace circuit::jinja
