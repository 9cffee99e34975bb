#include "text/jinja/runtime.h"

#include <algorithm>

#include "core/error.h"

namespace circuit::jinja {

Counted::Counted(Meter* meter, size_t bytes) : meter_(meter), bytes_(bytes) {
  if (meter_ != nullptr) meter_->bytes += bytes_;
}

Counted::~Counted() {
  if (meter_ != nullptr) meter_->bytes -= bytes_;
}

void TextBuilder::mark(Mark mark) {
  if (mark.begin == mark.end) return;
  if (!marks_.empty() && marks_.back().source == mark.source && marks_.back().end == mark.begin) {
    marks_.back().end = mark.end;
  } else {
    marks_.push_back(mark);
  }
}

void TextBuilder::add_part(const Text& text, size_t begin, size_t end) {
  for (const Mark& m : text.marks) {
    const size_t from = std::max(m.begin, begin);
    const size_t to = std::min(m.end, end);
    if (from < to) mark({bytes_.size() + from - begin, bytes_.size() + to - begin, m.source});
  }
  bytes_.append(text.bytes, begin, end - begin);
}

void TextBuilder::add_as(std::string_view bytes, const Text& text, size_t begin, size_t end) {
  for (const Mark& m : text.marks) {
    if (std::max(m.begin, begin) >= std::min(m.end, end)) continue;
    mark({bytes_.size(), bytes_.size() + bytes.size(), m.source});
    break;
  }
  bytes_ += bytes;
}

void Runtime::refuse_with(const std::string& message) const {
  fail(fmt::format("{}:{}", place_, line), "chat template: {}", message);
}

void Runtime::too_long() const { refuse("it takes more than {} steps.", meter_->max_steps); }

void Runtime::reserve(size_t bytes) const {
  if (bytes > kMaxBytes || meter_->bytes + bytes > kMaxBytes) {
    refuse("it fills more than {} MiB of memory.", kMaxBytes >> 20);
  }
}

Value Runtime::text(std::string bytes, std::vector<Mark> marks, bool safe) {
  charge_bytes(bytes.size());
  reserve(bytes.size());
  return std::make_shared<const Text>(meter_, std::move(bytes), std::move(marks), safe);
}

Value Runtime::text(TextBuilder built, bool safe) {
  std::vector<Mark> marks = built.take_marks();
  return text(built.take_bytes(), std::move(marks), safe);
}

Value Runtime::part(const Text& whole, size_t begin, size_t end) {
  TextBuilder built;
  built.add_part(whole, begin, end);
  return text(std::move(built), whole.safe);
}

int Runtime::depth_of(const Value& value) const {
  if (const Sequence* sequence = value.sequence()) return sequence->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  return 0;
}

void Runtime::check_storable(const Value& value) const {
  const char* what = value.function() != nullptr ? "a function" : value.space() != nullptr ? "a namespace" : nullptr;
  if (value.loop() != nullptr) what = "the loop";
  if (what != nullptr) refuse("it puts {} into a list, dict or namespace, which is not supported.", what);
}

Value Runtime::sequence(SequenceKind kind, Values items, std::string written) {
  charge(items.size() / 8);
  reserve(items.size() * sizeof(Value));
  int depth = 0;
  for (const Value& item : items) {
    check_storable(item);
    depth = std::max(depth, depth_of(item));
  }
  if (depth + 1 > kMaxValueDepth) refuse("it nests lists more than {} deep.", kMaxValueDepth);
  return std::make_shared<const Sequence>(meter_, kind, std::move(items), std::move(written), depth + 1);
}

Value Runtime::dict(std::vector<std::pair<Value, Value>> entries) {
  charge(entries.size() / 8);
  reserve(entries.size() * 2 * sizeof(Value));
  int depth = 0;
  for (const auto& entry : entries) {
    check_storable(entry.first);
    check_storable(entry.second);
    depth = std::max(depth, depth_of(entry.second));
  }
  if (depth + 1 > kMaxValueDepth) refuse("it nests dicts more than {} deep.", kMaxValueDepth);
  return std::make_shared<const Dict>(meter_, std::move(entries), depth + 1);
}

Value Runtime::undefined(std::string what) const {
  return Undefined{std::make_shared<const std::string>(std::move(what))};
}

Value* Signature::find(const char* key) const {
  if (next_ < arguments_.positional.size()) return &arguments_.positional[next_];
  for (auto& [name, value] : arguments_.named) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool Signature::has(const char* key) const { return find(key) != nullptr; }

Value Signature::required(const char* key) {
  Value* found = find(key);
  if (found == nullptr) runtime_.refuse("{}: argument '{}' is missing.", name_, key);
  taken_named_ += next_++ >= arguments_.positional.size();
  return *found;
}

Value Signature::optional(const char* key, Value fallback) {
  Value* found = find(key);
  taken_named_ += found != nullptr && next_ >= arguments_.positional.size();
  ++next_;
  return found == nullptr ? std::move(fallback) : *found;
}

void Signature::finish() const {
  if (arguments_.positional.size() > next_) runtime_.refuse("{}: it is given too many arguments.", name_);
  if (taken_named_ == arguments_.named.size()) return;
  runtime_.refuse("{}: argument '{}' or another is not known.", name_, arguments_.named.front().first);
}

}  // namespace circuit::jinja
