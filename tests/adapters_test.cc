// Adapters of every kind against PEFT: tests/adapters holds what PEFT saved, and the logits of the model that it merged
// (tools/adapter_fixtures.py).
#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "model/forward.h"
#include "tuning/adapter_files.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

// Of the logits' spread: float32's rounding.
constexpr double kTolerance = 1e-5;

// Whose start values were taken out of the base's weights: not in their files.
const char* const kRefusedInits[] = {"pissa", "olora"};

std::string root() { return std::string(CIRCUIT_SOURCE_DIR) + "/tests/"; }

std::vector<std::string> adapters() {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(root() + "adapters")) names.push_back(item.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Adapters : public testing::TestWithParam<std::string> {
 protected:
  std::string folder() const { return root() + "adapters/" + GetParam(); }
  std::string base() const {
    return root() + "families/" + read_json(folder() + "/reference.json").at("base").get<std::string>();
  }
};

TEST_P(Adapters, MergedLogitsAreThoseOfPeft) {
  const Checkpoint base = Checkpoint::open(this->base());
  const Model plain = Model::load(base, {});
  if (std::count(std::begin(kRefusedInits), std::end(kRefusedInits), GetParam()) > 0) {
    try {
      merge_adapter(base, plain, folder());
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("init_lora_weights: '" + GetParam() + "' is not supported"));
    }
    return;
  }
  const std::string out = testing::TempDir() + "adapter-" + GetParam();
  fs::remove_all(out);
  write_checkpoint(base, merge_adapter(base, plain, folder()), out);
  const Model model = Model::load(Checkpoint::open(out), {});
  fs::remove_all(out);
  const TensorFile reference(folder() + "/reference.safetensors");
  const at::Tensor ids = reference.tensor("ids").contiguous();
  std::vector<std::vector<int64_t>> rows;
  for (int64_t i = 0; i < ids.size(0); ++i) {
    const auto* row = ids.data_ptr<int64_t>() + i * ids.size(1);
    rows.emplace_back(row, row + ids.size(1));
  }
  const TokenBatch batch = make_token_batch(rows, model.architecture(), at::kCPU, "fixture");
  const at::Tensor logits = logits_of(model, forward(model, batch, Keep::kNothing).x_final);
  for (const char* which : {"logits", "unmerged"}) {
    const at::Tensor expected = reference.tensor(which).flatten(0, 1);
    const double spread = (expected.max() - expected.min()).item<double>();
    EXPECT_LT((logits - expected).abs().max().item<double>() / spread, kTolerance) << which;
  }
}

INSTANTIATE_TEST_SUITE_P(Peft, Adapters, testing::ValuesIn(adapters()), [](const auto& fixture) {
  std::string name = fixture.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace circuit
