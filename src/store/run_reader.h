// A run's run.db opened to read, as values: also while the run goes on. Circuits and vectors: discovery_cursor.h,
// recorded_circuit.h, recorded_run.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/sqlite.h"
#include "store/rows.h"

namespace circuit {

std::string store_path(const std::string& run);  // run/run.db
bool has_store(const std::string& run);
// Throws Error naming run/run.db when it is not there.
void require_store(const std::string& run);

// Reads one moment of the run: what is written after the first read is not seen.
class RunReader {
 public:
  // place: what errors name, run/run.db unless given. Throws Error: it cannot be opened, its version is not one that
  // this program reads.
  explicit RunReader(const std::string& run, std::string place = "");

  const std::string& place() const { return place_; }
  // Throws Error naming the table that is not there.
  void check_tables();

  std::optional<std::string> meta(const std::string& key);
  std::map<std::string, std::string> meta();

  struct Counts {
    int64_t steps = 0, discoveries = 0, evaluations = 0;
  };
  Counts counts();

  std::vector<EdgeRow> edges();                 // by id
  std::vector<SliceRow> slices();               // by id
  std::vector<StepRow> steps();                 // by step
  std::vector<DiscoveryRow> discoveries();      // by step
  std::vector<EvaluationRow> evaluations();     // by step, then by name
  std::optional<int64_t> trained_parameters();  // of all slices that have norms; none without norms
  // By step, then by slice: millions in a long run.
  void slice_norms(const std::function<void(const SliceNormRow&)>& each);

  Database& database() { return db_; }  // for the readers of this folder

 private:
  std::string place_;
  Database db_;
  Transaction snapshot_;
};

// meta's value; empty where the run has no such row, or no store.
std::string recorded_meta(const std::string& run, const std::string& key);

// A vector of float32 as it is stored. Throws Error naming `place` and `what` when it has another length.
void copy_floats(const std::string& blob, size_t expected, const std::string& what, const std::string& place,
                 float* to);

}  // namespace circuit
