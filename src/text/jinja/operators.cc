#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/print.h"

namespace circuit::jinja {
namespace {

const char* sign_of(Binary op) {
  constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSigns[static_cast<int>(op)];
}

[[noreturn]] void refuse_types(const Runtime& runtime, Binary op, const Value& a, const Value& b) {
  runtime.refuse("{} {} {} is not possible.", type_name(a), sign_of(op), type_name(b));
}

Value integer_power(const Runtime& runtime, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) runtime.refuse("0 is raised to a negative power.");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (base == 0 || base == 1) return base;
    if (base == -1) return exponent % 2 == 0 ? int64_t{1} : int64_t{-1};
    if (__builtin_mul_overflow(result, base, &result)) runtime.refuse("a number does not fit 64 bits.");
  }
  return result;
}

Value integer_arithmetic(const Runtime& runtime, Binary op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Binary::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Binary::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Binary::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Binary::kPower:
      return integer_power(runtime, a, b);
    default:
      if (b == 0) runtime.refuse("{} by zero.", op == Binary::kModulo ? "modulo" : "division");
      if (op == Binary::kDivide) return static_cast<double>(a) / static_cast<double>(b);
      overflow = b == -1 && a == INT64_MIN;
      if (overflow) break;
      // Rounded towards minus infinity; the remainder has the divisor's sign.
      const int64_t off = a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0;
      result = op == Binary::kFloorDivide ? a / b - off : a % b + off * b;
  }
  if (overflow) runtime.refuse("a number does not fit 64 bits.");
  return result;
}

Value float_arithmetic(const Runtime& runtime, Binary op, double a, double b) {
  switch (op) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    case Binary::kPower: {
      const double power = std::pow(a, b);
      if ((a < 0 && std::isnan(power)) || (std::isinf(power) && std::isfinite(a) && std::isfinite(b))) {
        runtime.refuse("{} ** {} is no number.", a, b);
      }
      return power;
    }
    default:
      break;
  }
  if (b == 0) runtime.refuse("{} by zero.", op == Binary::kModulo ? "modulo" : "division");
  if (op == Binary::kDivide) return a / b;
  // As CPython's float_divmod.
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (b < 0) != (remainder < 0)) {
    remainder += b;
    quotient -= 1;
  }
  if (remainder == 0) remainder = std::copysign(0.0, b);
  if (op == Binary::kModulo) return remainder;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value repeated(Runtime& runtime, const Value& value, int64_t times) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  if (const Text* text = value.text()) {
    if (count > 0 && text->bytes.size() > kMaxBytes / count) runtime.refuse("a text is repeated {} times.", count);
    runtime.reserve(count * text->bytes.size());
    TextBuilder built;
    for (size_t i = 0; i < count && !text->bytes.empty(); ++i) built.add(*text);
    runtime.charge(count);
    return runtime.text(std::move(built), text->safe);
  }
  const Sequence* sequence = value.sequence();
  if (count > 0 && sequence->items.size() > kMaxBytes / sizeof(Value) / count) {
    runtime.refuse("a list is repeated {} times.", count);
  }
  runtime.reserve(count * sequence->items.size() * sizeof(Value));
  Values items;
  for (size_t i = 0; i < count && !sequence->items.empty(); ++i) {
    runtime.charge(1 + sequence->items.size());
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  }
  return runtime.sequence(sequence->kind, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  const Sequence* s = value.sequence();
  return s != nullptr && (s->kind == SequenceKind::kList || s->kind == SequenceKind::kTuple);
}

std::optional<Value> added(Runtime& runtime, const Value& a, const Value& b) {
  if (a.text() != nullptr && b.text() != nullptr) {
    const bool safe = a.text()->safe || b.text()->safe;
    const Value left = safe && !a.text()->safe ? escaped(runtime, a) : a;
    const Value right = safe && !b.text()->safe ? escaped(runtime, b) : b;
    runtime.reserve(left.text()->bytes.size() + right.text()->bytes.size());
    TextBuilder built;
    built.add(*left.text());
    built.add(*right.text());
    return runtime.text(std::move(built), safe);
  }
  if (!is_list_or_tuple(a) || !is_list_or_tuple(b) || a.sequence()->kind != b.sequence()->kind) return std::nullopt;
  runtime.charge(b.sequence()->items.size());
  Values items = a.sequence()->items;
  items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
  return runtime.sequence(a.sequence()->kind, std::move(items));
}

}  // namespace

Value apply(Runtime& runtime, Binary op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (const Undefined* u = value->as<Undefined>()) runtime.refuse("{}.", *u->what);
  }
  if (a.is_int() && b.is_int()) return integer_arithmetic(runtime, op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return float_arithmetic(runtime, op, a.number(), b.number());
  if (op == Binary::kAdd) {
    if (auto sum = added(runtime, a, b)) return *sum;
  }
  if (op == Binary::kModulo && a.text() != nullptr) return percent_format(runtime, *a.text(), b);
  if (op == Binary::kMultiply) {
    const auto repeats = [](const Value& v) { return v.text() != nullptr || is_list_or_tuple(v); };
    if (repeats(a) && b.is_int()) return repeated(runtime, a, b.integer());
    if (repeats(b) && a.is_int()) return repeated(runtime, b, a.integer());
  }
  refuse_types(runtime, op, a, b);
}

Value negative(Runtime& runtime, const Value& value) {
  if (value.is_int()) return integer_arithmetic(runtime, Binary::kSubtract, 0, value.integer());
  if (value.is_number()) return -value.number();
  if (const Undefined* u = value.as<Undefined>()) runtime.refuse("{}.", *u->what);
  runtime.refuse("{} has no negative.", type_name(value));
}

Value percent_format(Runtime& runtime, const Text& format, const Value& value) {
  if (format.safe) runtime.refuse("% on a safe text is not supported.");
  const Sequence* tuple = value.sequence();
  if (tuple != nullptr && tuple->kind != SequenceKind::kTuple) tuple = nullptr;
  if (value.dict() != nullptr) runtime.refuse("% with a dict is not supported.");
  size_t used = 0;
  TextBuilder built;
  const std::string& bytes = format.bytes;
  size_t done = 0;
  for (size_t at = bytes.find('%'); at != std::string::npos; at = bytes.find('%', done)) {
    built.add_part(format, done, at);
    const char kind = at + 1 < bytes.size() ? bytes[at + 1] : '\0';
    done = std::min(at + 2, bytes.size());
    if (kind == '%') {
      built.add("%");
      continue;
    }
    if (kind != 's' && kind != 'd' && kind != 'i') runtime.refuse("%{} in a format is not supported.", kind);
    const size_t given = tuple == nullptr ? 1 : tuple->items.size();
    if (used >= given) runtime.refuse("a format wants more than {} values.", given);
    const Value& item = tuple == nullptr ? value : tuple->items[used];
    ++used;
    if (kind != 's' && !item.is_int()) runtime.refuse("%d wants an integer, not {}.", type_name(item));
    if (kind != 's') {
      built.add(std::to_string(item.integer()));
    } else {
      print_value(runtime, item, built);
    }
  }
  if (used < (tuple == nullptr ? 1 : tuple->items.size())) runtime.refuse("a format does not use all its values.");
  built.add_part(format, done, bytes.size());
  return runtime.text(std::move(built));
}

Value escaped(Runtime& runtime, const Value& value) {
  Value printed = to_text(runtime, value);
  const Text& text = *printed.text();
  if (text.safe) return printed;
  TextBuilder built;
  size_t plain = 0;
  for (size_t at = 0; at < text.bytes.size(); ++at) {
    const char c = text.bytes[at];
    const char* html = nullptr;
    if (c == '&') html = "&amp;";
    if (c == '<') html = "&lt;";
    if (c == '>') html = "&gt;";
    if (c == '"') html = "&#34;";
    if (c == '\'') html = "&#39;";
    if (html == nullptr) continue;
    built.add_part(text, plain, at);
    built.add_as(html, text, at, at + 1);
    plain = at + 1;
  }
  built.add_part(text, plain, text.bytes.size());
  runtime.charge_bytes(text.bytes.size());
  return runtime.text(std::move(built), true);
}

}  // namespace circuit::jinja
