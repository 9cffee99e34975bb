// Settings of one method of a stage (a scorer, a selector), declared in that method's own file. Their values travel in
// the stage's specification, which does not know them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/settings.h"

namespace circuit {

class Parameters {
 public:
  // The value's place, with `fallback` in it where there was none. Stays where it is while this lives.
  template <class T>
  T* place(const std::string& name, const T& fallback) {
    return &std::get<T>(values_.emplace(name, fallback).first->second);
  }
  template <class T>
  void set(const std::string& name, const T& value) {
    *place(name, value) = value;
  }
  template <class T>
  T value(const std::string& name, const T& fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback : std::get<T>(found->second);
  }

 private:
  std::map<std::string, std::variant<int64_t, double, bool, std::string, std::vector<std::string>>> values_;
};

class AnyParameter {
 public:
  virtual ~AnyParameter() = default;
  virtual const char* name() const = 0;
  // As a setting of the section, bound to its place in `values`.
  virtual void declare(Settings* settings, Parameters* values) const = 0;
};

// T: int64_t, double, bool, std::string or a list of those.
template <class T>
class Parameter : public AnyParameter {
 public:
  // low > high: any number.
  Parameter(const char* name, T fallback, const char* help, double low = 0, double high = -1,
            Setting::Ends ends = Setting::Ends::kIncluded, const char* since = "0.1", bool is_path = false)
      : name_(name),
        fallback_(std::move(fallback)),
        help_(help),
        low_(low),
        high_(high),
        ends_(ends),
        since_(since),
        is_path_(is_path) {}

  const char* name() const override { return name_; }
  void declare(Settings* settings, Parameters* values) const override {
    Setting& setting = settings->add(name_, values->place(std::string(name_), fallback_), help_);
    setting.range(low_, high_).since_version(since_);
    setting.ends = ends_;
    setting.is_path = is_path_;
  }
  T of(const Parameters& values) const { return values.value(std::string(name_), fallback_); }
  void set(Parameters* values, T value) const { *values->place(std::string(name_), fallback_) = std::move(value); }

 private:
  const char* name_;
  T fallback_;
  const char* help_;
  double low_, high_;
  Setting::Ends ends_;
  const char* since_;
  bool is_path_;
};

using ParameterList = std::vector<const AnyParameter*>;

// The parameters of every method of a list; one that several share is declared once.
template <class Methods>
void declare_parameters(const Methods& methods, Settings* settings, Parameters* values) {
  for (const auto& method : methods) {
    for (const AnyParameter* parameter : method.parameters) {
      if (!settings->has(parameter->name())) parameter->declare(settings, values);
    }
  }
}

}  // namespace circuit
