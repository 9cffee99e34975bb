#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "tuning/adapter_files.h"
#include "tuning/lora_store.h"
#include "tuning/testing.h"

namespace circuit {
namespace {

class Lora : public testing::TestWithParam<const char*> {
 public:
  static LoadOptions wide() {
    LoadOptions options;
    options.dtype = at::kDouble;
    return options;
  }
  // Moves A and B away from where B is zero.
  static void train(const Model& model, LoraStore* store, int64_t steps) {
    const std::vector<Example> examples = random_examples(model.architecture(), 12);
    TunerSpec spec = spec_for("adamw", examples);
    spec.steps = steps;
    spec.optimizer.weight_decay = 0;
    Watcher watcher;
    Trainer(model, *store, spec).run(0, watcher);
  }
};

TEST_P(Lora, GradientsAreCentralDifferences) {
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide());
  LoraSpec spec;
  spec.rank = 3;
  LoraStore store(model, spec);
  train(model, &store, 3);
  const std::vector<Example> examples = random_examples(model.architecture(), 5);
  const ExampleBatch batch = make_example_batch(pointers(examples), model.architecture(), at::kCPU);
  const auto loss = [&] {
    const ForwardCache run = forward(model, batch.tokens, Keep::kNothing);
    return nll_loss(model, run.x_final, batch.targets, LossGradient::kNone).nll.sum().item<double>();
  };
  ForwardCache run = forward(model, batch.tokens, Keep::kBackward);
  const Loss at_point = nll_loss(model, run.x_final, batch.targets, LossGradient::kStream);
  weight_gradients(model, batch.tokens, run, at_point, 1, store.begin_batch());
  constexpr double kEps = 1e-5;
  // Truncation error of a central difference is O(eps²) times a third derivative of order 10.
  constexpr double kTolerance = 1e-6;
  for (const LoraStore::Adapter& x : store.adapters()) {
    for (const bool of_a : {true, false}) {
      // Along the gradient itself, so that the slope is its length.
      const at::Tensor gradient = of_a ? x.a_gradient : x.b_gradient;
      const double length = gradient.norm().item<double>();
      ASSERT_GT(length, 0);
      const at::Tensor g = gradient / length;
      const auto at_distance = [&](double d) {
        const at::Tensor a = of_a ? x.a + g * d : x.a;
        const at::Tensor b = of_a ? x.b : x.b + g * d;
        const at::Tensor kept = model.parameter(x.layer.tensor).clone();
        model.writable(x.layer.tensor).copy_(merged(x.base, a, b, store.scale(), x.layer.transposed));
        const double value = loss();
        model.writable(x.layer.tensor).copy_(kept);
        return value;
      };
      const double slope = (at_distance(kEps) - at_distance(-kEps)) / (2 * kEps);
      EXPECT_NEAR(slope, length, kTolerance * std::max(1.0, length)) << x.layer.module << (of_a ? " A" : " B");
    }
  }
}

TEST_P(Lora, TheForwardRunsOnTheMergedWeights) {
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide());
  const Model base = Model::random(tiny_architecture(GetParam()), 0.3, 2, wide());
  LoraSpec spec;
  LoraStore store(model, spec);
  train(model, &store, 4);
  constexpr double kTolerance = 1e-14;  // float64: one sum
  for (const LoraStore::Adapter& x : store.adapters()) {
    const at::Tensor change = at::mm(x.b, x.a) * (spec.alpha / static_cast<double>(spec.rank));  // [out, in]
    const at::Tensor expected = base.parameter(x.layer.tensor) + (x.layer.transposed ? change : change.t());
    EXPECT_TRUE(model.parameter(x.layer.tensor).allclose(expected, 0, kTolerance)) << x.layer.module;
    EXPECT_GT(change.abs().max().item<double>(), 0);
  }
  for (const auto& [name, tensor] : base.parameters()) {
    const bool adapted = tensor.dim() == 2 && name != base.layout().embedding && name != base.layout().positions &&
                         name != base.layout().unembedding;
    EXPECT_EQ(tensor.equal(model.parameter(name)), !adapted) << name;
  }
}

TEST_P(Lora, RestrictedToSlicesNoByteOutsideThemChanges) {
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, {});
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  const auto base = copy_of(model);
  std::vector<Slice> slices;
  for (const Slice& s : table.slices()) {
    if (s.node.find(".h1") != std::string::npos || s.node == "m1") slices.push_back(s);
  }
  const AdapterReaches reaches = reach_of(model, slices);
  LoraStore store(model, {}, &reaches);
  train(model, &store, 20);
  bool changed = false;
  for (const Slice& s : slices) {
    const at::Tensor original = base.at(s.tensor).narrow(s.dim, s.start, s.length);
    changed = changed || !slice_view(model, s).equal(original);
    writable_slice(model, s).copy_(original);
  }
  EXPECT_TRUE(changed);
  for (const auto& [name, tensor] : model.parameters()) {
    EXPECT_EQ(std::memcmp(tensor.data_ptr(), base.at(name).data_ptr(), tensor.nbytes()), 0) << name;
  }
}

TEST_P(Lora, CountsWhatItTrains) {
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, {});
  LoraSpec spec;
  spec.rank = 5;
  EXPECT_EQ(LoraStore(model, spec).current_parameters(), 5 * LoraStore::parameters_per_rank(model, spec.targets));
  // Of a restricted adapter what it reaches counts.
  std::vector<Slice> slices;
  const Graph graph(model.architecture(), KeyValueNodes::kGrouped);
  const SliceTable table(graph, model);
  for (const Slice& s : table.slices()) {
    if (s.node.find(".h1") != std::string::npos || s.node == "m1") slices.push_back(s);
  }
  const AdapterReaches reaches = reach_of(model, slices);
  EXPECT_EQ(LoraStore(model, spec, &reaches).current_parameters(),
            5 * LoraStore::parameters_per_rank(model, spec.targets, &reaches));
  EXPECT_LT(LoraStore::parameters_per_rank(model, spec.targets, &reaches),
            LoraStore::parameters_per_rank(model, spec.targets));
  spec.targets = {"no_such_layer"};
  EXPECT_THROW(LoraStore(model, spec), UsageError);
}

TEST(LoraRanks, FollowWeightsAtTheParametersOfEqualRanks) {
  const std::map<std::string, RankedLayer> layers{
      {"a", {8, 100, 50}}, {"b", {4, 100, 50}}, {"c", {2, 200, 50}}, {"none", {0, 100, 50}}};
  const auto ranks = ranks_by_weight(layers, 8);
  EXPECT_EQ(ranks.at("none"), 1);
  EXPECT_NEAR(static_cast<double>(ranks.at("a")), 2.0 * static_cast<double>(ranks.at("b")), 1);
  EXPECT_NEAR(static_cast<double>(ranks.at("b")), 2.0 * static_cast<double>(ranks.at("c")), 1);
  int64_t parameters = 0;
  for (const auto& [name, rank] : ranks) parameters += rank * layers.at(name).per_rank;
  EXPECT_LE(parameters, 8 * 500);
  EXPECT_GT(parameters, 8 * 500 - 400);  // less than one rank of each is left
  // What a product cannot have goes to the others.
  const auto bounded = ranks_by_weight({{"a", {8, 100, 4}}, {"b", {1, 100, 50}}}, 8);
  EXPECT_EQ(bounded.at("a"), 4);
  EXPECT_EQ(bounded.at("b"), 12);
  EXPECT_EQ(ranks_by_weight({{"a", {0, 100, 4}}}, 8).at("a"), 1);
}

// Else PEFT would make adapters of its own beside the layers that have none.
TEST(LoraModules, AreNamedInFullWhereOnlySomeOfThemAreAdapted) {
  namespace fs = std::filesystem;
  const std::string folder = (fs::temp_directory_path() / fmt::format("circuit-modules-{}", getpid())).string();
  Model model = Model::random(tiny_architecture("llama"), 0.3, 2, {});
  const auto modules = [&](const AdapterReaches* reaches) {
    fs::remove_all(folder);
    write_adapter(LoraStore(model, {}, reaches), model, "base", folder);
    const Json config = read_json(folder + "/adapter_config.json");
    fs::remove_all(folder);
    return config["target_modules"].get<std::vector<std::string>>();
  };
  const std::vector<LinearLayer> layers = linear_layers(model, {"all-linear"});
  EXPECT_EQ(modules(nullptr).size(), 7U);
  EXPECT_EQ(modules(nullptr)[0], "down_proj");
  const AdapterReaches one{{layers[0].tensor, {}}};
  EXPECT_EQ(modules(&one), (std::vector<std::string>{model.layout().prefix + layers[0].module}));
}

TEST(LoraRanks, StandInTheAdapterAsPeftReadsThem) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("circuit-ranks-{}", getpid());
  fs::remove_all(folder);
  fs::create_directories(folder / "base");
  Model model = Model::random(tiny_architecture("llama"), 0.3, 2, {});
  NamedTensors tensors;
  for (const auto& [name, tensor] : model.parameters()) tensors.emplace_back(model.file_name(name), tensor.clone());
  save_tensors((folder / "base/model.safetensors").string(), tensors, {});
  write_file((folder / "base/config.json").string(), "{}");
  LoraSpec spec;
  spec.rank = 3;
  const std::string narrower = linear_layers(model, spec.targets)[1].tensor;
  spec.ranks[narrower] = 2;
  LoraStore store(model, spec);
  Lora::train(model, &store, 4);
  write_adapter(store, model, "base", (folder / "adapter").string());
  const Json config = read_json((folder / "adapter/adapter_config.json").string());
  // The same factor of B A everywhere.
  EXPECT_EQ(config["rank_pattern"].begin().value(), 2);
  EXPECT_DOUBLE_EQ(config["alpha_pattern"].begin().value().get<double>(), 16.0 / 3 * 2);
  const auto changed =
      merge_adapter(Checkpoint::open((folder / "base").string()), model, (folder / "adapter").string());
  for (const LoraStore::Adapter& x : store.adapters()) {
    EXPECT_EQ(x.a.size(0), x.layer.tensor == narrower ? 2 : 3);
    EXPECT_TRUE(changed.at(model.file_name(x.layer.tensor)).equal(model.parameter(x.layer.tensor))) << x.layer.module;
  }
  fs::remove_all(folder);
}

// What PEFT's documentation asks for, and back: the merged model is the one that was trained.
TEST_P(Lora, AnAdapterFolderMergesToTheTrainedWeights) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("circuit-adapter-{}-{}", getpid(), GetParam());
  fs::remove_all(folder);
  fs::create_directories(folder / "base");
  Model model = Model::random(tiny_architecture(GetParam()), 0.3, 2, {});
  NamedTensors tensors;
  for (const auto& [name, tensor] : model.parameters()) tensors.emplace_back(model.file_name(name), tensor.clone());
  save_tensors((folder / "base/model.safetensors").string(), tensors, {});
  write_file((folder / "base/config.json").string(), "{}");
  LoraSpec spec;
  spec.rank = 3;
  LoraStore store(model, spec);
  train(model, &store, 4);
  write_adapter(store, model, "base", (folder / "adapter").string());
  EXPECT_TRUE(is_adapter((folder / "adapter").string()));
  const TensorFile file((folder / "adapter/adapter_model.safetensors").string());
  for (const LoraStore::Adapter& x : store.adapters()) {
    const std::string module = "base_model.model." + model.layout().prefix + x.layer.module;
    EXPECT_EQ(file.tensor(module + ".lora_A.weight").sizes(), (std::vector<int64_t>{3, x.layer.inputs}));
    EXPECT_EQ(file.tensor(module + ".lora_B.weight").sizes(), (std::vector<int64_t>{x.layer.outputs, 3}));
  }
  const Json config = read_json((folder / "adapter/adapter_config.json").string());
  EXPECT_EQ(config["r"], 3);
  EXPECT_EQ(config["fan_in_fan_out"], std::string(GetParam()) == "gpt2");
  const Checkpoint base = Checkpoint::open((folder / "base").string());
  const auto changed = merge_adapter(base, model, (folder / "adapter").string());
  EXPECT_EQ(changed.size(), store.adapters().size());
  for (const LoraStore::Adapter& x : store.adapters()) {
    EXPECT_TRUE(changed.at(model.file_name(x.layer.tensor)).equal(model.parameter(x.layer.tensor))) << x.layer.module;
  }
  // Keys that change what an adapter means, by name; those that do not are read over.
  const auto refusal = [&](const char* change) {
    Json other = config;
    other.merge_patch(Json::parse(change));
    write_file((folder / "adapter/adapter_config.json").string(), other.dump());
    try {
      merge_adapter(base, model, (folder / "adapter").string());
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string module = model.layout().prefix + store.adapters()[0].layer.module;
  for (const auto& [key, change] : std::vector<std::pair<const char*, std::string>>{
           {"use_dora", R"({"use_dora": true})"},
           {"init_lora_weights", R"({"init_lora_weights": "pissa"})"},
           {"init_lora_weights", R"({"init_lora_weights": "pissa_niter_16"})"},
           {"init_lora_weights", R"({"init_lora_weights": "olora"})"},
           {"init_lora_weights", R"({"init_lora_weights": "corda"})"},
           {"init_lora_weights", R"({"init_lora_weights": "loftq"})"},
           {"init_lora_weights", R"({"init_lora_weights": "lora_ga"})"},
           {"alora_invocation_tokens", R"({"alora_invocation_tokens": [1, 2]})"},
           {"bias", R"({"bias": "some"})"},
           {"lora_bias", R"({"lora_bias": true})"},
           {"modules_to_save", R"({"modules_to_save": ["lm_head"]})"},
           {"layer_replication", R"({"layer_replication": [[0, 1]]})"},
           {"target_parameters", R"({"target_parameters": ["experts"]})"},
           {"trainable_token_indices", R"({"trainable_token_indices": [3]})"},
           {"megatron_config", R"({"megatron_config": {"a": 1}})"},
           {"use_qalora", R"({"use_qalora": true})"},
           {"a_key_of_tomorrow", R"({"a_key_of_tomorrow": 1})"},
           {"target_modules", R"({"target_modules": ["no_such_layer"]})"},
           {"exclude_modules", R"({"exclude_modules": [")" + module + R"("]})"},
           {"layers_to_transform", R"({"layers_to_transform": [77]})"},
           {"rank_pattern", R"({"rank_pattern": {"(": 3}})"},
           {"found 4", R"({"rank_pattern": {")" + module + R"(": 4}})"},
           {"found 8", R"({"r": 8})"}}) {
    EXPECT_NE(refusal(change.c_str()).find(key), std::string::npos) << change << ": " << refusal(change.c_str());
  }
  for (const char* harmless :
       {R"({"init_lora_weights": "gaussian", "eva_config": null})", R"({"init_lora_weights": false})",
        R"({"target_modules": "all-linear", "lora_dropout": 0.1, "megatron_core": "megatron.core"})",
        R"({"use_qalora": false, "qalora_group_size": 16, "arrow_config": null})",
        R"({"rank_pattern": {".*": 3}, "r": 8})"}) {
    EXPECT_EQ(refusal(harmless), "");
  }
  // α of one module alone.
  refusal(("{\"alpha_pattern\": {\"" + module + "\": 0}}").c_str());
  const auto patterned = merge_adapter(base, model, (folder / "adapter").string());
  const std::string first = model.file_name(store.adapters()[0].layer.tensor);
  EXPECT_TRUE(patterned.at(first).equal(base.tensor(first)));
  EXPECT_FALSE(changed.at(first).equal(base.tensor(first)));
  // An adapter that is no number.
  NamedTensors spoilt;
  for (const TensorEntry& e : file.header().tensors) spoilt.emplace_back(e.name, file.tensor(e.name).clone());
  spoilt[0].second.view({-1})[0].fill_(std::nan(""));
  save_tensors((folder / "adapter/adapter_model.safetensors").string(), spoilt, {});
  EXPECT_NE(refusal("{}").find("tensor '" + spoilt[0].first + "': found NaN"), std::string::npos) << refusal("{}");
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(All, Lora, testing::Values("gpt2", "llama", "gpt_neox", "gemma3_text", "opt"));

}  // namespace
}  // namespace circuit
