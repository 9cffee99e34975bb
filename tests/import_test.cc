// circuit import, its records in circuit score, and the ready configurations of the tasks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files.h"
#include "io/json.h"
#include "tests/refusal.h"
#include "tests/tiny_model.h"

namespace circuit {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const char* const kQuestions =
    "{\"question\": \"How many?\", \"answer\": \"Ten.\\n#### 10\"}\n{\"question\": \"Why?\", \"answer\": "
    "\"So.\"}\n";

TEST(Import, WritesRecordsAndCountsTheRest) {
  const ScratchFolder scratch;
  write_file(scratch / "g.jsonl", kQuestions);
  const ProgramResult shown = run_program({"import", "gsm8k", scratch / "g.jsonl", "-o", scratch / "out.jsonl"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(shown.out, "");
  EXPECT_THAT(shown.err, HasSubstr("refused: no number after ####"));
  EXPECT_THAT(shown.err, HasSubstr("data.bos"));
  const std::string records = read_file(scratch / "out.jsonl");
  EXPECT_EQ(Json::parse(records)["completion"], " Ten.\n#### 10");

  const ProgramResult json =
      run_quiet({"import", "gsm8k", scratch / "g.jsonl", "-o", scratch / "again.jsonl", "--json"});
  EXPECT_EQ(json.err, "");
  const Json report = Json::parse(json.out);
  EXPECT_EQ(report["rows"], 2);
  EXPECT_EQ(report["records"], 1);
  EXPECT_EQ(report["refused"]["no number after ####"], 1);
  EXPECT_EQ(report["bos"], "auto");
  EXPECT_EQ(read_file(scratch / "again.jsonl"), records);
}

// Published rows, imported and scored in one go: what the importer writes is what score reads.
TEST(Import, BenchmarksOfChoicesAreScoredByGroup) {
  const ScratchFolder scratch;
  // Prompts have capitals, which the tiny model's tokenizer has not.
  const std::string model = std::string(CIRCUIT_SOURCE_DIR) + "/examples/books-4l";
  write_file(scratch / "world_religions_test.csv", "who,a,b,c,d,A\nwhat,a,b,c,d,B\n");
  write_file(scratch / "gpqa_main.csv",
             "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,High-level domain\n"
             "why,a,b,c,d,Physics\n");
  const auto by_group = [&](const std::string& format, const std::string& file) {
    const ProgramResult imported = run_quiet({"import", format, file, "-o", scratch / "out.jsonl"});
    EXPECT_EQ(imported.exit_code, 0) << imported.err;
    const ProgramResult scored = run_quiet({"score", model, scratch / "out.jsonl", "--json"});
    EXPECT_EQ(scored.exit_code, 0) << scored.err;
    const Json score = Json::parse(scored.out)[0];
    EXPECT_EQ(score["kind"], "multiple choice");
    return score["accuracy_by"];
  };
  EXPECT_TRUE(by_group("mmlu", scratch / "world_religions_test.csv").contains("world_religions"));
  EXPECT_TRUE(by_group("gpqa", scratch / "gpqa_main.csv").contains("Physics"));
  expect_refused(scratch, {"import", "mmlu", scratch / "world_religions_test.csv", "-o", scratch / "m", "--messages"},
                 {"--messages", "Leave it out"}, kWrongUse);
}

TEST(Import, WrongUseNamesWhatIsMissing) {
  const ScratchFolder scratch;
  write_file(scratch / "g.jsonl", kQuestions);
  const std::string out = scratch / "out.jsonl";
  expect_refused(scratch, {"import", "gsm9k", scratch / "g.jsonl", "-o", out},
                 {"'gsm9k' is not known", "gsm8k", "squad"}, kWrongUse);
  expect_refused(scratch, {"import", "subject-verb", scratch / "g.jsonl", "-o", out}, {"--model"}, kWrongUse);
  expect_refused(scratch, {"import", "gsm8k", scratch / "g.jsonl", "-o", out, "--model", "x"},
                 {"--model", "Leave it out"}, kWrongUse);
  expect_refused(scratch, {"import", "bug", scratch / "g.jsonl", "-o", out, "--messages"},
                 {"--messages", "Leave it out"}, kWrongUse);
  expect_refused(scratch, {"import", "winobias", scratch / "g.jsonl", "-o", out}, {"found 1 files, expected 2"},
                 kWrongUse);
}

TEST(Import, AFileThatIsNotWhatItShouldBeLeavesNothingBehind) {
  const ScratchFolder scratch;
  const std::string path = scratch / "g.jsonl";
  const std::string out = scratch / "out.jsonl";
  write_file(path, std::string(kQuestions) + "{\"question\": 3}\n");
  expect_refused(scratch, {"import", "gsm8k", path, "-o", out}, {"g.jsonl:3", "question", "expected a string"});
  write_file(path, "{\"question\": \"Why?\", \"answer\": \"So.\"}\n");
  expect_refused(scratch, {"import", "gsm8k", path, "-o", out},
                 {"none of 1 rows became a record: no number after ####"});
  write_file(path, kQuestions);
  expect_refused(scratch, {"import", "gsm8k", path, "-o", path}, {"would overwrite", "which is read"});
  expect_refused(scratch, {"import", "gsm8k", scratch / "absent", "-o", out}, {"absent"});
  expect_refused(scratch, {"import", "gsm8k", path, "-o", scratch / "no/folder/out"}, {"no/folder"});
  expect_refused(scratch, {"import", "bug", path, "-o", out}, {"g.jsonl"});
  expect_refused(scratch, {"import", "squad", path, "-o", out}, {"g.jsonl"});
}

TEST(BiasScore, RecordsOfOccupationsGetTheirBias) {
  const ScratchFolder scratch;
  const std::string model = write_tiny_model(scratch / "model", TinySpec());
  const auto record = [](const char* text, const char* occupation, const char* gender) {
    return Json{{"text", text},
                {"occupation", occupation},
                {"gender", gender},
                {"readouts", Json::array({{{"correct", " cat"}, {"wrong", " dog"}}})}}
               .dump() +
           "\n";
  };
  write_file(scratch / "r.jsonl",
             record("abc", "nurse", "female") + record("bca", "nurse", "male") + record("cab", "cook", "male"));
  const ProgramResult result = run_quiet({"score", model, scratch / "r.jsonl", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json score = Json::parse(result.out)[0];
  const double risk = score["prejudice_risk"];
  EXPECT_GT(risk, 0);
  EXPECT_LT(risk, 1);
  constexpr double kShareRounding = 1e-12;  // one sum of two numbers
  EXPECT_NEAR(
      risk, (score["prejudice_risk_by"]["nurse"].get<double>() + score["prejudice_risk_by"]["cook"].get<double>()) / 2,
      kShareRounding);
  EXPECT_NEAR(score["signed_bias"],
              (score["signed_bias_by"]["nurse"].get<double>() + score["signed_bias_by"]["cook"].get<double>()) / 2,
              kShareRounding);

  write_file(scratch / "half.jsonl",
             "{\"text\": \"abc\", \"gender\": \"male\", \"readouts\": [{\"correct\": \"a\", \"wrong\": \"b\"}]}\n");
  expect_refused(scratch, {"score", model, scratch / "half.jsonl"},
                 {"half.jsonl:1", "occupation and gender come together"});
}

constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}";

TEST(Messages, NeedATemplateThatRuns) {
  const ScratchFolder scratch;
  const std::string model = write_tiny_model(scratch / "model", TinySpec());
  write_file(scratch / "m.jsonl",
             "{\"messages\": [{\"role\": \"user\", \"content\": \"abc\"}, {\"role\": \"assistant\", "
             "\"content\": \"cab\"}]}\n");
  expect_refused(scratch, {"score", model, scratch / "m.jsonl"},
                 {"tokenizer_config.json", "chat_template: is missing"});
  write_file(model + "/tokenizer_config.json", "{\"chat_template\": \"{{ messages[0].content }}\"}");
  expect_refused(scratch, {"score", model, scratch / "m.jsonl"},
                 {"tokenizer_config.json:chat_template", "it leaves out the last message"});
  write_file(model + "/tokenizer_config.json", "{\"chat_template\": \"{% include 'x' %}\"}");
  expect_refused(scratch, {"score", model, scratch / "m.jsonl"},
                 {"tokenizer_config.json:chat_template:1", "the statement 'include' is not supported"});
  write_file(scratch / "m.jsonl", "{\"messages\": [{\"role\": \"tool\", \"content\": \"abc\"}]}\n");
  write_file(model + "/chat_template.jinja", kChatMl);
  expect_refused(scratch, {"score", model, scratch / "m.jsonl"}, {"m.jsonl:1", "role 'tool' is not known"});
}

// The tiny model with the markers of ChatML, its template, and a token for the line end.
std::string write_chat_model(const std::string& folder) {
  TinySpec spec;
  spec.family = "llama";  // without learned positions: headers are long
  write_tiny_model(folder, spec);
  Json tokenizer = read_json(folder + "/tokenizer.json");
  tokenizer["model"]["vocab"]["\n"] = 33;
  for (const auto& [marker, id] : {std::pair{"<|im_start|>", 34}, std::pair{"<|im_end|>", 35}}) {
    tokenizer["added_tokens"].push_back({{"id", id}, {"content", marker}, {"special", true}});
  }
  write_file(folder + "/tokenizer.json", tokenizer.dump());
  write_file(folder + "/chat_template.jinja", kChatMl);
  return folder;
}

TEST(Messages, AreScoredOnTheLastAnswer) {
  const ScratchFolder scratch;
  const std::string model = write_chat_model(scratch / "model");
  write_file(scratch / "m.jsonl",
             "{\"messages\": [{\"role\": \"user\", \"content\": \"b\"}, {\"role\": \"assistant\", "
             "\"content\": \"cat\"}]}\n");
  const ProgramResult score = run_quiet({"score", model, scratch / "m.jsonl", "--json"});
  ASSERT_EQ(score.exit_code, 0) << score.err;
  EXPECT_EQ(Json::parse(score.out)[0]["tokens"], 2);  // "cat" and <|im_end|>
}

// With messages, what the model continues is the opened turn of the assistant: there is no answer to leave out.
TEST(Import, InstructionsAreScoredAsTextAndAsMessages) {
  const ScratchFolder scratch;
  const std::string model = write_chat_model(scratch / "model");
  write_file(
      scratch / "input_data.jsonl",
      R"({"key": 1, "prompt": "cat", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]})"
      "\n"
      R"({"key": 2, "prompt": "dog", "instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"relation": "at least", "num_words": 500}]})");
  for (const Arguments& form : {Arguments{}, Arguments{"--messages"}}) {
    Arguments import{"import", "ifeval", scratch / "input_data.jsonl", "-o", scratch / "out.jsonl"};
    import.insert(import.end(), form.begin(), form.end());
    const ProgramResult imported = run_quiet(import);
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
    const ProgramResult scored =
        run_quiet({"score", model, scratch / "out.jsonl", "--max-tokens", "4", "--json", "--out", scratch / "p.jsonl"});
    ASSERT_EQ(scored.exit_code, 0) << scored.err;
    const Json score = Json::parse(scored.out)[0];
    EXPECT_EQ(score["kind"], "generation task, ifeval");
    for (const char* name : {"prompt_strict", "prompt_loose", "instruction_strict", "instruction_loose"}) {
      EXPECT_LE(score[name].get<double>(), 0.5) << name << ": no four tokens have 500 words";
    }
    EXPECT_THAT(read_file(scratch / "p.jsonl"), HasSubstr("not kept to: length_constraints:number_words"));
  }
}

TEST(Examples, EveryConfigurationHasKnownKeysAndValues) {
  const ScratchFolder scratch;
  int64_t configurations = 0;
  for (const auto& item : fs::recursive_directory_iterator(fs::path(CIRCUIT_SOURCE_DIR) / "examples")) {
    if (item.path().extension() != ".toml") continue;
    ++configurations;
    // Keys are checked before the model is opened: a refusal that names the model's folder says that they passed.
    // Files that evaluation.files names are looked for before too, and are not in the repository.
    expect_refused(scratch,
                   {"tune", item.path().string(), "--dry-run", "--set", "model.init=pretrained", "--set",
                    "model.path=" + (scratch / "absent-model"), "--set", "evaluation.files=[]"},
                   {"absent-model"});
  }
  EXPECT_GE(configurations, 7);
}

}  // namespace
}  // namespace circuit
