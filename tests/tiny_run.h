// A short tuning run on a tiny model: its files, its configuration, and what it leaves, for comparing runs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/program.h"
#include "tests/tiny_model.h"

namespace circuit {

// key=value pairs, as --set takes them.
using Settings = std::vector<std::string>;

class TinyRuns {
 public:
  // 14 training records, 6 dev, 5 test.
  explicit TinyRuns(const TinySpec& spec, const Settings& settings);

  std::string model() const { return scratch_ / "model"; }
  std::string run(const std::string& name) const { return scratch_ / name; }
  Arguments tune(const std::string& name, const Settings& more = {}) const;
  Arguments resume(const std::string& name) const { return quiet({"tune", "--resume", run(name)}); }
  const ScratchFolder& scratch() const { return scratch_; }

 private:
  ScratchFolder scratch_;
  Settings settings_;
};

// Every row of every table of run.db as text, by table; without columns of time (`seconds`) and without the
// meta rows that hold paths or times (config, model, summary).
std::map<std::string, std::vector<std::string>> rows_of(const std::string& run);

// One number from run.db, or −1 when there is no such row (or no database yet).
int64_t query(const std::string& run, const std::string& sql);

// checkpoints/ of a run, every file with its bytes.
std::map<std::string, std::string> checkpoints_of(const std::string& run);

}  // namespace circuit
