// What every step of a rendering needs: limits, refusals that name the line, and the making of values.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace circuit::jinja {

// What a template may cost: so many steps, and so many more for every byte that its variables hold. A message of a
// conversation holds some five hundred bytes and takes some hundred to three thousand steps.
constexpr int64_t kMaxSteps = 4'000'000;
constexpr int64_t kStepsAByte = 20;
constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr int kMaxCalls = 1500;         // statements, expressions and macros inside one another
constexpr int kMaxValueDepth = 100;     // lists of lists
constexpr int64_t kMaxRange = 100'000;  // Jinja's own, of its sandbox

class Meter {
 public:
  size_t bytes = 0;
  int64_t steps = 0;
  int64_t max_steps = kMaxSteps;
};

class Runtime {
 public:
  Runtime(Meter* meter, std::string place) : meter_(meter), place_(std::move(place)) {}

  // Throws Error "[place:line] …".
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    refuse_with(fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void refuse_with(const std::string& message) const;

  // Counts work of so many units (nodes, items, 64 bytes) against the limit.
  void charge(size_t units) {
    meter_->steps += static_cast<int64_t>(units);
    if (meter_->steps > meter_->max_steps) too_long();
  }
  void charge_bytes(size_t bytes) { charge(bytes / 64); }
  // Once the variables are made: the more of them, the more may be done with them.
  void allow_for_variables() { meter_->max_steps = kMaxSteps + kStepsAByte * static_cast<int64_t>(meter_->bytes); }
  // Before so many bytes are made.
  void reserve(size_t bytes) const;

  Value text(std::string bytes) { return text(std::move(bytes), {}, false); }
  Value text(TextBuilder built, bool safe = false);
  Value text(std::string bytes, std::vector<Mark> marks, bool safe);
  Value part(const Text& text, size_t begin, size_t end);
  Value sequence(SequenceKind kind, Values items, std::string written = "");
  Value list(Values items) { return sequence(SequenceKind::kList, std::move(items)); }
  Value dict(std::vector<std::pair<Value, Value>> entries);
  Value undefined(std::string what) const;
  // What a list, dict or namespace may hold: not macros, methods, namespaces and loops.
  void check_storable(const Value& value) const;

  int line = 0;  // of the template, where the rendering is
  int calls = 0;

 private:
  [[noreturn]] void too_long() const;
  int depth_of(const Value& value) const;
  Meter* meter_;
  std::string place_;
};

// One level deeper for as long as it lives.
class Nested {
 public:
  explicit Nested(Runtime& runtime) : runtime_(runtime) {
    if (++runtime_.calls > kMaxCalls) {
      --runtime_.calls;
      runtime_.refuse("more than {} calls inside one another.", kMaxCalls);
    }
  }
  ~Nested() { --runtime_.calls; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Runtime& runtime_;
};

// Arguments of a call.
struct Arguments {
  Values positional;
  Named named;
};

// Anything that is called: a global, a method of a value, a macro.
struct Function {
  std::string name;
  std::function<Value(Runtime&, Arguments&)> call;
};

// Takes arguments one by one, in the order of a signature; finish() refuses what is left.
class Signature {
 public:
  Signature(Runtime& runtime, std::string name, Arguments& arguments)
      : runtime_(runtime), name_(std::move(name)), arguments_(arguments) {}
  Value required(const char* key);
  Value optional(const char* key, Value fallback);
  bool has(const char* key) const;  // whether the next one is given
  void finish() const;

 private:
  Value* find(const char* key) const;
  Runtime& runtime_;
  std::string name_;
  Arguments& arguments_;
  size_t next_ = 0;
  size_t taken_named_ = 0;
};

}  // namespace circuit::jinja
