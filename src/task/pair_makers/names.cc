// Indirect object identification (Wang et al. 2023): "When Mary and John went to the shop, John gave a drink to |
// Mary". In the counterfactual a third name stands for the second mention of the subject, so that no name is named
// twice.
#include <algorithm>

#include "core/rng.h"
#include "task/pair_makers/given_names.h"

namespace circuit {
namespace {

class NamePairs {
 public:
  explicit NamePairs(const PairOptions& options) : names_(given_names(options)), seed_(options.seed) {
    list_.assign(names_.begin(), names_.end());
  }

  void operator()(const PairSource& source, PairWriter* writer) const {
    NamedText named;
    const std::string reason = read_names(source.text, names_, &named);
    if (!reason.empty()) return writer->refuse(reason);
    const bool is_pattern =
        named.count(named.answer) == 1 && named.count(named.other) == 2 && named.mentions.back().name == named.other;
    if (!is_pattern) return writer->refuse("not one name named once, the other twice and last");
    PairDraft draft;
    draft.text = named.text;
    draft.answer = named.gap + named.answer;
    draft.wrong = named.gap + named.other;
    draft.changed = {named.mentions.back().bytes};
    draft.spans = spans_of(named);
    Rng rng = Rng(seed_).split("names " + std::to_string(source.line));
    std::vector<std::string> others;
    for (const int64_t i : permutation(static_cast<int64_t>(list_.size()), rng)) {
      if (list_[i] != named.answer && list_[i] != named.other) others.push_back(list_[i]);
    }
    const auto draft_of = [&](const std::string& other) {
      draft.counterfactual = replaced(draft.text, {{draft.changed[0], other}});
      return draft;
    };
    writer->write_first(others, draft_of, "no third name", source.place);
  }

 private:
  // The names of the literature: IO, S1, S2.
  static std::vector<std::pair<std::string, Range>> spans_of(const NamedText& named) {
    std::vector<std::pair<std::string, Range>> spans;
    const char* subject = "S1";
    for (const NameMention& m : named.mentions) {
      const bool is_answer = m.name == named.answer;
      spans.emplace_back(is_answer ? "IO" : subject, m.bytes);
      if (!is_answer) subject = "S2";
    }
    return spans;
  }

  std::set<std::string> names_;
  std::vector<std::string> list_;
  uint64_t seed_;
};

}  // namespace

PairMaker name_pairs() {
  return {"names",
          "texts with one name named once and one named twice, the answer last or left out",
          "a third name for the second mention of the subject; the name named once against it",
          {},
          {"names"},
          [](const PairOptions& options) -> MakePairs { return NamePairs(options); }};
}

}  // namespace circuit
