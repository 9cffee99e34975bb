// A run whose nodes are MLP blocks changes the channels of its circuits' blocks.
#include <gmock/gmock.h>

#include <cstring>
#include <set>

#include "io/safetensors.h"
#include "io/sqlite.h"
#include "tests/finer.h"

namespace circuit {
namespace {

// Channels of an MLP that differ between two files, along `dim` of the tensor.
std::set<int64_t> changed(const std::string& base_path, const std::string& path, const std::string& name, size_t dim) {
  const std::string base = read_file(base_path);
  const std::string tuned = read_file(path);
  std::set<int64_t> channels;
  for (const TensorEntry& entry : parse_safetensors(base, base_path).tensors) {
    if (entry.name != name) continue;
    const int64_t inner = dim + 1 < entry.shape.size() ? entry.shape[dim + 1] : 1;
    const int64_t extent = entry.shape[dim];
    for (size_t at = 0; at < entry.size; at += sizeof(float)) {
      if (std::memcmp(base.data() + entry.begin + at, tuned.data() + entry.begin + at, sizeof(float)) == 0) continue;
      channels.insert(static_cast<int64_t>(at / sizeof(float)) / inner % extent);
    }
  }
  return channels;
}

std::set<int64_t> channels_of(const std::set<int64_t>& blocks) {
  std::set<int64_t> channels;
  for (const int64_t b : blocks) {
    for (int64_t c = 0; c < kBlock; ++c) channels.insert(b * kBlock + c);
  }
  return channels;
}

// Blocks of a layer that any circuit of the run had as upstream (downstream) ends.
std::set<int64_t> blocks_in(const std::string& run, const std::string& end, int64_t layer) {
  Database db(run + "/run.db", Database::Mode::kReadOnly);
  Statement rows = db.prepare("SELECT DISTINCT " + end + " FROM circuit_edges JOIN edges ON edge = id");
  const std::string prefix = "m" + std::to_string(layer) + ".b";
  std::set<int64_t> blocks;
  while (rows.step()) {
    const std::string name = rows.text(0);
    if (name.rfind(prefix, 0) == 0) blocks.insert(std::stoll(name.substr(prefix.size())));
  }
  return blocks;
}

TEST(MlpBlockTuning, ChangesTheChannelsOfTheCircuitsBlocksAndNoOthers) {
  struct Family {
    TinySpec spec;
    std::string layer, in, out;
    size_t in_dim, out_dim;  // of the channels
  };
  const std::vector<Family> families{
      {{"gpt2"}, "transformer.h.", ".mlp.c_fc.weight", ".mlp.c_proj.weight", 1, 0},
      {{"llama"}, "model.layers.", ".mlp.gate_proj.weight", ".mlp.down_proj.weight", 0, 1}};
  for (const Family& family : families) {
    SCOPED_TRACE(family.spec.family);
    const TinyRuns runs(family.spec, {"tuning.steps=4", "selection.n=6", "tuning.batch=3", "evaluation.every=4",
                                      "discovery.every=2", "optimizer.lr=0.01", "optimizer.weight_decay=0.1",
                                      "discovery.mlp_block=" + std::to_string(kBlock)});
    const ProgramResult tuned = run_program(runs.tune("run"));
    ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
    const std::string out = runs.run("out");
    ASSERT_EQ(run_quiet({"export", runs.run("run"), "--step", "4", "-o", out}).exit_code, 0);
    size_t touched = 0;
    for (int64_t l = 0; l < 2; ++l) {
      const std::string layer = family.layer + std::to_string(l);
      const auto channels = [&](const std::string& name, size_t dim) {
        return changed(runs.model() + "/model.safetensors", out + "/model.safetensors", layer + name, dim);
      };
      const std::set<int64_t> up = blocks_in(runs.run("run"), "upstream", l);
      const std::set<int64_t> down = blocks_in(runs.run("run"), "downstream", l);
      EXPECT_EQ(channels(family.out, family.out_dim), channels_of(up));
      EXPECT_EQ(channels(family.in, family.in_dim), channels_of(down));
      touched += up.size() + down.size();
    }
    EXPECT_GT(touched, 0U) << "no block was selected";
    EXPECT_LT(touched, static_cast<size_t>(4 * kBlocks)) << "every block was selected";
    EXPECT_EQ(run_quiet({"report", runs.run("run")}).exit_code, 0);
  }
}

TEST(MlpBlockTuning, RefusesBlocksThatDoNotDivideBeforeItMakesAFolder) {
  const TinyRuns runs({}, {"tuning.steps=1", "discovery.mlp_block=3"});
  const ProgramResult result = run_program(runs.tune("run"));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.error_lines.size(), 1U) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("20"));
  EXPECT_FALSE(file_exists(runs.run("run")));
}

}  // namespace
}  // namespace circuit
