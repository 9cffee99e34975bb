// What tuning may change on disk, and what it must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/sqlite.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSteps = 50;

// "tensor[dim:start:end]", as the checkpoint names what was ever selected.
struct Region {
  std::string tensor;
  int64_t dim = 0, start = 0, end = 0;
};

Region parse_region(const std::string& name) {
  const size_t open = name.rfind('[');
  Region r{name.substr(0, open)};
  EXPECT_EQ(std::sscanf(name.c_str() + open, "[%ld:%ld:%ld]", &r.dim, &r.start, &r.end), 3) << name;
  return r;
}

// Bytes of the tensor that no region covers, as a mask: 1 = must be the base's.
std::vector<bool> outside(const TensorEntry& entry, const std::vector<Region>& regions) {
  const size_t element = dtype_bytes(entry.dtype);
  std::vector<bool> mask(entry.size, true);
  for (const Region& r : regions) {
    if (r.tensor != entry.name) continue;
    size_t inner = element;
    for (size_t d = r.dim + 1; d < entry.shape.size(); ++d) inner *= entry.shape[d];
    const auto extent = static_cast<size_t>(entry.shape[r.dim]);
    for (size_t i = 0; i < entry.size; ++i) {
      const auto index = static_cast<int64_t>(i / inner % extent);
      if (index >= r.start && index < r.end) mask[i] = false;
    }
  }
  return mask;
}

std::vector<std::string> weight_files(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder)) {
    if (item.path().extension() == ".safetensors") names.push_back(item.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Change {
  int64_t inside = 0, inside_changed = 0, outside = 0;
  int64_t tensors_in_part = 0;  // some of their slices were selected, not all
};

// Compares one weight file with the base's; `change` counts bytes.
void compare_file(const std::string& base_path, const std::string& path, const std::vector<Region>& regions,
                  Change* change) {
  const MappedFile base(base_path);
  const MappedFile tuned(path);
  const SafetensorsHeader expected = parse_safetensors(base.text(), base_path);
  const SafetensorsHeader found = parse_safetensors(tuned.text(), path);
  EXPECT_EQ(found.metadata, expected.metadata);
  ASSERT_EQ(found.tensors.size(), expected.tensors.size());
  for (size_t t = 0; t < expected.tensors.size(); ++t) {
    const TensorEntry& a = expected.tensors[t];
    const TensorEntry& b = found.tensors[t];
    EXPECT_EQ(b.name, a.name) << "tensor " << t;
    EXPECT_EQ(b.shape, a.shape) << a.name;
    ASSERT_EQ(b.dtype, a.dtype) << a.name;
    const std::vector<bool> must_equal = outside(a, regions);
    const auto kept = std::count(must_equal.begin(), must_equal.end(), true);
    change->tensors_in_part += kept > 0 && kept < static_cast<int64_t>(a.size);
    int64_t wrong = 0;
    for (size_t i = 0; i < a.size; ++i) {
      const bool same = base.data()[a.begin + i] == tuned.data()[b.begin + i];
      if (must_equal[i]) {
        ++change->outside;
        wrong += !same;
      } else {
        ++change->inside;
        change->inside_changed += !same;
      }
    }
    EXPECT_EQ(wrong, 0) << "bytes of " << a.name << " outside every slice selected";
  }
}

struct Base {
  std::string name;
  TinySpec model;
  std::string optimizer;
};

void PrintTo(const Base& base, std::ostream* out) { *out << base.name; }

class Export : public testing::TestWithParam<Base> {
 protected:
  TinyRuns runs_{GetParam().model,
                 {"tuning.steps=" + std::to_string(kSteps), "selection.n=10", "tuning.batch=2", "tuning.accumulation=2",
                  "optimizer.kind=" + GetParam().optimizer, "optimizer.lr=0.01", "optimizer.weight_decay=0.1",
                  "optimizer.clip=1", "discovery.every=5", "evaluation.every=25", "evaluation.keep=all"}};
};

TEST_P(Export, ChangesNothingOutsideTheSlicesEverSelected) {
  ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0);
  const std::string out = runs_.run("model-out");
  const ProgramResult result = run_quiet({"export", runs_.run("run"), "--step", std::to_string(kSteps), "-o", out});
  ASSERT_EQ(result.exit_code, 0) << result.err;

  const std::string slices = runs_.run("run") + "/checkpoints/step-000050/slices.safetensors";
  std::vector<Region> regions;
  for (const TensorEntry& entry : parse_safetensors(read_file(slices), slices).tensors) {
    regions.push_back(parse_region(entry.name));
  }
  Change change;
  ASSERT_EQ(weight_files(out), weight_files(runs_.model()));
  for (const std::string& name : weight_files(out)) {
    compare_file(runs_.model() + "/" + name, out + "/" + name, regions, &change);
  }
  EXPECT_GT(change.outside, change.inside / 4) << "the test looks at too little";
  EXPECT_GT(change.tensors_in_part, 1) << "the test looks at no border between slices";
  EXPECT_GT(change.inside_changed, change.inside / 4) << "nothing was tuned";

  // Everything else is copied.
  for (const auto& [name, bytes] : snapshot(runs_.model())) {
    if (fs::path(name).extension() == ".safetensors") continue;
    EXPECT_EQ(read_file(out + "/" + name), bytes) << name;
  }
  EXPECT_EQ(snapshot(out).size(), snapshot(runs_.model()).size());
}

TEST_P(Export, EvaluatesAsTheRunRecorded) {
  ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0);
  const std::string out = runs_.run("model-out");
  ASSERT_EQ(run_quiet({"export", runs_.run("run"), "--step", std::to_string(kSteps), "-o", out}).exit_code, 0);
  EXPECT_EQ(run_quiet({"inspect", out}).out, run_quiet({"inspect", runs_.model()}).out);
  const ProgramResult result = run_quiet({"score", out, runs_.scratch() / "dev.jsonl", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json score = parse_json(result.out, "score")[0];
  Database db(runs_.run("run") + "/run.db", Database::Mode::kReadOnly);
  const auto recorded = [&](const std::string& name) {
    Statement row = db.prepare("SELECT value FROM evaluations WHERE step = ? AND name = ?");
    row.bind(1, kSteps).bind(2, name);
    EXPECT_TRUE(row.step()) << name;
    return row.real(0);
  };
  // The same records in one batch on the same weights: the same bits.
  EXPECT_EQ(score["logit_diff"].get<double>(), recorded("dev/metric"));
  EXPECT_EQ(score["accuracy"].get<double>(), recorded("dev/accuracy"));
  EXPECT_EQ(score["perplexity"].get<double>(), recorded("dev/perplexity"));
}

INSTANTIATE_TEST_SUITE_P(
    Bases, Export,
    testing::Values(Base{"Gpt2F32", {}, "sgd"}, Base{"Gpt2Bf16Sharded", {"gpt2", false, "BF16", 3}, "adamw"},
                    Base{"LlamaF32Sharded", {"llama", true, "F32", 2}, "adamw"},
                    Base{"LlamaBf16", {"llama", false, "BF16"}, "sgd"}, Base{"MistralF32", {"mistral", false}, "adamw"},
                    Base{"Qwen2Bf16", {"qwen2", true, "BF16"}, "adamw"},
                    Base{"GptNeoxBf16Sharded", {"gpt_neox", false, "BF16", 2}, "sgd"},
                    Base{"Qwen3F32", {"qwen3", true}, "sgd"}, Base{"OptBf16", {"opt", true, "BF16"}, "adamw"}),
    [](const auto& each) { return each.param.name; });

// Of every parameter, the norms too: what the run measured is what the exported directory measures.
class FullExport : public testing::TestWithParam<const char*> {};

TEST_P(FullExport, EvaluatesAsTheRunRecorded) {
  const TinyRuns runs({GetParam()}, {"tuning.method=full", "tuning.steps=5", "tuning.batch=2", "evaluation.every=5"});
  const ProgramResult tuned = run_program(runs.tune("run"));
  ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
  const std::string out = runs.run("model-out");
  ASSERT_EQ(run_quiet({"export", runs.run("run"), "--step", "5", "-o", out}).exit_code, 0);
  const ProgramResult result = run_quiet({"score", out, runs.scratch() / "dev.jsonl", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  Database db(runs.run("run") + "/run.db", Database::Mode::kReadOnly);
  Statement row = db.prepare("SELECT value FROM evaluations WHERE step = 5 AND name = 'dev/metric'");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(parse_json(result.out, "score")[0]["logit_diff"].get<double>(), row.real(0));
  const ProgramResult before = run_quiet({"score", runs.model(), runs.scratch() / "dev.jsonl", "--json"});
  EXPECT_NE(parse_json(before.out, "score")[0]["logit_diff"], parse_json(result.out, "score")[0]["logit_diff"]);
}
INSTANTIATE_TEST_SUITE_P(PostNorms, FullExport, testing::Values("gemma2", "gemma3_text"));

TEST(ExportDtype, ComputingInBf16DoesNotRoundWhatWasNotTuned) {
  const TinyRuns runs({}, {"tuning.steps=3", "selection.n=3", "tuning.batch=2", "tuning.shared_biases=false"});
  Arguments tune = runs.tune("run");
  tune.insert(tune.end(), {"--dtype", "bf16"});
  ASSERT_EQ(run_program(tune).exit_code, 0);
  for (const std::string dtype : {"f32", "bf16"}) {
    const std::string out = runs.run("out-" + dtype);
    ASSERT_EQ(run_quiet({"export", runs.run("run"), "-o", out, "--dtype", dtype}).exit_code, 0);
  }
  EXPECT_TRUE(snapshot(runs.run("out-f32")) == snapshot(runs.run("out-bf16")));
}

TEST(ReadRun, PythonsStandardLibraryReadsAScoreVector) {
  if (std::system("python3 -c 'import sqlite3' 2>/dev/null") != 0) {
    std::cout << "python3 with sqlite3 is absent: docs/read_run.py is not tested\n";
    GTEST_SKIP();
  }
  const TinyRuns runs({}, {"tuning.steps=2", "selection.n=3", "tuning.batch=2"});
  ASSERT_EQ(run_program(runs.tune("run")).exit_code, 0);
  const std::string out = runs.scratch() / "python.txt";
  const std::string script = std::string(CIRCUIT_SOURCE_DIR) + "/docs/read_run.py";
  ASSERT_EQ(std::system(("python3 " + script + " " + runs.run("run") + " 1 > " + out).c_str()), 0);
  std::istringstream lines(read_file(out));
  Database db(runs.run("run") + "/run.db", Database::Mode::kReadOnly);
  Statement edges = db.prepare("SELECT id, upstream, downstream FROM edges ORDER BY id");
  Statement scores = db.prepare("SELECT scores FROM discoveries WHERE step = 1");
  ASSERT_TRUE(scores.step());
  const std::string blob = scores.blob(0);
  int64_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_TRUE(edges.step());
    float score = 0;
    std::memcpy(&score, blob.data() + edges.integer(0) * sizeof score, sizeof score);
    const size_t tab = line.find('\t');
    EXPECT_EQ(line.substr(tab + 1), edges.text(1) + "->" + edges.text(2));
    EXPECT_EQ(static_cast<float>(std::stod(line.substr(0, tab))), score) << line;
  }
  EXPECT_EQ(count * static_cast<int64_t>(sizeof(float)), static_cast<int64_t>(blob.size()));
}

}  // namespace
}  // namespace circuit
