// Truth, equality, order and membership of values.
#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"

namespace circuit::jinja {
namespace {

// int64 and double compared as numbers, not as doubles.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  const auto x = static_cast<long double>(a.is_int() ? static_cast<long double>(a.integer()) : a.number());
  const auto y = static_cast<long double>(b.is_int() ? static_cast<long double>(b.integer()) : b.number());
  return x < y ? -1 : x > y ? 1 : 0;
}

bool has_nan(const Value& a, const Value& b) {
  return (!a.is_int() && std::isnan(a.number())) || (!b.is_int() && std::isnan(b.number()));
}

bool equal_sequences(Runtime& runtime, const Sequence& a, const Sequence& b) {
  if (a.kind != b.kind) return false;
  if (a.kind != SequenceKind::kList && a.kind != SequenceKind::kTuple && a.kind != SequenceKind::kRange) {
    runtime.refuse("it compares views of dicts or what filters make, which is not supported.");
  }
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(runtime, a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = find_key(runtime, b, key);
    if (other == nullptr || !equal(runtime, value, *other)) return false;
  }
  return true;
}

}  // namespace

std::string type_name(const Value& value) {
  if (value.is_undefined()) return "nothing (undefined)";
  if (value.is_none()) return "none";
  if (value.is_bool()) return "a boolean";
  if (value.is_int()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.text() != nullptr) return "a text";
  if (value.dict() != nullptr) return "a dict";
  if (value.space() != nullptr) return "a namespace";
  if (const Function* f = value.function()) return fmt::format("the function {}", f->name);
  if (value.loop() != nullptr) return "the loop";
  constexpr const char* kNames[] = {"a list",
                                    "a tuple",
                                    "a range",
                                    "the keys of a dict",
                                    "the values of a dict",
                                    "the items of a dict",
                                    "what a filter makes"};
  return kNames[static_cast<int>(value.sequence()->kind)];
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return value.number() != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  const Sequence* sequence = value.sequence();
  return sequence == nullptr || sequence->kind == SequenceKind::kGenerator || !sequence->items.empty();
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  const Nested nested(runtime);
  runtime.charge(1);
  if (a.is_number() && b.is_number()) return !has_nan(a, b) && compare_numbers(a, b) == 0;
  if (a.text() != nullptr && b.text() != nullptr) {
    runtime.charge_bytes(a.text()->bytes.size());
    return a.text()->bytes == b.text()->bytes;
  }
  if (a.sequence() != nullptr && b.sequence() != nullptr) {
    return a.sequence() == b.sequence() || equal_sequences(runtime, *a.sequence(), *b.sequence());
  }
  if (a.dict() != nullptr && b.dict() != nullptr) return equal_dicts(runtime, *a.dict(), *b.dict());
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.space() != nullptr || b.space() != nullptr) return a.space() == b.space();
  if (a.function() != nullptr || b.function() != nullptr) return a.function() == b.function();
  return false;
}

int compare(Runtime& runtime, const Value& a, const Value& b) {
  const Nested nested(runtime);
  runtime.charge(1);
  if (a.is_number() && b.is_number()) {
    if (has_nan(a, b)) runtime.refuse("it compares with NaN, which has no order.");
    return compare_numbers(a, b);
  }
  if (a.text() != nullptr && b.text() != nullptr) {
    runtime.charge_bytes(std::min(a.text()->bytes.size(), b.text()->bytes.size()));
    return a.text()->bytes.compare(b.text()->bytes);  // bytes of UTF-8 stand in the order of characters
  }
  const Sequence* x = a.sequence();
  const Sequence* y = b.sequence();
  const auto ordered = [](const Sequence* s) {
    return s != nullptr && (s->kind == SequenceKind::kList || s->kind == SequenceKind::kTuple);
  };
  if (ordered(x) && ordered(y) && x->kind == y->kind) {
    for (size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      if (!equal(runtime, x->items[i], y->items[i])) return compare(runtime, x->items[i], y->items[i]);
    }
    return x->items.size() < y->items.size() ? -1 : x->items.size() > y->items.size() ? 1 : 0;
  }
  for (const Value* value : {&a, &b}) {
    if (const Undefined* u = value->as<Undefined>()) runtime.refuse("{}.", *u->what);
  }
  runtime.refuse("{} and {} have no order.", type_name(a), type_name(b));
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_undefined()) return false;
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) runtime.refuse("'in' a text wants a text, not {}.", type_name(item));
    runtime.charge_bytes(text->bytes.size());
    return text->bytes.find(item.text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return find_key(runtime, *dict, item) != nullptr;
  if (!is_iterable(container)) runtime.refuse("'in' {} is not possible.", type_name(container));
  const Values items = items_of(runtime, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& other) { return equal(runtime, other, item); });
}

const Value* find_key(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict.entries) {
    if (name.text() != nullptr && name.text()->bytes == key) return &value;
  }
  return nullptr;
}

const Value* find_key(Runtime& runtime, const Dict& dict, const Value& key) {
  const Sequence* s = key.sequence();
  if (key.dict() != nullptr || (s != nullptr && s->kind == SequenceKind::kList)) {
    runtime.refuse("{} cannot be a key.", type_name(key));
  }
  runtime.charge(1 + dict.entries.size() / 4);
  if (const Text* text = key.text()) return find_key(dict, text->bytes);
  for (const auto& [name, value] : dict.entries) {
    if (equal(runtime, name, key)) return &value;
  }
  return nullptr;
}

}  // namespace circuit::jinja
