// Methods of texts: those of Python's str.
#include <algorithm>
#include <map>

#include "text/jinja/characters.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace circuit::jinja {
namespace {

const std::string& text_argument(Runtime& runtime, const char* method, const Value& value) {
  if (value.text() == nullptr) runtime.refuse("{}: wants a text, not {}.", method, type_name(value));
  return value.text()->bytes;
}

template <Side side>
Value strip(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "strip", arguments);
  const Value of = signature.optional("chars", None{});
  signature.finish();
  runtime.charge_bytes(self.bytes.size());
  const std::string* characters = of.is_none() ? nullptr : &text_argument(runtime, "strip", of);
  if (characters != nullptr) runtime.charge_bytes(characters->size() * 16);
  const Kept kept = stripped(self.bytes, characters, side);
  return runtime.part(self, kept.begin, kept.end);
}

template <Case to>
Value cased(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature(runtime, "upper", arguments).finish();
  return change_case(runtime, self, to);
}

template <CharacterClass which>
Value is_all(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature(runtime, "isdigit", arguments).finish();
  return all_of_class(runtime, self.bytes, which);
}

Value is_space(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature(runtime, "isspace", arguments).finish();
  const Kept kept = stripped(self.bytes, nullptr, Side::kLeft);
  return !self.bytes.empty() && kept.begin == kept.end;
}

// startswith and endswith: a text or a tuple of them.
template <bool at_start>
Value has_affix(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, at_start ? "startswith" : "endswith", arguments);
  const Value wanted = signature.required("prefix");
  signature.finish();
  const auto fits = [&](const Value& affix) {
    const std::string& bytes = text_argument(runtime, at_start ? "startswith" : "endswith", affix);
    if (bytes.size() > self.bytes.size()) return false;
    return self.bytes.compare(at_start ? 0 : self.bytes.size() - bytes.size(), bytes.size(), bytes) == 0;
  };
  const Sequence* tuple = wanted.sequence();
  if (tuple == nullptr || tuple->kind != SequenceKind::kTuple) return fits(wanted);
  return std::any_of(tuple->items.begin(), tuple->items.end(), fits);
}

template <bool at_start>
Value without_affix(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, at_start ? "removeprefix" : "removesuffix", arguments);
  const std::string affix = text_argument(runtime, "removeprefix", signature.required("prefix"));
  signature.finish();
  const size_t size = self.bytes.size();
  if (affix.size() > size) return runtime.part(self, 0, size);
  const bool has = self.bytes.compare(at_start ? 0 : size - affix.size(), affix.size(), affix) == 0;
  if (!has) return runtime.part(self, 0, size);
  return at_start ? runtime.part(self, affix.size(), size) : runtime.part(self, 0, size - affix.size());
}

int64_t maximum_of(Runtime& runtime, Signature& signature, const char* key) {
  const Value value = signature.optional(key, int64_t{-1});
  if (!value.is_int()) runtime.refuse("{}: wants an integer, not {}.", key, type_name(value));
  return value.integer() < 0 ? INT64_MAX : value.integer();
}

Values split_at_space(Runtime& runtime, const Text& self, int64_t most) {
  Values parts;
  const std::string& bytes = self.bytes;
  for (size_t at = 0;;) {
    while (at < bytes.size() && is_python_space(code_point_at(bytes, at).value)) at += code_point_at(bytes, at).size;
    if (at >= bytes.size()) return parts;
    if (static_cast<int64_t>(parts.size()) == most) {
      const Kept kept = stripped(std::string_view(bytes).substr(at), nullptr, Side::kRight);
      parts.push_back(runtime.part(self, at, at + kept.end));
      return parts;
    }
    const size_t begin = at;
    while (at < bytes.size() && !is_python_space(code_point_at(bytes, at).value)) at += code_point_at(bytes, at).size;
    parts.push_back(runtime.part(self, begin, at));
    runtime.charge(2);
  }
}

template <bool from_right>
Value split(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "split", arguments);
  const Value by = signature.optional("sep", None{});
  const int64_t most = maximum_of(runtime, signature, "maxsplit");
  signature.finish();
  runtime.charge_bytes(self.bytes.size());
  if (by.is_none()) {
    if (from_right && most != INT64_MAX) runtime.refuse("rsplit at white space with maxsplit is not supported.");
    return runtime.list(split_at_space(runtime, self, most));
  }
  const std::string& separator = text_argument(runtime, "split", by);
  if (separator.empty()) runtime.refuse("split: the separator is empty.");
  Values parts;
  const std::string& bytes = self.bytes;
  if (!from_right) {
    size_t begin = 0;
    while (static_cast<int64_t>(parts.size()) < most) {
      const size_t end = bytes.find(separator, begin);
      if (end == std::string::npos) break;
      parts.push_back(runtime.part(self, begin, end));
      runtime.charge(2);
      begin = end + separator.size();
    }
    parts.push_back(runtime.part(self, begin, bytes.size()));
    return runtime.list(std::move(parts));
  }
  size_t end = bytes.size();
  while (static_cast<int64_t>(parts.size()) < most && end >= separator.size()) {
    const size_t begin = bytes.rfind(separator, end - separator.size());
    if (begin == std::string::npos) break;
    parts.push_back(runtime.part(self, begin + separator.size(), end));
    runtime.charge(2);
    end = begin;
  }
  parts.push_back(runtime.part(self, 0, end));
  std::reverse(parts.begin(), parts.end());
  return runtime.list(std::move(parts));
}

Value split_lines(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "splitlines", arguments);
  const bool keep = truth(signature.optional("keepends", false));
  signature.finish();
  runtime.charge_bytes(self.bytes.size());
  Values parts;
  size_t begin = 0;
  for (size_t at = 0; at < self.bytes.size();) {
    const CodePoint c = code_point_at(self.bytes, at);
    const bool ends = (c.value >= 0x0A && c.value <= 0x0D) || (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                      c.value == 0x2028 || c.value == 0x2029;
    size_t next = at + c.size;
    if (c.value == '\r' && next < self.bytes.size() && self.bytes[next] == '\n') ++next;
    if (ends) {
      parts.push_back(runtime.part(self, begin, keep ? next : at));
      runtime.charge(2);
      begin = next;
    }
    at = ends ? next : at + c.size;
  }
  if (begin < self.bytes.size()) parts.push_back(runtime.part(self, begin, self.bytes.size()));
  return runtime.list(std::move(parts));
}

Value replace(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "replace", arguments);
  const Value old = signature.required("old");
  const Value with = signature.required("new");
  const int64_t most = maximum_of(runtime, signature, "count");
  signature.finish();
  text_argument(runtime, "replace", old);
  text_argument(runtime, "replace", with);
  return replaced(runtime, self, *old.text(), *with.text(), most);
}

template <bool from_right, bool must>
Value find(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "find", arguments);
  const std::string& wanted = text_argument(runtime, "find", signature.required("sub"));
  signature.finish();
  runtime.charge_bytes(self.bytes.size());
  const size_t at = from_right ? self.bytes.rfind(wanted) : self.bytes.find(wanted);
  if (at == std::string::npos && must) runtime.refuse("index: the text has no '{}'.", wanted);
  if (at == std::string::npos) return int64_t{-1};
  return static_cast<int64_t>(count_characters(std::string_view(self.bytes).substr(0, at)));
}

Value count(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "count", arguments);
  const std::string& wanted = text_argument(runtime, "count", signature.required("sub"));
  signature.finish();
  if (wanted.empty()) return static_cast<int64_t>(count_characters(self.bytes) + 1);
  runtime.charge_bytes(self.bytes.size());
  int64_t found = 0;
  for (size_t at = self.bytes.find(wanted); at != std::string::npos; at = self.bytes.find(wanted, at + wanted.size())) {
    ++found;
  }
  return found;
}

Value join(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "join", arguments);
  const Value list = signature.required("iterable");
  signature.finish();
  TextBuilder built;
  bool first = true;
  for (const Value& item : items_of(runtime, list)) {
    text_argument(runtime, "join", item);
    if (!first) built.add(self);
    first = false;
    runtime.reserve(built.size() + item.text()->bytes.size());
    runtime.charge_bytes(self.bytes.size() + item.text()->bytes.size());
    built.add(*item.text());
  }
  return runtime.text(std::move(built));
}

template <bool from_right>
Value partition(Runtime& runtime, const Text& self, Arguments& arguments) {
  Signature signature(runtime, "partition", arguments);
  const std::string separator = text_argument(runtime, "partition", signature.required("sep"));
  signature.finish();
  if (separator.empty()) runtime.refuse("partition: the separator is empty.");
  const size_t size = self.bytes.size();
  const size_t at = from_right ? self.bytes.rfind(separator) : self.bytes.find(separator);
  const Value whole = runtime.part(self, 0, size);
  const Value none = runtime.text("");
  Values parts = from_right ? Values{none, none, whole} : Values{whole, none, none};
  if (at != std::string::npos) {
    parts = {runtime.part(self, 0, at), runtime.part(self, at, at + separator.size()),
             runtime.part(self, at + separator.size(), size)};
  }
  return runtime.sequence(SequenceKind::kTuple, std::move(parts));
}

// Fields {}, {0} and {name} of str.format, without conversions and format specifications.
Value format(Runtime& runtime, const Text& self, Arguments& arguments) {
  const std::string& bytes = self.bytes;
  TextBuilder built;
  size_t next = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    built.add_part(self, at, brace);
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      built.add_part(self, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    const size_t end = bytes.find('}', brace);
    if (bytes[brace] == '}' || end == std::string::npos) runtime.refuse("format: a single brace.");
    const std::string field = bytes.substr(brace + 1, end - brace - 1);
    if (field.find_first_of(".[!:{") != std::string::npos)
      runtime.refuse("format: the field '{}' is not supported.", field);
    const bool numbered = field.find_first_not_of("0123456789") == std::string::npos && field.size() < 6;
    const Value* value = nullptr;
    if (numbered) {
      const size_t index = field.empty() ? next++ : static_cast<size_t>(std::stoul(field));
      if (index < arguments.positional.size()) value = &arguments.positional[index];
    }
    for (const auto& [name, named] : arguments.named) {
      if (name == field) value = &named;
    }
    if (value == nullptr) runtime.refuse("format: there is no value for the field '{}'.", field);
    print_value(runtime, *value, built);
    at = end + 1;
  }
  return runtime.text(std::move(built));
}

using Method = Value (*)(Runtime& runtime, const Text& self, Arguments& arguments);

const std::map<std::string, Method>& text_methods() {
  static const std::map<std::string, Method> methods{
      {"strip", strip<Side::kBoth>},
      {"lstrip", strip<Side::kLeft>},
      {"rstrip", strip<Side::kRight>},
      {"upper", cased<Case::kUpper>},
      {"lower", cased<Case::kLower>},
      {"capitalize", cased<Case::kCapitalize>},
      {"title", cased<Case::kPythonTitle>},
      {"swapcase", cased<Case::kSwap>},
      {"isdigit", is_all<CharacterClass::kDigit>},
      {"isalpha", is_all<CharacterClass::kAlpha>},
      {"isalnum", is_all<CharacterClass::kAlphaNumeric>},
      {"isupper", is_all<CharacterClass::kUpper>},
      {"islower", is_all<CharacterClass::kLower>},
      {"isspace", is_space},
      {"startswith", has_affix<true>},
      {"endswith", has_affix<false>},
      {"removeprefix", without_affix<true>},
      {"removesuffix", without_affix<false>},
      {"split", split<false>},
      {"rsplit", split<true>},
      {"splitlines", split_lines},
      {"replace", replace},
      {"find", find<false, false>},
      {"rfind", find<true, false>},
      {"index", find<false, true>},
      {"rindex", find<true, true>},
      {"count", count},
      {"join", join},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"format", format},
  };
  return methods;
}

}  // namespace

Value replaced(Runtime& runtime, const Text& self, const Text& old, const Text& with, int64_t most) {
  TextBuilder built;
  size_t done = 0;
  runtime.charge_bytes(self.bytes.size());
  if (old.bytes.empty()) {
    // Between all characters, before the first and after the last.
    for (const size_t start : character_starts(self.bytes)) {
      if (most-- <= 0) break;
      built.add_part(self, done, start);
      built.add(with);
      runtime.charge(1 + with.bytes.size() / 64);
      runtime.reserve(built.size());
      done = start;
    }
  }
  for (size_t at = old.bytes.empty() ? std::string::npos : self.bytes.find(old.bytes);
       at != std::string::npos && most > 0; at = self.bytes.find(old.bytes, done), --most) {
    built.add_part(self, done, at);
    built.add(with);
    runtime.charge(1 + with.bytes.size() / 64);
    runtime.reserve(built.size());
    done = at + old.bytes.size();
  }
  built.add_part(self, done, self.bytes.size());
  return runtime.text(std::move(built), self.safe);
}

std::optional<Value> text_method(const Value& self, const std::string& name) {
  const auto found = text_methods().find(name);
  if (found == text_methods().end()) return std::nullopt;
  const Method method = found->second;
  return std::make_shared<const Function>(
      Function{name, [self, method](Runtime& runtime, Arguments& arguments) {
                 const bool takes_texts = !arguments.positional.empty() || !arguments.named.empty();
                 if (self.text()->safe && takes_texts)
                   runtime.refuse("a method of a safe text with arguments is not supported.");
                 return method(runtime, *self.text(), arguments);
               }});
}

}  // namespace circuit::jinja
