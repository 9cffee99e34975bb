// A GGUF file in place of a model directory: the same run, and exports that are the directory's. Files that are broken
// end with one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

constexpr const char* kGguf = CIRCUIT_SOURCE_DIR "/tests/gguf/model-llama.gguf";
constexpr const char* kDirectory = CIRCUIT_SOURCE_DIR "/tests/families/llama";

class GgufRuns : public testing::Test {
 protected:
  void SetUp() override {
    write_file(train(), tiny_records(8, 5));
    write_file(model(), read_file(kGguf));
  }
  std::string train() const { return scratch_ / "train.jsonl"; }
  std::string model() const { return scratch_ / "model.gguf"; }
  std::string at(const std::string& name) const { return scratch_ / name; }
  // A run of six steps on `base`, written to `name`.
  Arguments tune(const std::string& name, const std::string& base, const std::string& method) const {
    const std::string config = at(name + ".toml");
    write_file(config, "[model]\npath = \"" + base + "\"\n[data]\ntrain = \"" + train() + "\"\n[run]\npath = \"" +
                           at(name) + "\"\n[tuning]\nsteps = 6\nbatch = 2\nmethod = \"" + method +
                           "\"\n[selection]\nn = 20\n[discovery]\nevery = 3\n[optimizer]\nlr = 0.02\n");
    return {"tune", config};
  }
  static void succeed(const Arguments& arguments) {
    const ProgramResult result = run_quiet(arguments);
    ASSERT_EQ(result.exit_code, 0) << testing::PrintToString(arguments) << result.err;
  }
  static int64_t changed_elements(const std::string& a, const std::string& b) {
    const ProgramResult result = run_quiet({"diff", a, b, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "diff").at("changed_elements").get<int64_t>();
  }
  ScratchFolder scratch_;
};

TEST_F(GgufRuns, AreTheDirectorysWithDeltasAndBack) {
  succeed(tune("g", model(), "circuit"));
  succeed(tune("d", kDirectory, "circuit"));
  succeed({"export", at("g"), "-o", at("g-model")});
  succeed({"export", at("d"), "-o", at("d-model")});
  EXPECT_EQ(changed_elements(at("g-model"), at("d-model")), 0);
  EXPECT_GT(changed_elements(at("g-model"), model()), 0);
  succeed({"export", at("g"), "--delta", "-o", at("delta")});
  succeed({"apply", model(), at("delta"), "-o", at("applied")});
  EXPECT_TRUE(snapshot(at("applied")) == snapshot(at("g-model")));
  succeed({"revert", at("applied"), at("delta"), "-o", at("base")});
  EXPECT_EQ(changed_elements(at("base"), model()), 0);
}

TEST_F(GgufRuns, AdaptersFitTheFile) {
  succeed(tune("lora", model(), "lora"));
  succeed({"export", at("lora"), "-o", at("lora-model")});
  succeed({"export", at("lora"), "--adapter", "-o", at("adapter")});
  succeed({"apply", model(), at("adapter"), "-o", at("merged")});
  EXPECT_TRUE(snapshot(at("merged")) == snapshot(at("lora-model")));
}

TEST_F(GgufRuns, AFileThatChangedIsNotTheRunsBase) {
  succeed(tune("g", model(), "circuit"));
  std::string bytes = read_file(model());
  bytes[bytes.size() - 40] ^= 1;
  write_file(model(), bytes);
  expect_refused(scratch_, {"export", at("g"), "-o", at("out")},
                 {"model.gguf", "is not the one this run started from"});
}

TEST_F(GgufRuns, BrokenFilesAreRefusedInALine) {
  const std::string whole = read_file(kGguf);
  write_file(model(), whole.substr(0, whole.size() - 200));
  for (const Arguments& arguments : {Arguments{"inspect", model()},
                                     {"discover", model(), train(), "--ablation", "mean", "-o", at("c.json")},
                                     tune("g", model(), "circuit")}) {
    expect_refused(scratch_, arguments, {"model.gguf", "tensor '", "truncated"});
  }
  // The type of the first tensor, behind its name, its count of extents and two of them.
  std::string unknown = whole;
  const std::string name = "output.weight";
  unknown[unknown.find(name) + name.size() + 4 + 16] = 99;
  write_file(model(), unknown);
  expect_refused(scratch_, {"inspect", model()}, {"model.gguf", "tensor 'output.weight': type 99 is not known"});
  write_file(model(), "GGUF");
  expect_refused(scratch_, {"inspect", model()}, {"model.gguf", "version: needs 4 bytes"});
  write_file(model(), "");
  expect_refused(scratch_, {"inspect", model()}, {"model.gguf", "no GGUF file"});
}

}  // namespace
}  // namespace circuit
