#include "scoring/scored_records.h"

#include <algorithm>

#include "core/log.h"

namespace circuit {
namespace {

Dataset read_records(const std::string& path, const OpenModel& open, const RecordOptions& options) {
  ReadSpec read;
  read.begin_token = parse_begin_token(options.bos);
  read.max_length = options.max_length;
  Dataset data = read_dataset(path, open.tokenizer, read);
  if (data.truncated > 0) {
    log_info("{}: {} records shortened to {} tokens, {} readouts and {} records dropped.", path, data.truncated,
             options.max_length, data.dropped_readouts, data.dropped_records);
  }
  return data;
}

std::vector<const Example*> pointers_to(const std::vector<Example>& examples) {
  std::vector<const Example*> all;
  for (const Example& e : examples) all.push_back(&e);
  return all;
}

}  // namespace

ScoredRecords::ScoredRecords(const std::string& path, const std::string& ablation_path, const OpenModel& open,
                             const RecordOptions& options, ScoreSpec* spec)
    : data(read_records(path, open, options)), examples(pointers_to(data.examples)) {
  for (const Example* e : examples) check_metric(spec->metric, *e);
  if (ablation_path.empty()) return;
  reference_data = read_records(ablation_path, open, options);
  reference = pointers_to(reference_data.examples);
  spec->ablation_reference = &reference;
}

int64_t longest_of(const std::vector<const Example*>& examples) {
  size_t longest = 1;
  for (const Example* e : examples) longest = std::max(longest, e->ids.size());
  return static_cast<int64_t>(longest);
}

}  // namespace circuit
