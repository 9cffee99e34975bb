// Chat templates: a conversation as the text its model was tuned on, and as token ids.
//
// The template of a model is a Jinja program, which is run (text/jinja/template.h) with what Hugging Face's
// apply_chat_template gives it: messages, tools and documents (none), add_generation_prompt, the named special tokens.
// Every byte of its output is known to come from a message or from the template itself, so that a message cannot write
// special tokens, and so that the place of an answer is known.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/template.h"
#include "text/tokenizer.h"

namespace circuit {

enum class Role { kSystem, kUser, kAssistant };

struct ChatMessage {
  Role role = Role::kUser;
  std::string content;
};

// Whether the template is asked to open the assistant's turn at the end.
enum class GenerationPrompt { kNo, kYes };

// What strftime_now gives a template: seconds since 1970, or nothing. Without it templates that can do without take a
// fixed date of their own, and others are refused: records must not depend on when they are read.
using ChatTime = std::optional<int64_t>;

class ChatTemplate {
 public:
  // tokens: "bos_token" → "<s>", …, as the template is given them. Throws Error naming place and line.
  ChatTemplate(std::string_view text, std::string place, std::map<std::string, std::string> tokens = {});

  // The conversation; marks name messages by their index. enable_thinking: as templates of thinking models know it; not
  // given where it is nothing. Throws Error naming place and line where the template refuses or cannot be run.
  jinja::Rendered render(const std::vector<ChatMessage>& messages, GenerationPrompt prompt, ChatTime now,
                         std::optional<bool> enable_thinking = std::nullopt) const;
  const std::string& place() const { return place_; }
  // Names a token that the template is given, unless the model's files name it themselves.
  void add_token(const std::string& name, const std::string& content) { tokens_.emplace(name, content); }

 private:
  std::string place_;
  std::shared_ptr<const jinja::Template> program_;
  std::map<std::string, std::string> tokens_;
};

// Of a model directory: chat_template.jinja, else `chat_template` of tokenizer_config.json (a string, or a list whose
// entry "default" is taken), with the special tokens that the files name, and the tokenizer's begin and end token where
// they name none. Throws Error naming the file when there is none or it is not supported.
ChatTemplate load_chat_template(const std::string& folder, const Tokenizer& tokenizer);

// A conversation to its last answer's end-of-turn token: the first special token of the template's behind the answer.
struct EncodedChat {
  std::vector<int64_t> ids;
  size_t first_target = 0;   // index in ids of the first token that reaches into the last answer
  bool begin_token = false;  // whether ids start with one
};
// What is a target begins behind the longest of the template's generation prompts (as it is, and without thinking) with
// which the conversation begins; where there is none, with the first byte of the last message.
// Throws Error naming `place` unless the messages are one system message or none, then user and assistant in turn, the
// last one an assistant's of which something is left; Error naming the template's file when no special token ends the
// answer.
EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                        const std::string& place);

struct ChatPromptSpec {
  ChatTime now;                         // for templates that write the date
  std::optional<bool> enable_thinking;  // as ChatTemplate::render
};
struct ChatPrompt {
  std::vector<int64_t> ids;
  // The special token that ends an answer, where the template has one.
  std::optional<int64_t> end_of_turn;
};
// A conversation whose last message is the user's, to where the assistant's turn begins: what a model continues.
ChatPrompt encode_chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                              const std::vector<ChatMessage>& messages, const ChatPromptSpec& spec,
                              const std::string& place);

}  // namespace circuit
