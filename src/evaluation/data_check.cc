#include "evaluation/data_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/progress.h"
#include "core/setting_name.h"
#include "evaluation/data_findings.h"
#include "io/files.h"
#include "model/forward.h"

namespace circuit {
namespace {

const Metric& signed_metric(const std::string& name) {
  const Metric& metric = find_metric(name);
  if (is_signed_metric(name)) return metric;
  throw UsageError(
      fmt::format("[{}] {} does not say by its sign whether the model is right. Known: logit_diff, prob_diff.",
                  setting("metric"), name));
}

using ExamplePointers = std::vector<const Example*>;

std::vector<double> metric_of(const Model& model, const ExamplePointers& examples, const Metric& metric, int64_t batch,
                              Progress* progress, int64_t* done) {
  std::vector<double> values;
  const auto total = static_cast<int64_t>(examples.size());
  for (int64_t first = 0; first < total; first += batch) {
    const int64_t last = std::min(total, first + batch);
    const ExamplePointers part(examples.begin() + first, examples.begin() + last);
    const ExampleBatch b = make_example_batch(part, model.architecture(), model.device());
    const std::vector<double> some = metric_values(model, b, metric, forward(model, b.tokens, Keep::kNothing).x_final);
    values.insert(values.end(), some.begin(), some.end());
    progress->update(*done += last - first);
  }
  return values;
}

// The counterfactual as a text of its own, asked what the text is asked.
Example corrupted_side(const Example& e) {
  Example other = e;
  other.ids = e.counterfactual_ids;
  other.counterfactual_ids.clear();
  other.counterfactual_readouts.clear();
  return other;
}

using RecordKey = std::tuple<std::vector<int64_t>, std::vector<int64_t>, std::vector<int64_t>>;

RecordKey key_of(const Example& e) {
  std::vector<int64_t> read;
  for (const Readout& r : e.readouts) {
    read.push_back(r.position);
    for (const auto* answers : {&r.correct, &r.wrong}) {
      read.push_back(-1);
      read.insert(read.end(), answers->begin(), answers->end());
    }
  }
  return {e.ids, e.counterfactual_ids, read};
}

CheckedRecord checked_record(const Example& e) {
  CheckedRecord record;
  record.line = std::stoll(e.place.substr(e.place.rfind(':') + 1));
  record.tokens = static_cast<int64_t>(e.ids.size());
  if (e.counterfactual_ids.size() != e.ids.size()) return record;
  for (int64_t i = 0; i < record.tokens; ++i) {
    if (e.ids[i] != e.counterfactual_ids[i]) record.differing.push_back(i);
  }
  int64_t last = 0;
  for (const Readout& r : e.readouts) last = std::max(last, r.position);
  record.is_read = !record.differing.empty() && record.differing[0] < last;
  return record;
}

double commonest_answers(const std::vector<Example>& examples) {
  std::map<std::pair<std::vector<int64_t>, std::vector<int64_t>>, int64_t> counts;
  int64_t total = 0;
  int64_t most = 0;
  for (const Example& e : examples) {
    for (const Readout& r : e.readouts) {
      most = std::max(most, ++counts[{r.correct, r.wrong}]);
      ++total;
    }
  }
  return static_cast<double>(most) / static_cast<double>(total);
}

void count_pairs(const std::vector<Example>& examples, DataCheck* check) {
  std::set<RecordKey> seen;
  int64_t pairs = 0;
  for (const Example& e : examples) {
    CheckedRecord record = checked_record(e);
    record.is_repeated = !seen.insert(key_of(e)).second;
    check->readouts += static_cast<int64_t>(e.readouts.size());
    check->repeated += record.is_repeated ? 1 : 0;
    check->records.push_back(record);
    if (e.counterfactual_ids.empty()) {
      ++check->without_counterfactual;
    } else if (e.counterfactual_ids.size() != e.ids.size()) {
      ++check->unequal;
    } else {
      ++pairs;
      check->unchanged += record.differing.empty() ? 1 : 0;
      check->unread += !record.differing.empty() && !record.is_read ? 1 : 0;
      check->share_differing += static_cast<double>(record.differing.size()) / static_cast<double>(record.tokens);
    }
  }
  if (pairs > 0) check->share_differing /= static_cast<double>(pairs);
  check->commonest = commonest_answers(examples);
}

void run_both_sides(const Model& model, const std::vector<Example>& examples, const Metric& metric, int64_t batch,
                    DataCheck* check) {
  ExamplePointers clean;
  std::vector<Example> corrupted;
  std::vector<size_t> owner;
  for (size_t i = 0; i < examples.size(); ++i) {
    clean.push_back(&examples[i]);
    if (examples[i].counterfactual_ids.size() != examples[i].ids.size()) continue;
    corrupted.push_back(corrupted_side(examples[i]));
    owner.push_back(i);
  }
  ExamplePointers other;
  for (const Example& e : corrupted) other.push_back(&e);
  Progress progress("check", static_cast<int64_t>(clean.size() + other.size()));
  int64_t done = 0;
  const std::vector<double> values = metric_of(model, clean, metric, batch, &progress, &done);
  for (size_t i = 0; i < values.size(); ++i) check->records[i].clean = values[i];
  const std::vector<double> others = metric_of(model, other, metric, batch, &progress, &done);
  for (size_t i = 0; i < others.size(); ++i) check->records[owner[i]].counterfactual = others[i];
}

void estimate_all(const Rng& rng, DataCheck* check) {
  std::vector<double> right, clean, other, difference, lowered, flipped;
  for (const CheckedRecord& r : check->records) {
    right.push_back(r.is_right() ? 1 : 0);
    clean.push_back(r.clean);
    if (!r.counterfactual) continue;
    other.push_back(*r.counterfactual);
    difference.push_back(r.clean - *r.counterfactual);
    lowered.push_back(*r.counterfactual < r.clean ? 1 : 0);
    flipped.push_back(r.flips() ? 1 : 0);
  }
  const auto mean = [&](const char* name, const std::vector<double>& values) {
    Rng own = rng.split(name);
    return mean_estimate(values, own);
  };
  check->accuracy = mean("accuracy", right);
  check->clean = mean("clean", clean);
  if (other.empty()) return;
  check->counterfactual = mean("counterfactual", other);
  check->difference = mean("difference", difference);
  check->lowered = mean("lowered", lowered);
  check->flipped = mean("flipped", flipped);
  const Estimate& d = *check->difference;
  // Of one record the interval is a point, which says nothing of others.
  if (difference.size() < 2 || d.value == 0) return;
  check->half_width = (d.interval.high - d.interval.low) / 2 / std::fabs(d.value);
  const double ratio = *check->half_width / kHalfWidth;
  check->needed = static_cast<int64_t>(std::ceil(static_cast<double>(difference.size()) * ratio * ratio));
}

}  // namespace

DataCheck check_data(const DataCheckRequest& r) {
  signed_metric(r.metric);
  return check_data(r, OpenModel(r.model, r.compute));
}

DataCheck check_data(const DataCheckRequest& r, const OpenModel& open) {
  ScoreSpec spec(signed_metric(r.metric));
  const ScoredRecords records(r.data, "", open, r.records, &spec);
  const std::vector<Example>& examples = records.data.examples;
  DataCheck check;
  check.metric = r.metric;
  count_pairs(examples, &check);
  run_both_sides(open.model, examples, spec.metric, r.batch, &check);
  estimate_all(Rng(r.seed).split("check"), &check);
  check.findings = findings_of(check);
  return check;
}

const std::vector<std::string>& kept_records() {
  static const std::vector<std::string> known{"right", "flips"};
  return known;
}

std::string kept_lines(const DataCheckRequest& request, const DataCheck& check, const std::string& keep) {
  const MappedFile file(request.data);
  std::set<int64_t> lines;
  for (const CheckedRecord& r : check.records) {
    if (keep == "flips" ? r.flips() : r.is_right()) lines.insert(r.line);
  }
  if (lines.empty()) {
    fail(request.data, "none of its {} records is {}: nothing is written.", check.records.size(),
         keep == "flips" ? "right on the text and wrong on the counterfactual" : "one that the model is right on");
  }
  std::string kept;
  std::string_view rest = without_byte_order_mark(file.text());
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t size = std::min(rest.find('\n'), rest.size());
    if (lines.count(line) > 0) kept.append(rest.substr(0, size)).append("\n");
    rest.remove_prefix(std::min(size + 1, rest.size()));
  }
  return kept;
}

}  // namespace circuit
