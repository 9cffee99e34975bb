// Deltas: on the base, off again, several together; what is no delta, or not this model's, is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tests/refusal.h"
#include "tests/tiny_run.h"

namespace circuit {
namespace {

const Settings kDeltaRun{"tuning.steps=20",      "selection.n=10",    "tuning.batch=2",      "optimizer.lr=0.02",
                         "optimizer.kind=adamw", "discovery.every=5", "evaluation.every=10", "evaluation.keep=all"};

void expect_success(const Arguments& arguments) {
  const ProgramResult result = run_quiet(arguments);
  ASSERT_EQ(result.exit_code, 0) << testing::PrintToString(arguments) << result.err;
}

Json json_of(Arguments arguments) {
  arguments.emplace_back("--json");
  const ProgramResult result = run_quiet(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return parse_json(result.out, "stdout");
}

// A safetensors file in pieces, to be changed and written again.
struct Pieces {
  explicit Pieces(const std::string& path) : bytes(read_file(path)), header(parse_safetensors(bytes, path)) {}
  std::string bytes;
  SafetensorsHeader header;
  void write(const std::string& path) const {
    std::vector<TensorBytes> tensors;
    for (const TensorEntry& e : header.tensors) tensors.push_back({e.name, e.dtype, e.shape, bytes.data() + e.begin});
    write_safetensors(path, tensors, header.metadata);
  }
  TensorEntry& first_slice() {
    for (TensorEntry& e : header.tensors) {
      if (e.name.back() == ']') return e;
    }
    throw std::runtime_error("no slice");
  }
};

std::string tensor_of(const std::string& slice) { return slice.substr(0, slice.rfind('[')); }

// Keeps the slices of the tensors that `keep` takes, as a delta of their own.
template <typename Keep>
void write_part(const std::string& delta, const std::string& path, const Keep& keep) {
  Pieces part(delta);
  std::vector<TensorEntry> kept;
  for (const TensorEntry& e : part.header.tensors) {
    if (keep(tensor_of(e.name))) kept.push_back(e);
  }
  ASSERT_FALSE(kept.empty());
  part.header.tensors = kept;
  for (const char* key : {"base_sha256", "result_sha256"}) {
    Json hashes = parse_json(part.header.metadata[key], key);
    Json of_part = Json::object();
    for (const auto& [tensor, hash] : hashes.items()) {
      if (keep(tensor)) of_part[tensor] = hash;
    }
    part.header.metadata[key] = of_part.dump();
  }
  part.write(path);
}

struct DeltaBase {
  std::string name;
  TinySpec model;
};
void PrintTo(const DeltaBase& base, std::ostream* out) { *out << base.name; }

class Delta : public testing::TestWithParam<DeltaBase> {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0);
    expect_success({"export", at("run"), "--step", "20", "-o", at("exported")});
    expect_success({"export", at("run"), "--step", "20", "--delta", "-o", at("delta")});
  }
  std::string at(const std::string& name) const { return runs_.run(name); }
  std::string file() const { return at("delta") + "/delta.safetensors"; }
  TinyRuns runs_{GetParam().model, kDeltaRun};
};

TEST_P(Delta, OnTheBaseIsTheExportedModelAndOffItTheBase) {
  expect_success({"apply", runs_.model(), at("delta"), "-o", at("applied")});
  EXPECT_TRUE(snapshot(at("applied")) == snapshot(at("exported")));
  EXPECT_FALSE(snapshot(at("applied")) == snapshot(runs_.model())) << "nothing was tuned";
  expect_success({"revert", at("exported"), file(), "-o", at("reverted")});
  EXPECT_TRUE(snapshot(at("reverted")) == snapshot(runs_.model()));
}

// On the line from the base through what was tuned; off it again the base's bytes.
TEST_P(Delta, Scaled) {
  expect_success({"apply", runs_.model(), at("delta"), "--scale", "0", "-o", at("none")});
  EXPECT_TRUE(snapshot(at("none")) == snapshot(runs_.model()));
  expect_success({"apply", runs_.model(), at("delta"), "--scale", "1", "-o", at("all")});
  EXPECT_TRUE(snapshot(at("all")) == snapshot(at("exported")));
  expect_success({"apply", runs_.model(), at("delta"), "--scale", "0.25", "-o", at("quarter")});
  EXPECT_FALSE(snapshot(at("quarter")) == snapshot(runs_.model()));
  EXPECT_FALSE(snapshot(at("quarter")) == snapshot(at("exported")));
  expect_success({"revert", at("quarter"), at("delta"), "--scale", "0.25", "-o", at("reverted")});
  EXPECT_TRUE(snapshot(at("reverted")) == snapshot(runs_.model()));
  expect_refused(runs_.scratch(), {"revert", at("quarter"), at("delta"), "-o", at("no")},
                 {"is not what this delta made"});
  expect_refused(runs_.scratch(), {"apply", runs_.model(), at("delta"), "--scale", "nan", "-o", at("no")}, {"--scale"},
                 2);
}

TEST_P(Delta, HoldsTheSlicesThatWereSelectedAndNothingElse) {
  const std::string checkpoint = at("run") + "/checkpoints/step-000020/slices.safetensors";
  std::map<std::string, size_t> elements;
  for (const TensorEntry& e : Pieces(checkpoint).header.tensors) elements[e.name] = e.size / dtype_bytes(e.dtype);
  const Pieces delta(file());
  std::set<std::string> slices;
  for (const TensorEntry& e : delta.header.tensors) {
    const std::string slice = e.name.substr(0, e.name.rfind(']') + 1);
    ASSERT_EQ(elements.count(slice), 1U) << e.name;
    EXPECT_EQ(e.size / dtype_bytes(e.dtype), elements[slice]) << e.name;
    const bool master = e.name == slice + ".master";
    EXPECT_EQ(e.dtype, master ? "F32" : GetParam().model.dtype) << e.name;
    slices.insert(slice);
  }
  EXPECT_EQ(slices.size(), elements.size()) << "a slice is missing";
  EXPECT_EQ(delta.header.metadata.at("step"), "20");
  const std::string first = *slices.begin();
  bool masters = false;
  for (const TensorEntry& e : delta.header.tensors) masters = masters || e.name == first + ".master";
  EXPECT_EQ(masters, GetParam().model.dtype == "BF16") << "float32 is its own master";
}

TEST_P(Delta, PartsOfADeltaMakeTheWhole) {
  std::string middle;  // tensors up to this one, and those after it
  const Json hashes = parse_json(Pieces(file()).header.metadata["base_sha256"], "base_sha256");
  ASSERT_GT(hashes.size(), 2U);
  size_t count = 0;
  for (const auto& [tensor, hash] : hashes.items()) {
    if (++count == hashes.size() / 2) middle = tensor;
  }
  write_part(file(), at("low"), [&](const std::string& tensor) { return tensor <= middle; });
  write_part(file(), at("high"), [&](const std::string& tensor) { return tensor > middle; });
  expect_success({"apply", runs_.model(), at("high"), at("low"), "-o", at("merged")});
  EXPECT_TRUE(snapshot(at("merged")) == snapshot(at("exported")));
  expect_success({"revert", at("merged"), at("low"), at("high"), "-o", at("reverted")});
  EXPECT_TRUE(snapshot(at("reverted")) == snapshot(runs_.model()));
}

TEST_P(Delta, IsRefusedOffAModelThatItDidNotMake) {
  expect_success({"export", at("run"), "--step", "10", "-o", at("earlier")});
  expect_refused(runs_.scratch(), {"revert", at("earlier"), at("delta"), "-o", at("out")}, {"tensor '", "earlier"});
  expect_refused(runs_.scratch(), {"revert", runs_.model(), at("delta"), "-o", at("out")}, {"tensor '"});
  expect_refused(runs_.scratch(), {"apply", at("exported"), at("delta"), "-o", at("out")}, {"tensor '", "exported"});
  TinySpec other = GetParam().model;
  other.seed = 8;
  write_tiny_model(at("other"), other);
  expect_refused(runs_.scratch(), {"apply", at("other"), at("delta"), "-o", at("out")}, {"tensor '", "other"});
  expect_refused(runs_.scratch(), {"apply", runs_.model(), at("delta"), "-o", at("exported")}, {"already exists"});
}

TEST_P(Delta, ADiskThatFillsLeavesNothing) {
  constexpr uint64_t kTooFew = 2000;  // bytes a file may have: less than the delta's header
  for (const Arguments& arguments : {Arguments{"apply", runs_.model(), at("delta"), "-o", at("out")},
                                     Arguments{"revert", at("exported"), at("delta"), "-o", at("out")}}) {
    const auto before = snapshot(runs_.scratch().path());
    const ProgramResult result = run_quiet(arguments, kTooFew);
    EXPECT_EQ(result.exit_code, kFailure);
    EXPECT_THAT(result.err, testing::HasSubstr("cannot write"));
    EXPECT_TRUE(snapshot(runs_.scratch().path()) == before);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Delta,
                         testing::Values(DeltaBase{"Gpt2", {}},
                                         DeltaBase{"LlamaBf16Sharded", {"llama", false, "BF16", 2}}),
                         [](const auto& each) { return each.param.name; });

class OneDelta : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_program(runs_.tune("run")).exit_code, 0);
    expect_success({"export", at("run"), "--delta", "-o", at("delta")});
  }
  std::string at(const std::string& name) const { return runs_.run(name); }
  void refused(const Pieces& pieces, const std::vector<std::string>& words) {
    pieces.write(at("bad.safetensors"));
    expect_refused(runs_.scratch(), {"apply", runs_.model(), at("bad.safetensors"), "-o", at("out")}, words);
  }
  TinyRuns runs_{{}, kDeltaRun};
};

TEST_F(OneDelta, IsRefusedWhereItIsCutShort) {
  const std::string whole = read_file(at("delta") + "/delta.safetensors");
  for (const size_t size : {size_t{0}, size_t{5}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write_file(at("bad.safetensors"), whole.substr(0, size));
    for (const char* command : {"apply", "revert"}) {
      expect_refused(runs_.scratch(), {command, runs_.model(), at("bad.safetensors"), "-o", at("out")},
                     {"bad.safetensors"});
    }
  }
}

TEST_F(OneDelta, IsRefusedWhereItIsDamaged) {
  const Pieces good(at("delta") + "/delta.safetensors");
  Pieces bad = good;
  bad.bytes[bad.first_slice().begin] ^= 1;
  refused(bad, {"damaged", tensor_of(bad.first_slice().name)});
  bad = good;
  for (TensorEntry& e : bad.header.tensors) {
    if (e.name == bad.first_slice().name + ".base") bad.bytes[e.begin] ^= 1;
  }
  refused(bad, {"damaged", bad.first_slice().name});
  bad = good;
  bad.header.metadata.erase("base_sha256");
  refused(bad, {"base_sha256"});
  bad = good;
  bad.header.metadata["result_sha256"] = "[1]";
  refused(bad, {"result_sha256"});
  bad = good;
  bad.header.metadata["format_version"] = "2";
  refused(bad, {"format_version", "'2'"});
  bad = good;
  bad.header.metadata.erase("format");
  refused(bad, {"no delta"});
}

TEST_F(OneDelta, IsRefusedWhereASliceIsNotOne) {
  const Pieces good(at("delta") + "/delta.safetensors");
  const std::string name = Pieces(good).first_slice().name;
  const std::string tensor = tensor_of(name);
  for (const char* range :
       {"[0:0:99999]", "[0:5:2]", "[7:0:1]", "[0:-1:2]", "[0:0:9223372036854775808]", "[0:1]", "[]"}) {
    Pieces bad = good;
    for (TensorEntry& e : bad.header.tensors) {
      if (e.name.rfind(name, 0) == 0) e.name = tensor + range + e.name.substr(name.size());
    }
    refused(bad, {tensor + range});
  }
  Pieces bad = good;
  for (TensorEntry& e : bad.header.tensors) {
    if (e.name == name + ".base") e.name = name + ".bass";
  }
  refused(bad, {name + ".base"});
}

TEST_F(OneDelta, OfALoraRunIsAnAdapter) {
  ASSERT_EQ(run_program(runs_.tune("lora", {"tuning.method=lora", "lora.rank=2"})).exit_code, 0);
  expect_refused(runs_.scratch(), {"export", at("lora"), "--delta", "-o", at("out")}, {"--adapter"});
  expect_success({"export", at("lora"), "-o", at("exported")});
  expect_success({"export", at("lora"), "--adapter", "-o", at("adapter")});
  expect_success({"apply", runs_.model(), at("adapter"), "-o", at("applied")});
  EXPECT_TRUE(snapshot(at("applied")) == snapshot(at("exported")));
  expect_refused(runs_.scratch(), {"revert", at("exported"), at("adapter"), "-o", at("out")}, {"adapter"});
  expect_refused(runs_.scratch(), {"apply", runs_.model(), at("adapter"), at("delta"), "-o", at("out")},
                 {"another delta or adapter"});
}

// The one weight file of a float32 model as numbers, by tensor.
std::map<std::string, std::vector<float>> numbers_of(const std::string& model) {
  const Pieces file(model + "/model.safetensors");
  std::map<std::string, std::vector<float>> all;
  for (const TensorEntry& e : file.header.tensors) {
    std::vector<float>& values = all[e.name];
    values.resize(e.size / sizeof(float));
    std::memcpy(values.data(), file.bytes.data() + e.begin, e.size);
  }
  return all;
}

// 1 for every element that a delta has a slice of.
std::map<std::string, std::vector<int>> covered_by(const std::string& delta, const std::string& model) {
  std::map<std::string, std::vector<int>> all;
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorEntry& e : Pieces(model + "/model.safetensors").header.tensors) {
    all[e.name].resize(e.size / sizeof(float));
    shapes[e.name] = e.shape;
  }
  for (const TensorEntry& e : Pieces(delta + "/delta.safetensors").header.tensors) {
    if (e.name.back() != ']') continue;
    int64_t dim = 0;
    int64_t start = 0;
    int64_t end = 0;
    EXPECT_EQ(std::sscanf(e.name.c_str() + e.name.rfind('['), "[%ld:%ld:%ld]", &dim, &start, &end), 3);
    const std::string tensor = tensor_of(e.name);
    const std::vector<int64_t>& shape = shapes[tensor];
    int64_t inner = 1;
    for (size_t d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
    std::vector<int>& mask = all[tensor];
    for (int64_t i = 0; i < static_cast<int64_t>(mask.size()); ++i) {
      const int64_t index = i / inner % shape[dim];
      if (index >= start && index < end) mask[i] = 1;
    }
  }
  return all;
}

class TwoDeltas : public testing::Test {
 protected:
  void SetUp() override {
    // The other run trains whole tensors: its slices cross those of the first.
    ASSERT_EQ(run_program(runs_.tune("a")).exit_code, 0);
    ASSERT_EQ(run_program(runs_.tune("b", {"tuning.method=full", "tuning.steps=10"})).exit_code, 0);
    for (const std::string run : {"a", "b"}) {
      expect_success({"export", at(run), "-o", at(run + "-model")});
      expect_success({"export", at(run), "--delta", "-o", at(run + "-delta")});
    }
  }
  std::string at(const std::string& name) const { return runs_.run(name); }
  TinyRuns runs_{{}, kDeltaRun};
};

class TwoDeltasBy : public TwoDeltas, public testing::WithParamInterface<const char*> {};

TEST_P(TwoDeltasBy, WhereTheyOverlapTheRuleDecides) {
  const std::string rule = GetParam();
  const Json result =
      json_of({"apply", runs_.model(), at("a-delta"), at("b-delta"), "--on-overlap", rule, "-o", at("both")});
  const auto base = numbers_of(runs_.model());
  const auto a = numbers_of(at("a-model"));
  const auto b = numbers_of(at("b-model"));
  const auto both = numbers_of(at("both"));
  const auto in_a = covered_by(at("a-delta"), runs_.model());
  const auto in_b = covered_by(at("b-delta"), runs_.model());
  int64_t overlapping = 0;
  int64_t wrong = 0;
  for (const auto& [name, values] : both) {
    for (size_t i = 0; i < values.size(); ++i) {
      const float w = base.at(name)[i];
      const float x = a.at(name)[i];
      const float y = b.at(name)[i];
      const bool meet = in_a.at(name)[i] && in_b.at(name)[i];
      overlapping += meet;
      const double change = static_cast<double>(x) - w + (static_cast<double>(y) - w);
      float expected = in_a.at(name)[i] ? x : y;
      if (meet && rule == "last") expected = y;
      if (meet && rule == "mean") expected = static_cast<float>(w + change / 2);
      if (meet && rule == "sum") expected = static_cast<float>(w + change);
      wrong += values[i] != expected;
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(overlapping, 0);
  int64_t reported = 0;
  for (const Json& each : result["overlaps"]) {
    reported += each["elements"].get<int64_t>();
    EXPECT_GT(each["disagreement"].get<double>(), 0);
    EXPECT_LE(each["disagreement"].get<double>(), 2 + 1e-9) << "two changes, each at most the larger; rounding";
  }
  EXPECT_EQ(reported, overlapping);
  expect_success({"revert", at("both"), at("a-delta"), at("b-delta"), "--on-overlap", rule, "-o", at("reverted")});
  EXPECT_TRUE(snapshot(at("reverted")) == snapshot(runs_.model()));
}

INSTANTIATE_TEST_SUITE_P(Rules, TwoDeltasBy, testing::Values("last", "first", "mean", "sum"),
                         [](const auto& each) { return std::string(each.param); });

TEST_F(TwoDeltas, ThatOverlapAreRefusedWithoutARule) {
  expect_refused(runs_.scratch(), {"apply", runs_.model(), at("a-delta"), at("b-delta"), "-o", at("out")},
                 {"--on-overlap", "a-delta", "b-delta"});
  expect_refused(runs_.scratch(),
                 {"apply", runs_.model(), at("a-delta"), at("b-delta"), "--on-overlap", "average", "-o", at("out")},
                 {"average", "mean"}, kWrongUse);
}

}  // namespace
}  // namespace circuit
