// The rows of a run.db, written: whatever changes one of a run's tables. What they say is recorder.h's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/slices.h"
#include "io/sqlite.h"
#include "store/rows.h"

namespace circuit {

// A discovery as its rows have it.
struct DiscoveryRows {
  DiscoveryRow row;
  const Circuit& circuit;
  const std::vector<float>& scores;  // [edges]
  bool keeps_scores = true;          // of all edges; the circuit's own always
  std::vector<float> upstream_strength, downstream_strength;
};

// Norms at one step; the three lists are as long as each other.
struct SliceNorms {
  double gradient = 0;                  // of all slices together, before clipping
  std::vector<int64_t> slices;          // SliceRow::id; these lists on steps with a discovery only
  std::vector<double> slice_gradients;  // ‖g‖ after clipping
  std::vector<double> slice_updates;    // ‖w_after − w_before‖
};

class RunWriter {
 public:
  // Makes the file with the graph's edges, the slices a method can train and meta, in one transaction.
  static void create(const std::string& path, const Graph& graph, const std::vector<Slice>& slices,
                     std::map<std::string, std::string> meta);

  // Opens it to go on; an older one is brought up to date (migrations.h). Throws Error of a newer one, which stays as
  // it is.
  explicit RunWriter(const std::string& path);
  // Closes the write-ahead log.
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // Rows of `next_step` and later, evaluations later than it.
  void drop_from(int64_t next_step);
  void discovery(const DiscoveryRows& rows);
  void step(const StepRow& row, const SliceNorms& norms);
  void evaluation(int64_t step, const std::map<std::string, double>& values);
  void meta(const std::string& key, const std::string& value);
  void keep_scores(int64_t step, const std::vector<float>* scores);  // nullptr: no longer

  // What is there already.
  std::optional<std::pair<int64_t, int64_t>> first_and_last();  // steps of discoveries
  std::vector<int64_t> steps_with_scores();                     // ascending
  std::vector<float> scores(int64_t step, int64_t edges);       // empty: not kept. Throws Error: of another length
  Circuit circuit(int64_t step);
  std::map<std::string, double> evaluations(int64_t step);
  std::pair<double, int64_t> seconds_and_largest();  // of all steps: their time; parameters trained at one

  Database& database() { return db_; }  // for run_log.h

 private:
  Database db_;
};

}  // namespace circuit
