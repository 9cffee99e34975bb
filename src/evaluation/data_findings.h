// What the numbers of a checked data set mean, and what to do about them.
#pragma once

#include <string>
#include <vector>

#include "evaluation/data_check.h"

namespace circuit {

// From the numbers of `check`, in a fixed order: accuracy, counterfactual, pairs, size, repeats, answers.
std::vector<DataFinding> findings_of(const DataCheck& check);

// Whether the metric is above zero where the model is right, and below where it is wrong.
bool is_signed_metric(const std::string& metric);

// What of the mean metric and the number of records makes a circuit doubtful, in one line; empty: nothing.
std::string doubts_about(const std::string& metric, double mean, int64_t records);

// A data set of fewer records is no sample: no interval over it says much.
constexpr int64_t kFewRecords = 20;

}  // namespace circuit
