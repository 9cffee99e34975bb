#include "task/message_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "io/files.h"
#include "task/answer_records.h"
#include "text/testing.h"

namespace circuit {
namespace {

using testing::HasSubstr;

const char* const kTemplate =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}";

class MessageRecords : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    Json tokenizer = byte_level_json();
    int64_t id = 300;
    for (const char* marker : {"<|im_start|>", "<|im_end|>"}) {
      tokenizer["added_tokens"].push_back({{"id", id++}, {"content", marker}, {"special", true}});
    }
    write_file(folder_ + "/tokenizer.json", tokenizer.dump());
    write_file(folder_ + "/tokenizer_config.json",
               Json{{"chat_template", kTemplate}, {"bos_token", "<s>"}, {"add_bos_token", true}}.dump());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Dataset read(const std::string& lines, int64_t max_length = 0) {
    const std::string path = folder_ + "/records.jsonl";
    write_file(path, lines);
    ReadSpec spec;
    spec.begin_token = BeginToken::kAlways;
    spec.max_length = max_length;
    return read_dataset(path, tokenizer_, spec);
  }
  std::string text_of(const std::vector<int64_t>& ids) const {
    return tokenizer_.get().decode(ids, SpecialTokens::kAdd);
  }

  std::string folder_ = testing::TempDir() + "/circuit_messages_" + std::to_string(getpid());
  LazyTokenizer tokenizer_{folder_};
};

const std::string kRecord =
    R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}],)"
    R"( "scorer": "exact", "answers": ["Yo"]})"
    "\n";

TEST_F(MessageRecords, AGenerationTasksPromptEndsWhereTheAnswerBegins) {
  const std::string path = folder_ + "/records.jsonl";
  write_file(path, kRecord);
  const std::vector<AnswerRecord> records = read_answer_records(path, tokenizer_, BeginToken::kNever);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(text_of(records[0].prompt), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(records[0].answers, std::vector<std::string>{"Yo"});
}

TEST_F(MessageRecords, TheLossCountsTheLastMessageAndItsEnd) {
  const Dataset data = read(kRecord);
  const Example& e = data.examples.at(0);
  EXPECT_EQ(text_of(e.ids), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>");
  EXPECT_EQ(text_of({e.ids.begin() + e.first_target, e.ids.end()}), "Yo<|im_end|>");
  EXPECT_TRUE(e.readouts.empty());
}

TEST_F(MessageRecords, TheTemplateAloneSaysWhetherThereIsABeginToken) {
  EXPECT_FALSE(read(kRecord).begin_token);
  write_file(folder_ + "/chat_template.jinja", std::string("{{ bos_token }}") + kTemplate);
  tokenizer_ = LazyTokenizer(folder_);
  const Dataset data = read(kRecord);
  EXPECT_TRUE(data.begin_token);
  EXPECT_THAT(text_of(data.examples.at(0).ids), testing::StartsWith("<s><|im_start|>user"));
}

TEST_F(MessageRecords, ARecordWhoseAnswerIsCutOffIsDropped) {
  const std::string longer =
      R"({"messages": [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Yo"}]})";
  const auto length = static_cast<int64_t>(read(kRecord).examples.at(0).ids.size());
  const Dataset data = read(kRecord + longer, length - 2);
  EXPECT_EQ(data.examples.size(), 1u);
  EXPECT_EQ(data.truncated, 2);
  EXPECT_EQ(data.dropped_records, 1);
}

TEST_F(MessageRecords, WhatIsNoConversationIsRefusedWithItsLine) {
  const auto refusal = [&](const std::string& line) { return message_of([&] { read(line); }); };
  EXPECT_THAT(refusal(R"({"messages": "Hi"})"),
              HasSubstr("records.jsonl:1] messages: found a string, expected a list"));
  EXPECT_THAT(refusal(R"({"messages": ["Hi"]})"), HasSubstr("messages: found a string in the list"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "text": "Hi"}]})"), HasSubstr("messages: unknown key 'text'"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user"}]})"), HasSubstr("content"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "tool", "content": "x"}]})"), HasSubstr("role 'tool' is not known"));
  EXPECT_THAT(refusal(R"({"messages": [], "prompt": "x"})"), HasSubstr("unknown key 'prompt'"));
}

}  // namespace
}  // namespace circuit
