#include "task/pair_makers/given_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "core/error.h"
#include "core/setting_name.h"
#include "task/pair_makers/words.h"

namespace circuit {
namespace {

constexpr const char* kGivenNames =
    "Aaron Adam Alan Alex Alice Amanda Amy Andrea Andrew Angela Anna Anne Anthony Barbara Ben Benjamin Brandon Brian "
    "Carl Carol Charles Charlie Chris Christina Christine Christopher Claire Daniel David Diana Donald Edward "
    "Elizabeth "
    "Emily Emma Eric Erin Fred George Greg Gregory Hannah Harry Heather Helen Henry Jack Jacob Jake James Jamie Jane "
    "Jason "
    "Jeff Jeffrey Jennifer Jeremy Jessica Jim Joe John Jonathan Joseph Joshua Julia Justin Karen Kate Katherine Katie "
    "Keith Kelly Kevin Kim Kyle Laura Lauren Linda Lisa Louis Lucy Luke Margaret Maria Martin Mary Matthew Megan "
    "Melissa "
    "Michael Michelle Mike Nathan Nicholas Nick Nicole Patricia Patrick Paul Peter Philip Rachel Rebecca Richard "
    "Robert "
    "Roger Ryan Sally Sam Samantha Samuel Sara Sarah Scott Sean Simon Stephanie Stephen Steve Steven Susan Thomas Tim "
    "Timothy Tom Tyler Victoria William";

// Marks that may close a text behind its answer.
constexpr const char* kClosing = " \t.,;:!?\"')";

std::string_view stem_of(const std::string& word) {
  for (const char* ending : {"'s", "\xE2\x80\x99s"}) {
    const std::string_view end = ending;
    if (word.size() > end.size() && word.compare(word.size() - end.size(), end.size(), end) == 0) {
      return std::string_view(word).substr(0, word.size() - end.size());
    }
  }
  return word;
}

}  // namespace

std::set<std::string> given_names(const PairOptions& options) {
  std::set<std::string> names;
  std::istringstream list(kGivenNames);
  for (std::string name; list >> name;) names.insert(name);
  for (const auto& [list_name, words] : options.words) {
    for (const std::string& word : words) {
      const std::vector<Word> parts = words_of(word);
      if (parts.size() != 1 || parts[0].text != word) {
        throw UsageError(fmt::format("[pairs] {}: found '{}', expected a name of one word.", setting(list_name), word));
      }
      names.insert(word);
    }
  }
  return names;
}

int64_t NamedText::count(const std::string& name) const {
  return std::count_if(mentions.begin(), mentions.end(), [&](const NameMention& m) { return m.name == name; });
}

std::string read_names(const std::string& text, const std::set<std::string>& names, NamedText* found) {
  std::set<std::string> persons;
  for (const Word& word : words_of(text)) {
    const std::string name(stem_of(word.text));
    if (names.count(name) == 0) continue;
    persons.insert(name);
    found->mentions.push_back({{word.bytes.begin, word.bytes.begin + name.size()}, name});
  }
  if (persons.empty()) return "no name of the list";
  if (persons.size() == 1) return "one name alone: two are set against each other";
  if (persons.size() > 2) return "more than two names";
  const NameMention last = found->mentions.back();
  const auto other_than = [&](const std::string& name) {
    return name == *persons.begin() ? *persons.rbegin() : *persons.begin();
  };
  const auto end_of_text = [&](size_t limit) { return limit == 0 ? 0 : text.find_last_not_of(" \t", limit - 1) + 1; };
  if (text.find_first_not_of(kClosing, last.bytes.end) == std::string::npos) {
    found->answer = last.name;
    found->mentions.pop_back();
    found->text = text.substr(0, end_of_text(last.bytes.begin));
    found->gap = text.substr(found->text.size(), last.bytes.begin - found->text.size());
  } else {
    found->text = text.substr(0, end_of_text(text.size()));
    if (std::string(".!?\"").find(found->text.back()) != std::string::npos) return "the text ends behind the answer";
    found->gap = " ";
    for (const std::string& name : persons) {
      if (found->count(name) == 1 && found->count(other_than(name)) > 1) found->answer = name;
    }
    if (found->answer.empty()) return "the text does not say which name is the answer";
  }
  found->other = other_than(found->answer);
  if (found->count(found->answer) == 0 || found->count(found->other) == 0) return "a name stands in the answer alone";
  return "";
}

}  // namespace circuit
