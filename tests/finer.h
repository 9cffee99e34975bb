// Discovery and evaluation through the program, on two tiny random models and nine records; and the size of the MLP
// blocks.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tests/program.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {

constexpr int64_t kBlock = 5;  // of the 20 channels of a tiny MLP
constexpr int64_t kBlocks = 4;
constexpr double kRounding = 2e-5;  // float32 sums in another order

struct Floats {
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::map<std::string, std::string> metadata;
};

// The one tensor of a file.
inline Floats read_floats(const std::string& path, const std::string& name) {
  const std::string bytes = read_file(path);
  const SafetensorsHeader header = parse_safetensors(bytes, path);
  Floats floats;
  EXPECT_EQ(header.tensors.size(), 1U);
  for (const TensorEntry& entry : header.tensors) {
    EXPECT_EQ(entry.name, name);
    EXPECT_EQ(entry.dtype, "F32");
    floats.shape = entry.shape;
    floats.values.resize(entry.size / sizeof(float));
    std::memcpy(floats.values.data(), bytes.data() + entry.begin, entry.size);
  }
  floats.metadata = header.metadata;
  return floats;
}

// Eight times one record: a random model moves the metric of different ones in different directions.
inline std::string the_same_record_eight_times() {
  const std::string records = tiny_records(1, 4);
  std::string text;
  for (int i = 0; i < 8; ++i) text += records;
  return text;
}

// The records with these spans each.
inline std::string with_spans(const std::string& records, const Json& spans) {
  std::string text;
  std::istringstream lines(records);
  for (std::string line; std::getline(lines, line);) {
    Json record = parse_json(line, "record");
    record["spans"] = spans;
    text += record.dump() + "\n";
  }
  return text;
}

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
