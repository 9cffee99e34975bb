#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/chat_template.h"

namespace circuit {
namespace {

const char* name_of(Role role) {
  if (role == Role::kSystem) return "system";
  return role == Role::kUser ? "user" : "assistant";
}

void check_turns(const std::vector<ChatMessage>& messages, const std::string& place) {
  if (messages.empty()) fail(place, "messages: the list is empty.");
  const size_t first = messages[0].role == Role::kSystem ? 1 : 0;
  for (size_t i = first; i < messages.size(); ++i) {
    const Role expected = (i - first) % 2 == 0 ? Role::kUser : Role::kAssistant;
    if (messages[i].role == expected) continue;
    fail(place,
         "messages: message {} is the {}'s, expected the {}'s: a system message or none, then user and "
         "assistant in turn.",
         i + 1, name_of(messages[i].role), name_of(expected));
  }
  if (messages.back().role != Role::kAssistant) fail(place, "messages: the last one must be the assistant's.");
}

std::string trimmed(const std::string& text, const char* what) {
  const size_t begin = text.find_first_not_of(what);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(what) + 1 - begin);
}

std::string without_line_ends(const std::string& text) {  // at its begin
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

constexpr const char* kWhiteSpace = " \t\n\v\f\r";

// What stands in a turn: the text before the answer (of the last turn: not a target), and the answer.
struct Turn {
  std::string before, answer;
};

// Qwen3: thoughts are what stands between <think> and </think>. The last answer always shows a block; where
// it is empty it belongs to the prompt, as the template itself writes it when thinking is off.
Turn last_with_thoughts(const std::string& content) {
  constexpr std::string_view kEnd = "</think>";
  const size_t first_end = content.find(kEnd);
  if (first_end == std::string::npos) return {"<think>\n\n</think>\n\n", without_line_ends(content)};
  std::string thoughts = content.substr(0, first_end);
  const size_t begin = thoughts.rfind("<think>");
  if (begin != std::string::npos) thoughts.erase(0, begin + 7);
  const std::string rest = without_line_ends(content.substr(content.rfind(kEnd) + kEnd.size()));
  return {"", "<think>\n" + trimmed(thoughts, "\n") + "\n</think>\n\n" + rest};
}

std::string without_thoughts(const std::string& content) {
  constexpr std::string_view kEnd = "</think>";
  const size_t end = content.rfind(kEnd);
  return end == std::string::npos ? content : without_line_ends(content.substr(end + kEnd.size()));
}

class ChatEncoder {
 public:
  ChatEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat) : tokenizer_(tokenizer), chat_(chat) {}

  EncodedChat encode(const std::vector<ChatMessage>& messages, const std::string& place) {
    if (chat_.begin_token) {
      if (!tokenizer_.bos_id())
        fail(chat_.place, "chat_template: it begins with bos_token, but the tokenizer names none.");
      encoded_.ids.push_back(*tokenizer_.bos_id());
      encoded_.begin_token = true;
    }
    const bool has_system = messages[0].role == Role::kSystem;
    if (has_system || !chat_.default_system.empty() || !chat_.date_lines.empty()) {
      const std::string text = has_system ? text_of(messages[0]) : chat_.default_system;
      add_turn(Role::kSystem, {chat_.date_lines + text, ""});
      end_turn();
    }
    for (size_t i = has_system ? 1 : 0; i + 1 < messages.size(); ++i) {
      const bool drops = chat_.thinks && messages[i].role == Role::kAssistant;
      const std::string text = text_of(messages[i]);
      add_turn(messages[i].role, {drops ? without_thoughts(text) : text, ""});
      end_turn();
    }
    const std::string text = text_of(messages.back());
    const Turn last = chat_.thinks ? last_with_thoughts(text) : Turn{"", text};
    if (last.answer.empty()) fail(place, "messages: the last one is empty.");
    encoded_.first_target = add_turn(Role::kAssistant, last);
    add_marker(chat_.form == ChatForm::kChatMl ? "<|im_end|>" : "<|eot_id|>");
    return std::move(encoded_);
  }

 private:
  std::string text_of(const ChatMessage& message) const {
    return chat_.trims ? trimmed(message.content, kWhiteSpace) : message.content;
  }

  void add_marker(const std::string& marker) {
    const std::optional<int64_t> id = tokenizer_.id_of(marker);
    if (!id) fail(chat_.place, "chat_template: the tokenizer has no token {}.", marker);
    if (!tokenizer_.is_special(*id)) {
      fail(chat_.place, "chat_template: the tokenizer does not flag {} special, so that a message could write it.",
           marker);
    }
    encoded_.ids.push_back(*id);
  }

  // Header and text of a turn, without its end; returns the index of the first token that reaches into the
  // answer.
  size_t add_turn(Role role, const Turn& turn) {
    const bool chat_ml = chat_.form == ChatForm::kChatMl;
    add_marker(chat_ml ? "<|im_start|>" : "<|start_header_id|>");
    std::string text = chat_ml ? std::string(name_of(role)) + "\n" : "\n\n";
    if (!chat_ml) {
      add_text(name_of(role), 0);
      add_marker("<|end_header_id|>");
    }
    text += turn.before;
    const size_t begin = text.size();
    return add_text(text + turn.answer, begin);
  }

  void end_turn() {
    add_marker(chat_.form == ChatForm::kChatMl ? "<|im_end|>" : "<|eot_id|>");
    if (chat_.form == ChatForm::kChatMl) add_text("\n", 0);
  }

  // One stretch between markers is tokenised at once, as the whole rendered text would be.
  size_t add_text(const std::string& text, size_t answer_begin) {
    const std::vector<Token> tokens = tokenizer_.encode_user_text(text);
    const size_t start = encoded_.ids.size();
    size_t before = 0;
    for (const Token& token : tokens) {
      encoded_.ids.push_back(token.id);
      before += token.end <= answer_begin;
    }
    return start + before;
  }

  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  EncodedChat encoded_;
};

}  // namespace

EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                        const std::string& place) {
  check_turns(messages, place);
  return ChatEncoder(tokenizer, chat).encode(messages, place);
}

}  // namespace circuit
