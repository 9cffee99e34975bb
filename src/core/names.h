// Lists of named things (metrics, scorers, families, …): their names, and one of them by name.
#pragma once

#include <fmt/core.h>

#include <string>

#include "core/error.h"

namespace circuit {

// "eap, exact, random"; name_of(element) gives one name.
template <typename List, typename NameOf>
std::string joined(const List& list, const NameOf& name_of) {
  std::string names;
  for (const auto& element : list) {
    if (!names.empty()) names += ", ";
    names += name_of(element);
  }
  return names;
}

template <typename List>
std::string names_of(const List& list) {
  return joined(list, [](const auto& element) { return element.name; });
}

// Throws UsageError "[what] 'name' is not known. Known: …".
template <typename List>
const typename List::value_type& find_named(const List& list, const std::string& what, const std::string& name) {
  for (const auto& element : list) {
    if (element.name == name) return element;
  }
  throw UsageError(fmt::format("[{}] '{}' is not known. Known: {}.", what, name, names_of(list)));
}

}  // namespace circuit
