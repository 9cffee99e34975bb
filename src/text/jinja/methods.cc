#include "text/jinja/methods.h"

#include "text/jinja/operators.h"

namespace circuit::jinja {
namespace {

template <class Call>
Value method_value(const std::string& name, Call call) {
  return std::make_shared<const Function>(Function{name, std::move(call)});
}

// What the sandbox of transformers refuses: whatever changes a list or dict.
bool changes_value(const std::string& name) {
  for (const char* known :
       {"append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear", "update", "setdefault", "popitem"}) {
    if (name == known) return true;
  }
  return false;
}

Value view(Runtime& runtime, const Dict& dict, SequenceKind kind) {
  Values items;
  for (const auto& [key, value] : dict.entries) {
    runtime.charge(1);
    if (kind == SequenceKind::kItems) {
      items.push_back(runtime.sequence(SequenceKind::kTuple, {key, value}));
    } else {
      items.push_back(kind == SequenceKind::kKeys ? key : value);
    }
  }
  return runtime.sequence(kind, std::move(items));
}

std::optional<Value> dict_method(const Value& self, const std::string& name) {
  if (name == "get") {
    return method_value(name, [self](Runtime& runtime, Arguments& arguments) {
      Signature signature(runtime, "get", arguments);
      const Value key = signature.required("key");
      Value fallback = signature.optional("default", None{});
      signature.finish();
      const Value* found = find_key(runtime, *self.dict(), key);
      if (found == nullptr) return fallback;
      return *found;
    });
  }
  const SequenceKind kind = name == "keys"     ? SequenceKind::kKeys
                            : name == "values" ? SequenceKind::kValues
                                               : SequenceKind::kItems;
  if (name == "keys" || name == "values" || name == "items") {
    return method_value(name, [self, name, kind](Runtime& runtime, Arguments& arguments) {
      Signature(runtime, name, arguments).finish();
      return view(runtime, *self.dict(), kind);
    });
  }
  if (name == "copy") {
    return method_value(name, [self](Runtime& runtime, Arguments& arguments) {
      Signature(runtime, "copy", arguments).finish();
      return self;
    });
  }
  return std::nullopt;
}

std::optional<Value> list_method(const Value& self, const std::string& name) {
  if (name != "index" && name != "count") return std::nullopt;
  return method_value(name, [self, name](Runtime& runtime, Arguments& arguments) -> Value {
    Signature signature(runtime, name, arguments);
    const Value wanted = signature.required("value");
    signature.finish();
    int64_t found = 0;
    for (size_t i = 0; i < self.sequence()->items.size(); ++i) {
      if (!equal(runtime, self.sequence()->items[i], wanted)) continue;
      if (name == "index") return static_cast<int64_t>(i);
      ++found;
    }
    if (name == "index") runtime.refuse("index: the list has no such item.");
    return found;
  });
}

}  // namespace

std::optional<Value> find_method(Runtime& runtime, const Value& value, const std::string& name) {
  if (value.text() != nullptr) return text_method(value, name);
  const bool holds = value.dict() != nullptr || value.sequence() != nullptr;
  if (!holds) return std::nullopt;
  if (changes_value(name) && (value.dict() != nullptr) == (name == "update" || name == "setdefault" ||
                                                           name == "popitem" || name == "pop" || name == "clear")) {
    return method_value(name, [name](Runtime& r, Arguments&) -> Value {
      r.refuse("{}: values cannot be changed, as in the sandbox of transformers.", name);
    });
  }
  (void)runtime;
  if (value.dict() != nullptr) return dict_method(value, name);
  const SequenceKind kind = value.sequence()->kind;
  return kind <= SequenceKind::kRange ? list_method(value, name) : std::nullopt;
}

}  // namespace circuit::jinja
