// Discovery and evaluation through the program, on two tiny random models and nine records; and the size of the MLP
// blocks.
#pragma once

#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "tests/program.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {

constexpr int64_t kBlock = 5;  // of the 20 channels of a tiny MLP
constexpr int64_t kBlocks = 4;
constexpr double kRounding = 2e-5;  // float32 sums in another order

class Finer : public testing::Test {
 protected:
  Finer() {
    write_file(data_, tiny_records(9, 4));
    write_tiny_model(gpt2_, TinySpec());
    write_tiny_model(llama_, {"llama", false});
  }
  Arguments command(const std::string& model, const Arguments& more) const {
    Arguments arguments{"discover", model, data_, "-o", out_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json discover(const std::string& model, const Arguments& more) const {
    SCOPED_TRACE(testing::PrintToString(more));
    const ProgramResult result = run_quiet(command(model, more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return read_json(out_);
  }
  Json evaluate(const std::string& model, const std::string& circuit, const Arguments& more = {}) const {
    Arguments arguments{"evaluate", model, data_, "--circuit", circuit, "--redundancy", "0", "--no-curve", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_quiet(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_json(result.out, "evaluate");
  }
  std::string tiny_model(const std::string& family) const {
    TinySpec spec;
    spec.family = family;
    return write_tiny_model(scratch_ / "model", spec);
  }
  void refuses(const Arguments& more, const std::vector<std::string>& words, int code = kFailure) const {
    expect_refused(scratch_, command(gpt2_, more), words, code);
  }
  ScratchFolder scratch_;
  const std::string data_ = scratch_ / "data.jsonl";
  const std::string out_ = scratch_ / "circuit.json";
  const std::string gpt2_ = scratch_ / "gpt2";
  const std::string llama_ = scratch_ / "llama";
};

}  // namespace circuit
