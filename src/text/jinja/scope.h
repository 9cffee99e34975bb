// Variables of a template, scope by scope.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace circuit::jinja {

// A scope lives as long as the block it belongs to; what is set in it is gone with it.
class Scope {
 public:
  explicit Scope(const Scope* parent) : parent_(parent) {}

  void set(const std::string& name, Value value) {
    for (auto& [known, held] : values_) {
      if (known != name) continue;
      held = std::move(value);
      return;
    }
    values_.emplace_back(name, std::move(value));
  }
  const Value* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
      for (const auto& [known, held] : scope->values_) {
        if (known == name) return &held;
      }
    }
    return nullptr;
  }

 private:
  const Scope* parent_;
  Named values_;
};

}  // namespace circuit::jinja
