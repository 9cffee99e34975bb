#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/chat_template.h"

namespace circuit {
namespace {

const char* name_of_turn(Role role) {
  if (role == Role::kSystem) return "system";
  return role == Role::kUser ? "user" : "assistant";
}

void check_turns(const std::vector<ChatMessage>& messages, Role last, const std::string& place) {
  if (messages.empty()) fail(place, "messages: the list is empty.");
  const size_t first = messages[0].role == Role::kSystem ? 1 : 0;
  for (size_t i = first; i < messages.size(); ++i) {
    const Role expected = (i - first) % 2 == 0 ? Role::kUser : Role::kAssistant;
    if (messages[i].role == expected) continue;
    fail(place,
         "messages: message {} is the {}'s, expected the {}'s: a system message or none, then user and "
         "assistant in turn.",
         i + 1, name_of_turn(messages[i].role), name_of_turn(expected));
  }
  if (messages.back().role != last) fail(place, "messages: the last one must be the {}'s.", name_of_turn(last));
}

std::vector<Range> user_ranges(const jinja::Rendered& rendered) {
  std::vector<Range> ranges;
  for (const jinja::Mark& mark : rendered.marks) ranges.push_back({mark.begin, mark.end});
  return ranges;
}

// From the first to the last byte that came from message `source`; nothing where none did.
std::optional<Range> range_of(const jinja::Rendered& rendered, size_t source) {
  std::optional<Range> range;
  for (const jinja::Mark& mark : rendered.marks) {
    if (mark.source != static_cast<int64_t>(source)) continue;
    if (!range) range = Range{mark.begin, mark.end};
    range->end = mark.end;
  }
  return range;
}

// A marker such as <|im_end|> that the template writes is a token that no message can write. One that the tokenizer has
// no token for is text to it, in messages as in the template.
void check_markers(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::string& own) {
  for (size_t at = own.find("<|"); at != std::string::npos; at = own.find("<|", at + 2)) {
    const size_t end = own.find("|>", at + 2);
    if (end == std::string::npos) break;
    const std::string marker = own.substr(at, end + 2 - at);
    const std::optional<int64_t> id = tokenizer.id_of(marker);
    if (!id || tokenizer.is_special(*id)) continue;
    fail(chat.place(), "chat_template: the tokenizer does not flag {} special, so that a message could write it.",
         marker);
  }
}

// What the template wrote itself.
std::string own_text(const jinja::Rendered& rendered) {
  std::string own;
  size_t done = 0;
  for (const jinja::Mark& mark : rendered.marks) {
    own.append(rendered.text, done, mark.begin - done);
    done = mark.end;
  }
  return own.append(rendered.text, done);
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

// The text of a generation prompt; nothing where the template refuses a conversation without the last answer.
std::optional<std::string> prompt_text(const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                                       GenerationPrompt prompt, std::optional<bool> enable_thinking) {
  try {
    return chat.render(messages, prompt, std::nullopt, enable_thinking).text;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The byte where the last answer begins.
size_t answer_begin(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, const std::string& text,
                    size_t own_begin) {
  const std::vector<ChatMessage> before(messages.begin(), messages.end() - 1);
  const std::optional<std::string> without = prompt_text(chat, before, GenerationPrompt::kNo, std::nullopt);
  size_t begin = 0;
  for (const std::optional<bool> thinking : {std::optional<bool>(), std::optional<bool>(false)}) {
    const std::optional<std::string> prompt = prompt_text(chat, before, GenerationPrompt::kYes, thinking);
    // A template that has no generation prompt leaves the header of the turn out too.
    if (!prompt || prompt == without || !starts_with(text, *prompt) || prompt->size() > own_begin) continue;
    begin = std::max(begin, prompt->size());
  }
  return begin == 0 ? own_begin : begin;
}

// The special token behind an answer to the conversation; nothing where the template refuses to end with one.
std::optional<int64_t> end_of_turn(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                   std::vector<ChatMessage> messages, const ChatPromptSpec& spec) {
  messages.push_back({Role::kAssistant, "x"});
  jinja::Rendered rendered;
  try {
    rendered = chat.render(messages, GenerationPrompt::kNo, spec.now, spec.enable_thinking);
  } catch (const Error&) {
    return std::nullopt;
  }
  const std::optional<Range> answer = range_of(rendered, messages.size() - 1);
  if (!answer) return std::nullopt;
  for (const Token& token : tokenizer.encode_with_user_text(rendered.text, user_ranges(rendered))) {
    if (token.end > answer->end && tokenizer.is_special(token.id)) return token.id;
  }
  return std::nullopt;
}

[[noreturn]] void refuse_open_end(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::string& behind) {
  const size_t end = behind.find("|>");
  if (behind.compare(0, 2, "<|") == 0 && end != std::string::npos && !tokenizer.id_of(behind.substr(0, end + 2))) {
    fail(chat.place(), "chat_template: the tokenizer has no token {}, which ends the answer.",
         behind.substr(0, end + 2));
  }
  fail(chat.place(), "chat_template: no special token ends the last answer, so that a model would not learn to stop.");
}

}  // namespace

EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const std::vector<ChatMessage>& messages,
                        const std::string& place) {
  check_turns(messages, Role::kAssistant, place);
  const jinja::Rendered rendered = chat.render(messages, GenerationPrompt::kNo, std::nullopt);
  const std::optional<Range> answer = range_of(rendered, messages.size() - 1);
  if (!answer && messages.back().content.find_first_not_of(" \t\r\n\v\f") == std::string::npos) {
    fail(place, "messages: the last one is empty.");
  }
  if (!answer) fail(chat.place(), "chat_template: it leaves out the last message.");
  check_markers(tokenizer, chat, own_text(rendered));
  const size_t begin = answer_begin(chat, messages, rendered.text, answer->begin);
  EncodedChat encoded;
  bool ends = false;
  for (const Token& token : tokenizer.encode_with_user_text(rendered.text, user_ranges(rendered))) {
    const bool special = tokenizer.is_special(token.id);
    encoded.ids.push_back(token.id);
    // A special token may take the white space beside it, the answer's too: where its own bytes stand counts.
    encoded.first_target += token.end <= begin || (special && token.begin < begin);
    ends = special && token.end > answer->end && token.begin >= begin;
    if (ends) break;
  }
  if (!ends) refuse_open_end(tokenizer, chat, rendered.text.substr(answer->end));
  encoded.begin_token = tokenizer.bos_id() && encoded.ids.front() == *tokenizer.bos_id();
  return encoded;
}

ChatPrompt encode_chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                              const std::vector<ChatMessage>& messages, const ChatPromptSpec& spec,
                              const std::string& place) {
  check_turns(messages, Role::kUser, place);
  const jinja::Rendered rendered = chat.render(messages, GenerationPrompt::kYes, spec.now, spec.enable_thinking);
  check_markers(tokenizer, chat, own_text(rendered));
  ChatPrompt prompt;
  for (const Token& token : tokenizer.encode_with_user_text(rendered.text, user_ranges(rendered))) {
    prompt.ids.push_back(token.id);
  }
  if (prompt.ids.empty()) fail(chat.place(), "chat_template: it makes nothing of the conversation.");
  prompt.end_of_turn = end_of_turn(tokenizer, chat, messages, spec);
  return prompt;
}

}  // namespace circuit
