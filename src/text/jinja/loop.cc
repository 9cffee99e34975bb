#include "text/jinja/loop.h"

#include "text/jinja/operators.h"

namespace circuit::jinja {

std::optional<Value> LoopState::pull() {
  while (at_ < items_.size()) {
    const Value& item = items_[at_++];
    if (!keeps_ || keeps_(item)) return item;
  }
  return std::nullopt;
}

const std::optional<Value>& LoopState::peek() {
  if (!peeked_) after_ = pull();
  peeked_ = true;
  return after_;
}

std::optional<Value> LoopState::next() {
  std::optional<Value> item = peeked_ ? after_ : pull();
  peeked_ = false;
  if (!item) return item;
  ++index_;
  before_ = current_;
  current_ = *item;
  return item;
}

// All that is still to come is asked for at once, as Jinja's list() of what is left.
int64_t LoopState::length() {
  if (keeps_) {
    Values left;
    if (peek()) left.push_back(*after_);
    while (auto item = pull()) left.push_back(*item);
    items_ = std::move(left);
    at_ = 0;
    peeked_ = false;
    keeps_ = nullptr;
  }
  return index_ + 1 + static_cast<int64_t>(items_.size() - at_) + (peeked_ && after_ ? 1 : 0);
}

std::optional<Value> LoopState::attribute(Runtime& runtime, const std::string& name) {
  if (name == "index") return index_ + 1;
  if (name == "index0") return index_;
  if (name == "first") return index_ == 0;
  if (name == "last") return !peek();
  if (name == "length") return length();
  if (name == "revindex") return length() - index_;
  if (name == "revindex0") return length() - index_ - 1;
  if (name == "depth") return depth_;
  if (name == "depth0") return depth_ - 1;
  if (name == "previtem") return index_ == 0 ? runtime.undefined("there is no previous item") : before_;
  if (name == "nextitem") return peek() ? *after_ : runtime.undefined("there is no next item");
  if (name == "cycle") {
    return std::make_shared<const Function>(
        Function{"loop.cycle", [this](Runtime& r, Arguments& a) -> Value {
                   if (a.positional.empty() || !a.named.empty()) r.refuse("loop.cycle wants values to choose from.");
                   return a.positional[static_cast<size_t>(index_) % a.positional.size()];
                 }});
  }
  if (name == "changed") {
    return std::make_shared<const Function>(Function{"loop.changed", [this](Runtime& r, Arguments& a) -> Value {
                                                       bool same = changed_ && changed_->size() == a.positional.size();
                                                       for (size_t i = 0; same && i < a.positional.size(); ++i)
                                                         same = equal(r, (*changed_)[i], a.positional[i]);
                                                       changed_ = a.positional;
                                                       return !same;
                                                     }});
  }
  return std::nullopt;
}

}  // namespace circuit::jinja
