#include "evaluation/data_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/setting_name.h"
#include "core/table.h"
#include "evaluation/estimate_text.h"

namespace circuit {
namespace {

constexpr double kAccuracy = 0.75;          // the model has the behaviour
constexpr double kLowered = 0.75;           // records whose counterfactual takes some of it away
constexpr double kMostlyDiffering = 0.5;    // of the tokens: another text, no counterfactual of this one
constexpr double kOneAnswer = 0.9;          // of the readouts: a constant preference would be right as often
constexpr int64_t kFewestForOneAnswer = 5;  // readouts of which most can be alike by chance

std::string share_text(const Estimate& e) {
  return fmt::format("{:.0f} % ({:.0f} to {:.0f})", 100 * e.value, 100 * e.interval.low, 100 * e.interval.high);
}

DataFinding accuracy_finding(const DataCheck& c) {
  DataFinding f{"accuracy", true, fmt::format("the model is right on {} of the records", share_text(c.accuracy)), ""};
  f.passes = c.accuracy.value >= kAccuracy;
  if (f.passes) return f;
  f.found += c.clean.value > 0
                 ? ": a circuit explains what it does on those, and mixes it with what it does on the others"
                 : ": it does not have the behaviour that a circuit is to explain";
  f.advice = fmt::format(
      "use easier records or a larger model, or write those that it is right on with {} right. Records that teach a "
      "model what it does not do yet are meant to fail here",
      setting("keep"));
  return f;
}

DataFinding counterfactual_finding(const DataCheck& c) {
  DataFinding f{"counterfactual", true, "", ""};
  const auto n = static_cast<int64_t>(c.records.size());
  if (!c.difference) {
    f.passes = false;
    f.found = c.unequal > 0
                  ? fmt::format("no record has a counterfactual of its text's length ({} have another)", c.unequal)
                  : "no record has a counterfactual: only mean and zero ablation can be used";
    f.advice = "make pairs with `circuit pairs make`, or give every record a counterfactual of as many tokens";
    return f;
  }
  f.found = fmt::format("it lowers {} on {} of the pairs and turns its sign on {}; by {} on average", c.metric,
                        share_text(*c.lowered), share_text(*c.flipped), short_estimate(*c.difference));
  const bool moves = c.difference->interval.low > 0;
  f.passes = moves && c.lowered->value >= kLowered && c.without_counterfactual == 0 && c.unequal == 0;
  if (f.passes) return f;
  if (c.without_counterfactual > 0 || c.unequal > 0) {
    f.found +=
        fmt::format("; of {} records {} have none, {} one of another length", n, c.without_counterfactual, c.unequal);
    f.advice =
        "counterfactual ablation refuses such records: give each a counterfactual of as many tokens, or take them out";
    return f;
  }
  f.found += ": what differs between the two is not what the model answers by";
  f.advice = fmt::format("change the words that decide the answer, or write the pairs that turn with {} flips",
                         setting("keep"));
  return f;
}

DataFinding pairs_finding(const DataCheck& c) {
  std::vector<int64_t> counts;
  for (const CheckedRecord& r : c.records) {
    if (r.counterfactual) counts.push_back(static_cast<int64_t>(r.differing.size()));
  }
  DataFinding f{"pairs", true, "", ""};
  if (counts.empty()) {
    f.found = "there are no pairs to compare";
    return f;
  }
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  f.found = *fewest == *most ? fmt::format("{} token{} differ{} in every pair", *fewest, *fewest == 1 ? "" : "s",
                                           *fewest == 1 ? "s" : "")
                             : fmt::format("{} to {} tokens differ", *fewest, *most);
  f.found += fmt::format(", {:.0f} % of a text", 100 * c.share_differing);
  if (c.unchanged > 0) f.found += fmt::format("; {} counterfactuals are their text", c.unchanged);
  if (c.unread > 0) f.found += fmt::format("; {} pairs differ only behind what is read", c.unread);
  f.passes = c.unchanged == 0 && c.unread == 0 && c.share_differing <= kMostlyDiffering;
  if (c.unchanged + c.unread > 0) {
    f.advice = "take those out: their scores are zero, and they thin out the others";
  } else if (!f.passes) {
    f.found += ": the two are different texts";
    f.advice = "change fewer words, so that the circuit is of what changed";
  }
  return f;
}

DataFinding size_finding(const DataCheck& c) {
  const auto n = static_cast<int64_t>(c.records.size());
  DataFinding f{"records", n >= kFewRecords, fmt::format("{} records", with_commas(n)), ""};
  if (c.half_width) {
    f.passes &= *c.half_width <= kHalfWidth;
    f.found +=
        fmt::format("; the interval of the mean difference reaches {:.0f} % of it to each side", 100 * *c.half_width);
  }
  if (f.passes) return f;
  const int64_t needed = std::max(c.needed, kFewRecords);
  f.advice = c.half_width && *c.half_width > kHalfWidth
                 ? fmt::format("about {} such records bring it to {:.0f} %", with_commas(needed), 100 * kHalfWidth)
                 : fmt::format("use {} or more: fewer are no sample of a behaviour", kFewRecords);
  return f;
}

DataFinding repeats_finding(const DataCheck& c) {
  DataFinding f{"repeats", c.repeated == 0, "no record stands twice", ""};
  if (f.passes) return f;
  f.found =
      fmt::format("{} records are the same as an earlier one: intervals are narrower than they should be", c.repeated);
  f.advice = "take them out";
  return f;
}

DataFinding answers_finding(const DataCheck& c) {
  DataFinding f{"answers", true, fmt::format("{:.0f} % of the readouts have the commonest answers", 100 * c.commonest),
                ""};
  f.passes = c.readouts < kFewestForOneAnswer || c.commonest <= kOneAnswer;
  if (f.passes) return f;
  f.found += ": a model that always prefers that one is right as often";
  f.advice = "add records whose right answer is the other one";
  return f;
}

}  // namespace

std::vector<DataFinding> findings_of(const DataCheck& c) {
  return {accuracy_finding(c), counterfactual_finding(c), pairs_finding(c),
          size_finding(c),     repeats_finding(c),        answers_finding(c)};
}

bool is_signed_metric(const std::string& metric) { return metric == "logit_diff" || metric == "prob_diff"; }

std::string doubts_about(const std::string& metric, double mean, int64_t records) {
  std::string doubts;
  if (is_signed_metric(metric) && mean <= 0) {
    doubts = fmt::format("{} is {:.3g} on average: the model prefers the wrong answers, and the circuit is of that; ",
                         metric, mean);
  }
  if (records < kFewRecords) {
    doubts += fmt::format("{} record{} {} few for a circuit; ", records, records == 1 ? "" : "s",
                          records == 1 ? "is" : "are");
  }
  return doubts.empty() ? "" : doubts + "`circuit pairs check` says more.";
}

}  // namespace circuit
