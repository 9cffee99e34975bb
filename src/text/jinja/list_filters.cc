#include <algorithm>

#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace circuit::jinja {
namespace {

Value length_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "length", arguments).finish();
  return length_of(runtime, value);
}

Value default_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "default", arguments);
  Value fallback = signature.optional("default_value", runtime.text(""));
  const bool if_false = truth(signature.optional("boolean", false));
  signature.finish();
  if (value.is_undefined() || (if_false && !truth(value))) return fallback;
  return value;
}

Value list_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "list", arguments).finish();
  return runtime.list(items_of(runtime, value));
}

Value first_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "first", arguments).finish();
  const Values items = items_of(runtime, value);
  return items.empty() ? runtime.undefined("there is no first item") : items.front();
}

Value last_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "last", arguments).finish();
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kGenerator) runtime.refuse("last: {}.", type_name(value));
  const Values items = items_of(runtime, value);
  return items.empty() ? runtime.undefined("there is no last item") : items.back();
}

Value reverse_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "reverse", arguments).finish();
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kGenerator)
    runtime.refuse("reverse: {}.", type_name(value));
  if (value.is_undefined()) runtime.refuse("reverse: {}.", *value.as<Undefined>()->what);
  if (value.text() != nullptr) return slice(runtime, value, None{}, None{}, int64_t{-1});
  Values items = items_of(runtime, value);
  std::reverse(items.begin(), items.end());
  return runtime.sequence(SequenceKind::kGenerator, std::move(items));
}

Value items_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature(runtime, "items", arguments).finish();
  Values items;
  if (value.is_undefined()) return runtime.sequence(SequenceKind::kGenerator, {});
  if (value.dict() == nullptr) runtime.refuse("items: wants a dict, not {}.", type_name(value));
  for (const auto& [key, entry] : value.dict()->entries) {
    items.push_back(runtime.sequence(SequenceKind::kTuple, {key, entry}));
  }
  return runtime.sequence(SequenceKind::kGenerator, std::move(items));
}

// The key that sorting and comparing use: texts in lower case unless case counts.
Value sort_key(Runtime& runtime, const Value& item, const Value& attribute, bool case_counts) {
  Value key = attribute.is_none() ? item : get_path(runtime, item, attribute);
  return key.text() == nullptr || case_counts ? key : change_case(runtime, *key.text(), Case::kLower);
}

struct Keyed {
  Value key, item;
};

std::vector<Keyed> keyed(Runtime& runtime, const Values& items, const Value& attribute, bool case_counts) {
  std::vector<Keyed> all;
  for (const Value& item : items) all.push_back({sort_key(runtime, item, attribute, case_counts), item});
  return all;
}

// Stable, also backwards, as Python's sort. Insertion by merging: an order that is none must not be asked of std::sort.
void sort_by_key(Runtime& runtime, std::vector<Keyed>* all, bool backwards) {
  for (size_t width = 1; width < all->size(); width *= 2) {
    std::vector<Keyed> merged;
    for (size_t begin = 0; begin < all->size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, all->size());
      const size_t end = std::min(begin + 2 * width, all->size());
      size_t a = begin;
      size_t b = middle;
      while (a < middle || b < end) {
        bool take_b = a == middle;
        if (a < middle && b < end) {
          const int order = compare(runtime, (*all)[b].key, (*all)[a].key);
          take_b = backwards ? order > 0 : order < 0;
        }
        merged.push_back((*all)[take_b ? b++ : a++]);
      }
    }
    *all = std::move(merged);
  }
}

Values items_in(const std::vector<Keyed>& all) {
  Values items;
  for (const Keyed& k : all) items.push_back(k.item);
  return items;
}

Value sort_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "sort", arguments);
  const bool backwards = truth(signature.optional("reverse", false));
  const bool case_counts = truth(signature.optional("case_sensitive", false));
  const Value attribute = signature.optional("attribute", None{});
  signature.finish();
  if (attribute.text() != nullptr && attribute.text()->bytes.find(',') != std::string::npos) {
    runtime.refuse("sort: several attributes are not supported.");
  }
  std::vector<Keyed> all = keyed(runtime, items_of(runtime, value), attribute, case_counts);
  sort_by_key(runtime, &all, backwards);
  return runtime.list(items_in(all));
}

Value dictsort_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "dictsort", arguments);
  const bool case_counts = truth(signature.optional("case_sensitive", false));
  const Value by = signature.optional("by", runtime.text("key"));
  const bool backwards = truth(signature.optional("reverse", false));
  signature.finish();
  if (value.dict() == nullptr) runtime.refuse("dictsort: wants a dict, not {}.", type_name(value));
  const std::string what = by.text() == nullptr ? "" : by.text()->bytes;
  if (what != "key" && what != "value") runtime.refuse("dictsort: by '{}' is not known.", what);
  std::vector<Keyed> all;
  for (const auto& [key, entry] : value.dict()->entries) {
    all.push_back({sort_key(runtime, what == "key" ? key : entry, None{}, case_counts),
                   runtime.sequence(SequenceKind::kTuple, {key, entry})});
  }
  sort_by_key(runtime, &all, backwards);
  return runtime.list(items_in(all));
}

Value unique_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, "unique", arguments);
  const bool case_counts = truth(signature.optional("case_sensitive", false));
  const Value attribute = signature.optional("attribute", None{});
  signature.finish();
  std::vector<Keyed> kept;
  for (Keyed& k : keyed(runtime, items_of(runtime, value), attribute, case_counts)) {
    const bool seen =
        std::any_of(kept.begin(), kept.end(), [&](const Keyed& o) { return equal(runtime, o.key, k.key); });
    if (!seen) kept.push_back(std::move(k));
  }
  return runtime.sequence(SequenceKind::kGenerator, items_in(kept));
}

template <bool largest>
Value extreme_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Signature signature(runtime, largest ? "max" : "min", arguments);
  const bool case_counts = truth(signature.optional("case_sensitive", false));
  const Value attribute = signature.optional("attribute", None{});
  signature.finish();
  const std::vector<Keyed> all = keyed(runtime, items_of(runtime, value), attribute, case_counts);
  if (all.empty()) return runtime.undefined("there is no item");
  const Keyed* best = &all.front();
  for (const Keyed& k : all) {
    const int order = compare(runtime, k.key, best->key);
    if (largest ? order > 0 : order < 0) best = &k;
  }
  return best->item;
}

Arguments rest_of(const Arguments& arguments) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  return rest;
}

Value map_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  Values mapped;
  if (arguments.positional.empty()) {
    Signature signature(runtime, "map", arguments);
    Value attribute, fallback;
    for (auto& [name, given] : arguments.named) {
      if (name == "attribute") {
        attribute = given;
      } else if (name == "default") {
        fallback = given;
      } else {
        runtime.refuse("map: argument '{}' is not known.", name);
      }
    }
    if (attribute.is_undefined()) runtime.refuse("map: wants a filter or an attribute.");
    for (const Value& item : items_of(runtime, value)) {
      const Value found = get_path(runtime, item, attribute);
      mapped.push_back(found.is_undefined() && !fallback.is_undefined() ? fallback : found);
    }
    return runtime.sequence(SequenceKind::kGenerator, std::move(mapped));
  }
  const Value name = arguments.positional.front();
  if (name.text() == nullptr) runtime.refuse("map: the filter is {}.", type_name(name));
  for (const Value& item : items_of(runtime, value)) {
    Arguments rest = rest_of(arguments);
    mapped.push_back(apply_filter(runtime, name.text()->bytes, item, rest));
  }
  return runtime.sequence(SequenceKind::kGenerator, std::move(mapped));
}

// select, reject, selectattr, rejectattr.
template <bool keeps, bool by_attribute>
Value select_filter(Runtime& runtime, const Value& value, Arguments& arguments) {
  const char* filter = by_attribute ? "selectattr" : "select";
  Arguments rest = arguments;
  Value attribute;
  if (by_attribute) {
    if (rest.positional.empty()) runtime.refuse("{}: wants an attribute.", filter);
    attribute = rest.positional.front();
    rest = rest_of(rest);
  }
  std::string test;
  if (!rest.positional.empty()) {
    if (rest.positional.front().text() == nullptr) runtime.refuse("{}: the test is no text.", filter);
    test = rest.positional.front().text()->bytes;
    rest = rest_of(rest);
  }
  Values kept;
  for (const Value& item : items_of(runtime, value)) {
    const Value asked = by_attribute ? get_path(runtime, item, attribute) : item;
    Arguments again = rest;
    const bool holds = test.empty() ? truth(asked) : apply_test(runtime, test, asked, again);
    if (holds == keeps) kept.push_back(item);
  }
  return runtime.sequence(SequenceKind::kGenerator, std::move(kept));
}

}  // namespace

const std::map<std::string, Filter>& list_filters() {
  static const std::map<std::string, Filter> filters{
      {"length", length_filter},
      {"count", length_filter},
      {"default", default_filter},
      {"d", default_filter},
      {"list", list_filter},
      {"first", first_filter},
      {"last", last_filter},
      {"reverse", reverse_filter},
      {"items", items_filter},
      {"sort", sort_filter},
      {"dictsort", dictsort_filter},
      {"unique", unique_filter},
      {"min", extreme_filter<false>},
      {"max", extreme_filter<true>},
      {"map", map_filter},
      {"select", select_filter<true, false>},
      {"reject", select_filter<false, false>},
      {"selectattr", select_filter<true, true>},
      {"rejectattr", select_filter<false, true>},
  };
  return filters;
}

Value apply_filter(Runtime& runtime, const std::string& name, const Value& value, Arguments& arguments) {
  const Nested nested(runtime);
  runtime.charge(1);
  for (const auto* filters : {&text_filters(), &number_filters(), &list_filters()}) {
    const auto found = filters->find(name);
    if (found != filters->end()) return found->second(runtime, value, arguments);
  }
  runtime.refuse("the filter '{}' is not supported.", name);
}

}  // namespace circuit::jinja
