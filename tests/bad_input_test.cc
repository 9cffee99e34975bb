// Models and configurations that are wrong end with one line that says what and where, and with nothing half-written.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;

std::string length_prefix(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// ---- weights -------------------------------------------------------------------------------------------

class BadWeights : public testing::Test {
 protected:
  // Inspect reads headers, shapes and config.json, as every other command does first.
  void expect_inspect_refused(const std::vector<std::string>& words) {
    expect_refused(scratch_, {"inspect", scratch_ / "model"}, words);
  }
  void write(const TinyModel& model) { write_tiny_model(scratch_ / "model", model); }
  void write_weights(const std::string& header, const std::string& data) {
    write_tiny_model(scratch_ / "model", TinySpec());
    write_file(weights(), length_prefix(header.size()) + header + data);
  }
  std::string weights() const { return scratch_ / "model/model.safetensors"; }
  ScratchFolder scratch_;
};

TEST_F(BadWeights, TruncatedFileNamesATensor) {
  write_tiny_model(scratch_ / "model", TinySpec());
  const std::string whole = read_file(weights());
  write_file(weights(), whole.substr(0, whole.size() - 5));
  expect_inspect_refused({"model.safetensors", "transformer.ln_f.bias", "truncated"});
  write_file(weights(), whole.substr(0, 100));
  expect_inspect_refused({"model.safetensors", "header length"});
  write_file(weights(), "abc");
  expect_inspect_refused({"model.safetensors", "3 bytes"});
  write_file(weights(), "");
  expect_inspect_refused({"model.safetensors", "0 bytes"});
}

TEST_F(BadWeights, HostileHeaderLengthIsRefusedBeforeItIsBelieved) {
  write_tiny_model(scratch_ / "model", TinySpec());
  const std::string rest = read_file(weights()).substr(8);
  for (const uint64_t length : {UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 40, uint64_t{0}, uint64_t{5}}) {
    write_file(weights(), length_prefix(length) + rest);
    expect_inspect_refused({"model.safetensors"});
  }
}

TEST_F(BadWeights, OverlapGapAndOverflowNameTheTensor) {
  write_weights(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      std::string(12, '\0'));
  expect_inspect_refused({"tensor 'b'", "overlap"});
  write_weights(R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", std::string(12, '\0'));
  expect_inspect_refused({"tensor 'b'", "gap"});
  write_weights(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", "");
  expect_inspect_refused({"tensor 'a'", "overflows"});
  write_weights(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "0000");
  expect_inspect_refused({"tensor 'a'", "non-negative"});
  write_weights(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", "0000");
  expect_inspect_refused({"tensor 'a'", "[8, 4]"});
  write_weights(R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", "0000");
  expect_inspect_refused({"tensor 'a'", "Q4"});
}

TEST_F(BadWeights, ShapeOtherThanTheConfigsNamesBoth) {
  TinyModel model = make_tiny_model(TinySpec());
  model.config["n_inner"] = 24;
  write(model);
  expect_inspect_refused({"transformer.h.0.mlp.c_fc.weight", "[12, 20]", "[12, 24]"});
}

TEST_F(BadWeights, IntegerWeightsAreRefused) {
  TinyModel model = make_tiny_model(TinySpec());
  model.tensor("transformer.ln_f.bias").dtype = "I32";
  write(model);
  expect_inspect_refused({"transformer.ln_f.bias", "I32"});
}

TEST_F(BadWeights, MissingTensorIsNamed) {
  TinyModel model = make_tiny_model({"llama"});
  model.remove("model.layers.1.self_attn.k_proj.weight");
  write(model);
  expect_inspect_refused({"model.layers.1.self_attn.k_proj.weight", "missing"});
}

TEST_F(BadWeights, MissingShardAndMissingWeightsAreNamed) {
  TinySpec spec;
  spec.shards = 3;
  write_tiny_model(scratch_ / "model", spec);
  fs::remove(scratch_ / "model/model-2.safetensors");
  expect_inspect_refused({"model-2.safetensors"});
  fs::remove(scratch_ / "model/model.safetensors.index.json");
  expect_inspect_refused({"no model.safetensors"});
  expect_refused(scratch_, {"inspect", scratch_ / "nowhere"}, {"nowhere", "not a folder"});
}

TEST_F(BadWeights, IndexThatPointsElsewhereOrAtNothingIsRefused) {
  TinySpec spec;
  spec.shards = 2;
  write_tiny_model(scratch_ / "model", spec);
  const std::string index = scratch_ / "model/model.safetensors.index.json";
  const Json good = read_json(index);
  for (const char* outside : {"../model/model-1.safetensors", "/etc/passwd", "..", ".", ""}) {
    Json bad = good;
    bad["weight_map"]["transformer.wpe.weight"] = outside;
    write_file(index, bad.dump());
    expect_inspect_refused({"index.json"});
  }
  Json extra = good;
  extra["weight_map"]["ghost"] = "model-1.safetensors";
  write_file(index, extra.dump());
  expect_inspect_refused({"'ghost'", "none of the shards"});
  write_file(index, "{}");
  expect_inspect_refused({"weight_map"});
  write_file(index, "[]");
  expect_inspect_refused({"index.json"});
  write_file(index, R"({"weight_map": {}})");
  expect_inspect_refused({"missing"});
}

// ---- config.json ---------------------------------------------------------------------------------------

class BadConfigJson : public BadWeights {
 protected:
  void expect_config_refused(const std::string& key, const Json& value, const std::vector<std::string>& words) {
    TinyModel model = make_tiny_model({key.find("num_") == 0 || key.find("rope") == 0 ? "llama" : "gpt2"});
    if (value.is_discarded()) {
      model.config.erase(key);
    } else {
      model.config[key] = value;
    }
    write(model);
    expect_inspect_refused(words);
  }
};

TEST_F(BadConfigJson, UnknownModelTypeListsTheKnown) {
  expect_config_refused("model_type", "my_model", {"config.json", "'my_model'", "gpt2, llama"});
}

TEST_F(BadConfigJson, MissingKeyAndWrongTypeAreNamed) {
  const Json absent(Json::value_t::discarded);
  expect_config_refused("model_type", absent, {"config.json", "'model_type' is missing"});
  expect_config_refused("n_embd", absent, {"config.json", "'n_embd' is missing"});
  expect_config_refused("n_layer", "two", {"config.json", "n_layer: found a string, expected an integer"});
  expect_config_refused("n_layer", 2.5, {"config.json", "n_layer: found a number"});
  expect_config_refused("tie_word_embeddings", 1, {"config.json", "tie_word_embeddings", "true or false"});
  expect_config_refused("activation_function", "tanh", {"activation_function", "'tanh'"});
  expect_config_refused("rope_scaling", "linear", {"rope_scaling", "expected an object"});
}

TEST_F(BadConfigJson, SizesOutOfRangeAreRefusedWithoutEatingMemory) {
  expect_config_refused("n_layer", 0, {"n_layer", "found 0"});
  expect_config_refused("n_head", 5, {"not divisible by n_head 5"});
  expect_config_refused("n_inner", -3, {"n_inner", "-3"});
  expect_config_refused("num_key_value_heads", 3, {"num_key_value_heads 3"});
  expect_config_refused("n_layer", int64_t{1} << 40, {"n_layer"});
  expect_config_refused("n_layer", 2'000'000'000, {"n_layer"});
  expect_config_refused("num_hidden_layers", 2'000'000'000, {"num_hidden_layers"});
}

TEST_F(BadConfigJson, BrokenJsonSaysLineAndColumn) {
  write_tiny_model(scratch_ / "model", TinySpec());
  write_file(scratch_ / "model/config.json", "{\n \"model_type\": }");
  expect_inspect_refused({"config.json", "line 2, column 16"});
  write_file(scratch_ / "model/config.json", "[1]");
  expect_inspect_refused({"config.json", "expected a JSON object"});
  write_file(scratch_ / "model/config.json", "");
  expect_inspect_refused({"config.json"});
  write_file(scratch_ / "model/config.json", std::string(200'000, '['));
  expect_inspect_refused({"config.json", "deeper"});
  fs::remove(scratch_ / "model/config.json");
  expect_inspect_refused({"config.json", "No such file"});
}

// ---- TOML ----------------------------------------------------------------------------------------------

class BadToml : public testing::Test {
 protected:
  BadToml() {
    write_tiny_model(scratch_ / "model", TinySpec());
    write_file(scratch_ / "train.jsonl", tiny_records(6, 1));
  }
  std::string good() const {
    return "[model]\npath = \"" + (scratch_ / "model") + "\"\n[data]\ntrain = \"" + (scratch_ / "train.jsonl") +
           "\"\n[run]\npath = \"" + (scratch_ / "run") + "\"\n";  // 6 lines
  }
  void expect_toml_refused(const std::string& text, const std::vector<std::string>& words) {
    write_file(scratch_ / "c.toml", text);
    expect_refused(scratch_, {"tune", scratch_ / "c.toml"}, words);
  }
  ScratchFolder scratch_;
};

TEST_F(BadToml, UnknownKeyNamesLineAndNearestKey) {
  expect_toml_refused(good() + "[tuning]\nsteps = 3\nacumulation = 2\n",
                      {"c.toml:9", "'tuning.acumulation'", "Nearest: 'tuning.accumulation'"});
  expect_toml_refused("speed = 1\n" + good(), {"c.toml:1", "'speed'"});
}

TEST_F(BadToml, WrongTypeRangeAndChoiceNameKeyAndLine) {
  expect_toml_refused(good() + "[tuning]\nsteps = \"many\"\n", {"c.toml:8", "tuning.steps: expected an integer"});
  expect_toml_refused(good() + "[optimizer]\nlr = true\n", {"c.toml:8", "optimizer.lr: expected a number"});
  expect_toml_refused(good() + "[tuning]\nsteps = 0\n", {"c.toml:8", "tuning.steps: found 0"});
  expect_toml_refused(good() + "[optimizer]\nlr = nan\n", {"c.toml:8", "optimizer.lr"});
  expect_toml_refused(good() + "[optimizer]\nkind = \"lion\"\n", {"c.toml:8", "'lion'", "sgd, adamw"});
  expect_toml_refused(good() + "[optimizer]\nkind = [1]\n", {"c.toml:8", "optimizer.kind"});
  expect_toml_refused(good() + "[[tuning]]\nsteps = 1\n", {"c.toml:7", "'tuning'"});
}

TEST_F(BadToml, SyntaxErrorNamesTheLine) {
  expect_toml_refused(good() + "[tuning\n", {"c.toml:7", "not valid TOML"});
  expect_toml_refused(good() + "[tuning]\nsteps = 1\nsteps = 2\n", {"c.toml:9"});
  expect_toml_refused(good() + "x = \"\xFF\"\n", {"c.toml:7"});
}

TEST_F(BadToml, MissingKeysAndFilesAreNamed) {
  expect_toml_refused("", {"model.path is missing"});
  expect_toml_refused(good() + "[evaluation]\npatience = 2\n", {"evaluation.patience", "data.dev"});
  expect_refused(scratch_, {"tune", scratch_ / "none.toml"}, {"none.toml"});
  write_file(scratch_ / "c.toml", good());
  const std::string config = scratch_ / "c.toml";
  expect_refused(scratch_, {"tune", config, "--set", "data.train=" + (scratch_ / "no.jsonl")}, {"no.jsonl"});
  expect_refused(scratch_, {"tune", config, "--set", "data.dev=" + (scratch_ / "no.jsonl")}, {"no.jsonl"});
  expect_refused(scratch_, {"tune", config, "--set", "tuning.stps=3"}, {"Nearest: 'tuning.steps'"});
  expect_refused(scratch_, {"tune", config, "--set", "tuning.steps=x"}, {"tuning.steps"});
  expect_refused(scratch_, {"tune", config, "--set", "tuning.steps=-1"}, {"tuning.steps", "-1"});
}

TEST_F(BadToml, ExistingRunPathIsKept) {
  make_directories(scratch_ / "run");
  write_file(scratch_ / "run/mine.txt", "x");
  expect_toml_refused(good(), {(scratch_ / "run"), "already exists", "--resume"});
}

TEST_F(BadToml, ResumeOfWhatIsNoRunIsRefused) {
  expect_refused(scratch_, {"tune", "--resume", scratch_ / "none"}, {"none/config.toml"});
  make_directories(scratch_ / "empty");
  expect_refused(scratch_, {"tune", "--resume", scratch_ / "empty"}, {"empty/config.toml"});
  expect_refused(scratch_, {"export", scratch_ / "empty", "-o", scratch_ / "out"}, {"empty/config.toml"});
}

}  // namespace
}  // namespace circuit
