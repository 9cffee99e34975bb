// The items of a for loop, and what `loop` says of them.
#pragma once

#include <functional>
#include <optional>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

class LoopState {
 public:
  // keeps: the condition of "for … if …"; asked when an item is wanted, as in Jinja, or null.
  using Keeps = std::function<bool(const Value& item)>;
  LoopState(Values items, Keeps keeps, int64_t depth)
      : items_(std::move(items)), keeps_(std::move(keeps)), depth_(depth) {}

  // The next item; nothing after the last one.
  std::optional<Value> next();
  int64_t depth() const { return depth_; }
  // loop.NAME; nothing where there is no such thing.
  std::optional<Value> attribute(Runtime& runtime, const std::string& name);

 private:
  std::optional<Value> pull();
  const std::optional<Value>& peek();
  int64_t length();

  Values items_;
  Keeps keeps_;
  int64_t depth_;  // 1: not inside another loop
  size_t at_ = 0;  // of items_, the next to look at
  int64_t index_ = -1;
  bool peeked_ = false;
  std::optional<Value> after_;
  Value current_, before_;
  std::optional<Values> changed_;  // what loop.changed was last asked
};

}  // namespace circuit::jinja
