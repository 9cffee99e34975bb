// Input that is wrong ends with one line that says what and where, and with nothing half-written.
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

// ---- records -------------------------------------------------------------------------------------------

class BadRecords : public testing::Test {
 protected:
  BadRecords() { write_tiny_model(scratch_ / "model", TinySpec()); }
  Arguments discover(const std::string& records, const std::string& ablation = "mean") {
    write_file(scratch_ / "d.jsonl", records);
    return {"discover", scratch_ / "model", scratch_ / "d.jsonl", "--ablation", ablation, "-o", scratch_ / "out.json"};
  }
  void expect_records_refused(const std::string& records, const std::vector<std::string>& words) {
    expect_refused(scratch_, discover(records), words);
  }
  const std::string good_ = R"({"text_ids": [1,2,3,4], "readouts": [{"correct_id": 5, "wrong_id": 6}]})"
                            "\n";
  ScratchFolder scratch_;
};

TEST_F(BadRecords, TheGoodRecordIsAccepted) {
  EXPECT_EQ(run_quiet(discover(good_)).exit_code, 0);
  EXPECT_TRUE(file_exists(scratch_ / "out.json"));
}

TEST_F(BadRecords, UnknownKeysNameLineAndTheKnown) {
  expect_records_refused(good_ + R"({"text_ids": [1], "label": 1})", {"d.jsonl:2", "'label'", "text_ids"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct": "a", "rong": "b"}]})",
                         {"d.jsonl:1", "'rong'"});
  expect_records_refused(R"({"prompt": "a", "completion": "b", "text": "c"})", {"d.jsonl:1", "'text'"});
}

TEST_F(BadRecords, BrokenLinesNameTheLine) {
  expect_records_refused(good_ + "\n" + good_ + "{\"text_ids\": [1,}\n", {"d.jsonl:4", "not valid JSON"});
  expect_records_refused(good_ + "[1]\n", {"d.jsonl:2", "expected one JSON object"});
  expect_records_refused(good_ + "{\"text\": \"\xC3\x28\"}\n", {"d.jsonl:2", "invalid UTF-8"});
  expect_records_refused(good_ + R"({"text": "a", "text": "b"})", {"d.jsonl:2", "twice"});
  expect_records_refused(good_ + R"({"text": "\ud800"})", {"d.jsonl:2"});
}

TEST_F(BadRecords, EmptyFilesAndTextsAreRefused) {
  expect_records_refused("", {"d.jsonl", "no usable records"});
  expect_records_refused("\n \n\t\r\n", {"d.jsonl", "no usable records"});
  expect_records_refused(R"({"text": ""})", {"d.jsonl:1", "empty"});
  expect_records_refused(R"({"text_ids": []})", {"d.jsonl:1", "text_ids"});
  expect_records_refused("{}", {"d.jsonl:1", "'text' is missing"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": []})", {"d.jsonl:1", "readouts"});
  expect_records_refused(R"({"prompt": "cat", "completion": ""})", {"d.jsonl:1", "completion"});
}

TEST_F(BadRecords, RecordAboveTheLimitIsRefused) {
  // A sparse file: a brace, 64 MiB of holes, nothing more.
  write_file(scratch_ / "big.jsonl", "{");
  fs::resize_file(scratch_ / "big.jsonl", kMaxRecordBytes + 1);
  const ProgramResult result =
      run_quiet({"discover", scratch_ / "model", scratch_ / "big.jsonl", "-o", scratch_ / "o"});
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(result.error_lines.size(), 1U);
  EXPECT_THAT(result.err, testing::HasSubstr("big.jsonl:1"));
  EXPECT_THAT(result.err, testing::HasSubstr("67108865 bytes"));
  EXPECT_FALSE(file_exists(scratch_ / "o"));
}

TEST_F(BadRecords, IdsAndPositionsOutsideAreNamed) {
  expect_records_refused(good_ + R"({"text_ids": [1,40,2], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
                         {"d.jsonl:2", "token id 40", "vocabulary of 40"});
  expect_records_refused(R"({"text_ids": [-1,2], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
                         {"d.jsonl:1", "-1"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct_id": 99, "wrong_id": 6}]})",
                         {"d.jsonl:1", "99"});
  expect_records_refused(R"({"text_ids": [18446744073709551615,2]})", {"d.jsonl:1"});
  expect_records_refused(R"({"text_ids": [1.5,2]})", {"d.jsonl:1", "text_ids"});
  for (const char* position : {"0", "-1", "4", "9223372036854775807"}) {
    expect_records_refused(R"({"text_ids": [1,2,3], "readouts": [{"position": )" + std::string(position) +
                               R"(, "correct_id": 5, "wrong_id": 6}]})",
                           {"d.jsonl:1", "position", position});
  }
  expect_records_refused(
      R"({"text_ids": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1], "readouts": [{"correct_id": 5, "wrong_id": 6}]})",
      {"d.jsonl:1", "17 tokens", "16 positions"});
  expect_records_refused(R"({"text_ids": [1,2], "spans": {"s": [1, 2]}})", {"d.jsonl:1", "spans.s"});
}

TEST_F(BadRecords, ByteInsideAWordIsRefused) {
  // " cat" is one token: its word begins at byte 5, after the space.
  const auto record = [](const std::string& byte) {
    return R"({"text": "a dog cat", "readouts": [{"byte": )" + byte + R"(, "correct": "a", "wrong": "b"}]})";
  };
  EXPECT_EQ(run_quiet(discover(record("6"))).exit_code, 0);
  fs::remove(scratch_ / "out.json");
  expect_records_refused(record("7"), {"d.jsonl:1", "byte"});
  expect_records_refused(record("99"), {"d.jsonl:1", "byte: 99"});
  expect_records_refused(record("-1"), {"d.jsonl:1", "byte: -1"});
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"byte": 1, "correct_id": 1, "wrong_id": 2}]})",
                         {"d.jsonl:1", "byte"});
}

TEST_F(BadRecords, AnswerOfSeveralTokensShowsThem) {
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": " cow", "wrong": "b"}]})",
                         {"d.jsonl:1", "correct: ' cow' is not one token", "'c', 'o', 'w'"});
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": "", "wrong": "b"}]})", {"d.jsonl:1", "correct"});
  expect_records_refused(R"({"text": "a dog", "readouts": [{"correct": "a", "correct_id": 1, "wrong": "b"}]})",
                         {"d.jsonl:1", "correct_id"});
}

TEST_F(BadRecords, ReadoutWithoutAnswersIsRefused) {
  expect_records_refused(R"({"text_ids": [1,2], "readouts": [{"correct_id": 5}]})", {"d.jsonl:1", "wrong"});
  expect_records_refused(R"({"text_ids": [1,2]})", {"d.jsonl:1", "readout"});
}

TEST_F(BadRecords, CounterfactualOfAnotherLengthNamesBothLengths) {
  const std::string record =
      R"({"text_ids": [1,2,3,4], "counterfactual_ids": [1,2,3], "readouts": [{"position": 3, "correct_id": 5, "wrong_id": 6}]})";
  expect_refused(scratch_, discover(record, "counterfactual"), {"d.jsonl:1", "4 tokens", "counterfactual 3"});
  EXPECT_EQ(run_quiet(discover(record, "mean")).exit_code, 0);
}

TEST_F(BadRecords, MissingCounterfactualSaysWhatToDo) {
  expect_refused(scratch_, discover(good_, "counterfactual"), {"d.jsonl:1", "no counterfactual", "mean or zero"});
}

TEST_F(BadRecords, ScoreRefusesTextThatIsNotUtf8OrEmpty) {
  write_file(scratch_ / "t.txt", "a cat\n\xFF\xFE dog");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.txt"}, {"t.txt", "UTF-8"});
  write_file(scratch_ / "t.txt", "");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.txt"}, {"t.txt"});
  write_file(scratch_ / "t.jsonl", "{\"good\": \"a\"}\n");
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_ / "t.jsonl"}, {"t.jsonl:1", "'bad' is missing"});
  expect_refused(scratch_, {"score", scratch_ / "model", scratch_.path()}, {scratch_.path()});
}

TEST_F(BadRecords, TuneRefusesThemBeforeItMakesAFolder) {
  write_file(scratch_ / "c.toml", "[model]\npath = \"" + (scratch_ / "model") + "\"\n[data]\ntrain = \"" +
                                      (scratch_ / "train.jsonl") + "\"\n[run]\npath = \"" + (scratch_ / "run") +
                                      "\"\n");
  const auto expect_third_refused = [&](const std::string& record, const std::vector<std::string>& words,
                                        const std::string& ablation = "mean") {
    write_file(scratch_ / "train.jsonl", good_ + good_ + record + "\n");
    expect_refused(scratch_, {"tune", scratch_ / "c.toml", "--set", "discovery.ablation=" + ablation}, words);
  };
  expect_third_refused(R"({"text_ids": [1,40]})", {"train.jsonl:3", "token id 40"});
  expect_third_refused(R"({"text_ids": [1,2]})", {"train.jsonl:3", "no readouts"});
  expect_third_refused(good_, {"train.jsonl:1", "no counterfactual"}, "counterfactual");
}

// ---- places that cannot be written, wrong use ------------------------------------------------------------

TEST_F(BadRecords, UnwritablePlacesAreNamed) {
  write_file(scratch_ / "file", "x");
  write_file(scratch_ / "d.jsonl", good_);
  // Root may write into read-only folders, but nobody below a file or into /proc.
  for (const std::string& out :
       {scratch_ / "file/out.json", std::string("/proc/out.json"), scratch_ / "none/out.json"}) {
    expect_refused(scratch_, {"discover", scratch_ / "model", scratch_ / "d.jsonl", "--ablation", "mean", "-o", out},
                   {out});
  }
  write_file(scratch_ / "c.toml",
             "[model]\npath = \"" + (scratch_ / "model") + "\"\n[data]\ntrain = \"" + (scratch_ / "d.jsonl") + "\"\n");
  for (const std::string& path : {scratch_ / "file/run", std::string("/proc/run")}) {
    expect_refused(scratch_, {"tune", scratch_ / "c.toml", "--set", "run.path=" + path},
                   {path.substr(0, path.rfind('/'))});
  }
}

TEST_F(BadRecords, WrongUseIsExitTwo) {
  const std::string model = scratch_ / "model";
  expect_refused(scratch_, {"inspect", model, "--colour"}, {"--colour", "--help"}, kWrongUse);
  expect_refused(scratch_, {"inspect"}, {"MODEL", "circuit inspect --help"}, kWrongUse);
  expect_refused(scratch_, {"paint", model}, {"--help"}, kWrongUse);
  expect_refused(scratch_, {"tune"}, {"CONFIG.toml"}, kWrongUse);
  expect_refused(scratch_, {"tune", "a.toml", "--resume", "b"}, {"CONFIG.toml"}, kWrongUse);
  expect_refused(scratch_, {"tune", "a.toml", "--threads", "0"}, {"--threads"}, kWrongUse);
  expect_refused(scratch_, {"inspect", model, "--batch", "-1"}, {"--batch"}, kWrongUse);
  expect_refused(scratch_, {"inspect", model, "--dtype", "f8"}, {"--dtype"}, kWrongUse);
  write_file(scratch_ / "d.jsonl", good_);
  const Arguments discover{"discover", model, scratch_ / "d.jsonl", "-o", scratch_ / "out.json"};
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{{"--metric", "bleu"},
                                                                                    {"--ablation", "noise"},
                                                                                    {"--method", "acdc"},
                                                                                    {"--positions", "some"},
                                                                                    {"--selection", "best"}}) {
    Arguments wrong = discover;
    wrong.insert(wrong.end(), {flag, value});
    expect_refused(scratch_, wrong, {value}, kWrongUse);
  }
  EXPECT_EQ(run_program({}).exit_code, kWrongUse);
  EXPECT_EQ(run_program({"--help"}).exit_code, 0);
}

TEST_F(BadRecords, AbsentDeviceIsRefused) {
  expect_refused(scratch_, {"inspect", scratch_ / "model", "--device", "abacus"}, {"--device", "abacus"});
}

}  // namespace
}  // namespace circuit
