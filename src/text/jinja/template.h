// Jinja templates, as transformers runs chat templates: ImmutableSandboxedEnvironment(trim_blocks=True,
// lstrip_blocks=True), loop controls, its tojson, raise_exception, strftime_now and {% generation %}.
//
// Supported: output, if, for, set, macro, call, filter, with, generation, break, continue, raw and comments; Python's
// operators; the methods of str, dict and list that do not change them; filters and tests by the lists in filters.h.
// Everything else is refused by name, when the template is parsed (statements) or where it is used (the rest). What a
// template may cost is bounded (runtime.h), so that one that loops is refused too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"

namespace circuit::jinja {

// A template's text; marks say which bytes came from messages (Mark).
struct Rendered {
  std::string text;
  std::vector<Mark> marks;
};

class Template {
 public:
  // Throws Error "[place:line] …" naming what is wrong or not supported.
  Template(std::string_view source, std::string place);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // variables: makes what the template is given, of the runtime's values. Throws Error "[place:line] …" for what is not
  // supported, for raise_exception, and for what exceeds the limits.
  Rendered render(const std::function<Named(Runtime& runtime)>& variables) const;
  const std::string& place() const { return place_; }

 private:
  struct Tree;
  std::string place_;
  std::unique_ptr<const Tree> tree_;
};

// strftime_now(format) of transformers, for the local time of `seconds` since 1970.
Value make_strftime_now(int64_t seconds);

}  // namespace circuit::jinja
