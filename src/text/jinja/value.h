// Values of a template: Python's, immutable, as the sandbox of transformers leaves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace circuit::jinja {

class Meter;
struct Text;
struct Sequence;
struct Dict;
struct Namespace;
struct Function;
class LoopState;

// Bytes [begin, end) of a text that came from outside the template: from message `source` of the conversation.
struct Mark {
  size_t begin = 0;
  size_t end = 0;
  int64_t source = 0;
};

struct None {};
// A name, key or place that is not there; prints as nothing, is false and empty, and refuses everything else.
struct Undefined {
  std::shared_ptr<const std::string> what;  // "'x' is undefined"
};

using Data =
    std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>, std::shared_ptr<const Sequence>,
                 std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<const Function>, LoopState*>;

class Value {
 public:
  Value() = default;
  template <class T>
  Value(T data) : data_(std::move(data)) {}  // NOLINT(google-explicit-constructor): a value is what it holds

  template <class T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  const Text* text() const { return get<const Text>(); }
  const Sequence* sequence() const { return get<const Sequence>(); }
  const Dict* dict() const { return get<const Dict>(); }
  const Function* function() const { return get<const Function>(); }
  Namespace* space() const { return get<Namespace>(); }
  LoopState* loop() const { return as<LoopState*>() == nullptr ? nullptr : *as<LoopState*>(); }
  bool is_undefined() const { return as<Undefined>() != nullptr; }
  bool is_none() const { return as<None>() != nullptr; }
  bool is_bool() const { return as<bool>() != nullptr; }
  // An int, a bool among them, as in Python; null otherwise.
  bool is_int() const { return as<int64_t>() != nullptr || is_bool(); }
  bool is_number() const { return is_int() || as<double>() != nullptr; }
  int64_t integer() const { return is_bool() ? static_cast<int64_t>(*as<bool>()) : *as<int64_t>(); }
  double number() const { return is_int() ? static_cast<double>(integer()) : *as<double>(); }

 private:
  template <class T>
  T* get() const {
    const auto* pointer = as<std::shared_ptr<T>>();
    return pointer == nullptr ? nullptr : pointer->get();
  }
  Data data_;
};

using Values = std::vector<Value>;
using Named = std::vector<std::pair<std::string, Value>>;

// Memory that counts against the meter of a rendering while it is held; without a meter it is not counted.
class Counted {
 public:
  Counted() = default;
  Counted(Meter* meter, size_t bytes);
  ~Counted();
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  Meter* meter_ = nullptr;
  size_t bytes_ = 0;
};

struct Text {
  Text(Meter* meter, std::string utf8, std::vector<Mark> from, bool is_safe)
      : bytes(std::move(utf8)), marks(std::move(from)), safe(is_safe), counted(meter, bytes.size() + 64) {}
  std::string bytes;        // UTF-8
  std::vector<Mark> marks;  // in order, without overlap
  bool safe = false;        // Markup of Jinja: what is added to it is escaped
  Counted counted;
};

// What iterates: a list, a tuple, a range, a view of a dict, or what a filter makes lazily in Jinja.
enum class SequenceKind { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

struct Sequence {
  Sequence(Meter* meter, SequenceKind of, Values values, std::string written_as, int nested)
      : kind(of),
        items(std::move(values)),
        written(std::move(written_as)),
        depth(nested),
        counted(meter, items.size() * sizeof(Value) + 64) {}
  SequenceKind kind;
  Values items;
  std::string written;         // of a range: how it prints
  int depth;                   // 1 + that of the deepest item
  mutable bool spent = false;  // a generator gives its items once
  Counted counted;
};

struct Dict {
  Dict(Meter* meter, std::vector<std::pair<Value, Value>> pairs, int nested)
      : entries(std::move(pairs)), depth(nested), counted(meter, entries.size() * 2 * sizeof(Value) + 64) {}
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  int depth;
  Counted counted;
};

struct Namespace {
  Named values;
};

// Appends bytes and keeps track of which came from messages.
class TextBuilder {
 public:
  void add(std::string_view bytes) { bytes_ += bytes; }
  void add(const Text& text) { add_part(text, 0, text.bytes.size()); }
  void add_part(const Text& text, size_t begin, size_t end);
  // `bytes` stand for part of a text (its upper case, its JSON): all of them came from where any of that did.
  void add_as(std::string_view bytes, const Text& text, size_t begin, size_t end);
  void mark(Mark mark);  // merges with the last one where they meet
  size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }
  std::string take_bytes() { return std::move(bytes_); }
  std::vector<Mark> take_marks() { return std::move(marks_); }

 private:
  std::string bytes_;
  std::vector<Mark> marks_;
};

}  // namespace circuit::jinja
