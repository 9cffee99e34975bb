// Lengths, items, places, attributes and slices of values.
#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/loop.h"
#include "text/jinja/operators.h"
#include "text/unicode.h"

namespace circuit::jinja {
namespace {

std::optional<Value> place_of(Runtime& runtime, const Value& value, int64_t index) {
  if (const Text* text = value.text()) {
    const auto count = static_cast<int64_t>(count_characters(text->bytes));
    if (index < 0) index += count;
    if (index < 0 || index >= count) return std::nullopt;
    runtime.charge_bytes(text->bytes.size() * 2);
    size_t at = 0;
    for (int64_t i = 0; i < index; ++i) at += code_point_at(text->bytes, at).size;
    return runtime.part(*text, at, at + code_point_at(text->bytes, at).size);
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind > SequenceKind::kRange) return std::nullopt;
  const auto count = static_cast<int64_t>(sequence->items.size());
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return sequence->items[static_cast<size_t>(index)];
}

void refuse_undefined(Runtime& runtime, const Value& value) {
  if (const Undefined* u = value.as<Undefined>()) runtime.refuse("{}.", *u->what);
}

std::optional<Value> entry_of(Runtime& runtime, const Value& value, const std::string& name) {
  const Dict* dict = value.dict();
  if (dict == nullptr) return std::nullopt;
  runtime.charge(1 + dict->entries.size() / 4);
  const Value* found = find_key(*dict, name);
  return found == nullptr ? std::nullopt : std::optional<Value>(*found);
}

std::optional<Value> own_attribute(Runtime& runtime, const Value& value, const std::string& name) {
  if (const Namespace* space = value.space()) {
    for (const auto& [key, held] : space->values) {
      if (key == name) return held;
    }
    return std::nullopt;
  }
  if (LoopState* loop = value.loop()) return loop->attribute(runtime, name);
  if (value.is_number()) {
    for (const char* known : {"real", "imag", "numerator", "denominator", "conjugate", "bit_length", "is_integer"}) {
      if (name == known) runtime.refuse("'{}' of a number is not supported.", name);
    }
  }
  return find_method(runtime, value, name);
}

Value missing(const Runtime& runtime, const Value& value, const std::string& name) {
  return runtime.undefined(fmt::format("{} has no '{}'", type_name(value), name));
}

struct Bounds {
  int64_t start, stop, step;
};

// As PySlice_AdjustIndices.
Bounds bounds_of(Runtime& runtime, const Value& start, const Value& stop, const Value& step, int64_t size) {
  const auto integer = [&](const Value& value, int64_t fallback) {
    if (value.is_none()) return fallback;
    if (!value.is_int()) runtime.refuse("a slice wants integers, not {}.", type_name(value));
    return value.integer();
  };
  const int64_t by = integer(step, 1);
  if (by == 0) runtime.refuse("the step of a slice is 0.");
  const auto adjusted = [&](int64_t at) {
    if (at < 0) return std::max<int64_t>(at < -size ? -1 : at + size, by < 0 ? -1 : 0);
    return std::min(at, by < 0 ? size - 1 : size);
  };
  const int64_t from = start.is_none() ? (by < 0 ? size - 1 : 0) : adjusted(integer(start, 0));
  const int64_t to = stop.is_none() ? (by < 0 ? -1 : size) : adjusted(integer(stop, 0));
  return {from, to, std::clamp<int64_t>(by, -size - 1, size + 1)};
}

}  // namespace

int64_t length_of(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) return 0;
  if (const Text* text = value.text()) {
    runtime.charge_bytes(text->bytes.size());
    return static_cast<int64_t>(count_characters(text->bytes));
  }
  if (const Dict* dict = value.dict()) return static_cast<int64_t>(dict->entries.size());
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator) {
    runtime.refuse("{} has no length.", type_name(value));
  }
  return static_cast<int64_t>(sequence->items.size());
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.text() != nullptr || value.dict() != nullptr || value.sequence() != nullptr;
}

Values items_of(Runtime& runtime, const Value& value) {
  Values items;
  if (value.is_undefined()) return items;
  if (const Text* text = value.text()) {
    runtime.charge(text->bytes.size());
    runtime.reserve(text->bytes.size() * (sizeof(Value) + sizeof(Text)));
    for (size_t at = 0; at < text->bytes.size();) {
      const size_t size = code_point_at(text->bytes, at).size;
      items.push_back(runtime.part(*text, at, at + size));
      at += size;
    }
    return items;
  }
  if (const Dict* dict = value.dict()) {
    runtime.charge(dict->entries.size());
    for (const auto& entry : dict->entries) items.push_back(entry.first);
    return items;
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr) runtime.refuse("{} cannot be gone through.", type_name(value));
  if (sequence->kind == SequenceKind::kGenerator) {
    if (sequence->spent) return items;
    sequence->spent = true;
  }
  runtime.charge(sequence->items.size() / 4);
  return sequence->items;
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  refuse_undefined(runtime, value);
  if (const Dict* dict = value.dict()) {
    if (const Value* found = find_key(runtime, *dict, key)) return *found;
  }
  if (key.is_int()) {
    if (auto found = place_of(runtime, value, key.integer())) return *found;
    return missing(runtime, value, std::to_string(key.integer()));
  }
  if (key.text() == nullptr) return missing(runtime, value, type_name(key));
  if (auto found = own_attribute(runtime, value, key.text()->bytes)) return *found;
  return missing(runtime, value, key.text()->bytes);
}

Value get_attribute(Runtime& runtime, const Value& value, const std::string& name) {
  refuse_undefined(runtime, value);
  if (auto found = own_attribute(runtime, value, name)) return *found;
  if (auto found = entry_of(runtime, value, name)) return *found;
  return missing(runtime, value, name);
}

Value get_path(Runtime& runtime, const Value& value, const Value& path) {
  if (path.text() == nullptr) return get_item(runtime, value, path);
  Value at = value;
  const std::string& names = path.text()->bytes;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('.', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    const bool digits = !name.empty() && name.size() < 10 && name.find_first_not_of("0123456789") == std::string::npos;
    at = get_item(runtime, at, digits ? Value(int64_t{std::stoll(name)}) : runtime.text(name));
    begin = end + 1;
  }
  return at;
}

Value slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step) {
  refuse_undefined(runtime, value);
  if (const Text* text = value.text()) {
    const std::vector<size_t> starts = character_starts(text->bytes);
    runtime.charge_bytes(text->bytes.size() * 4);
    const Bounds b = bounds_of(runtime, start, stop, step, static_cast<int64_t>(starts.size()) - 1);
    if (b.step == 1) {
      return b.start >= b.stop
                 ? runtime.text("")
                 : runtime.part(*text, starts[static_cast<size_t>(b.start)], starts[static_cast<size_t>(b.stop)]);
    }
    TextBuilder built;
    for (int64_t i = b.start; b.step > 0 ? i < b.stop : i > b.stop; i += b.step) {
      built.add_part(*text, starts[static_cast<size_t>(i)], starts[static_cast<size_t>(i) + 1]);
      runtime.charge(1);
    }
    return runtime.text(std::move(built), text->safe);
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind > SequenceKind::kRange) {
    runtime.refuse("{} has no slices.", type_name(value));
  }
  const Bounds b = bounds_of(runtime, start, stop, step, static_cast<int64_t>(sequence->items.size()));
  Values items;
  for (int64_t i = b.start; b.step > 0 ? i < b.stop : i > b.stop; i += b.step) {
    items.push_back(sequence->items[static_cast<size_t>(i)]);
  }
  // A slice of a range is a range in Python; here it prints as what it holds, which is refused.
  const bool is_range = sequence->kind == SequenceKind::kRange;
  return runtime.sequence(is_range ? SequenceKind::kTuple : sequence->kind, std::move(items));
}

}  // namespace circuit::jinja
