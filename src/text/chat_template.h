// Chat templates: a conversation as the text its model was tuned on, and as token ids.
//
// Published templates are Jinja programs. None is run here: the forms below are recognised by what the
// template holds, and rendered as the published templates render a conversation without tools. Anything else
// is refused.
//   ChatML (Qwen 1.5, 2, 2.5, 3)   <|im_start|>ROLE\nTEXT<|im_end|>\n
//   Llama 3, 3.1, 3.2, 3.3         <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace circuit {

enum class Role { kSystem, kUser, kAssistant };

struct ChatMessage {
  Role role = Role::kUser;
  std::string content;
};

enum class ChatForm { kChatMl, kLlama3 };

struct ChatTemplate {
  ChatForm form = ChatForm::kChatMl;
  std::string place;  // the file it comes from
  // The begin token stands before the conversation.
  bool begin_token = false;
  // White space around a message's text is dropped ("| trim" in the template).
  bool trims = false;
  // ChatML: the system message of a conversation that has none; empty: it then has no system turn.
  std::string default_system;
  // Llama 3.1 and later: the date lines that open every system turn, which every conversation then has.
  // Empty: neither.
  std::string date_lines;
  // Qwen3: the last answer opens with a block of thoughts, an empty one where it has none; earlier answers
  // lose theirs.
  bool thinks = false;
};

// What a template says, from its text. Throws Error naming `place`, what was found and what is accepted.
ChatTemplate recognise_chat_template(std::string_view text, const std::string& place);

// Of a model directory or GGUF file: chat_template.jinja, else `chat_template` of tokenizer_config.json (a string, or a
// list whose entry "default" is taken). Throws Error naming the file when there is none or it is not
// recognised.
ChatTemplate load_chat_template(const std::string& folder);

// A conversation to its last answer's end-of-turn token. Throws Error naming `place` unless the messages are
// one system message or none, then user and assistant in turn, the last one an assistant's that is not empty.
struct EncodedChat {
  std::vector<int64_t> ids;
  size_t first_target = 0;   // index in ids of the first token that reaches into the last answer
  bool begin_token = false;  // whether ids start with one
};
// Markers of the template are looked up as special tokens; what messages spell out is text
// (encode_user_text). Throws Error naming the template's file when the tokenizer lacks a marker or does not
// flag it special.
EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                        const std::string& place);

}  // namespace circuit
