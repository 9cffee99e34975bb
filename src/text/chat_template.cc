#include "text/chat_template.h"

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "io/json.h"
#include "text/tokenizer_config.h"

namespace circuit {
namespace {

const char* name_of(Role role) {
  if (role == Role::kSystem) return "system";
  return role == Role::kUser ? "user" : "assistant";
}

jinja::Value message_values(jinja::Runtime& runtime, const std::vector<ChatMessage>& messages) {
  jinja::Values list;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& content = messages[i].content;
    std::vector<jinja::Mark> marks;
    if (!content.empty()) marks.push_back({0, content.size(), static_cast<int64_t>(i)});
    list.push_back(runtime.dict({{runtime.text("role"), runtime.text(name_of(messages[i].role))},
                                 {runtime.text("content"), runtime.text(content, std::move(marks), false)}}));
  }
  return runtime.list(std::move(list));
}

<<<<<<< HEAD
std::string with_quotes(std::string_view literal) {
  std::string text(literal);
  std::replace(text.begin(), text.end(), kSingleQuote, '\'');
  std::replace(text.begin(), text.end(), kDoubleQuote, '"');
  return text;
}

// The string literal after `name =`, in either kind of quotes. False when there is none.
bool literal_set_to(std::string_view text, std::string_view name, std::string* value) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    size_t i = at + name.size();
    while (i < text.size() && text[i] == ' ') ++i;
    if (i >= text.size() || text[i] != '=') continue;
    ++i;
    while (i < text.size() && text[i] == ' ') ++i;
    if (i >= text.size() || (text[i] != '\'' && text[i] != '"')) continue;
    const size_t end = text.find(text[i], i + 1);
    if (end == std::string_view::npos) return false;
    *value = with_quotes(text.substr(i + 1, end - i - 1));
    return true;
  }
  return false;
}

// Whether `header` is ever followed by text of the template's own instead of a message or a thought.
bool adds_text_after(std::string_view text, const std::string& header) {
  for (size_t at = text.find(header); at != std::string_view::npos; at = text.find(header, at + 1)) {
    const std::string_view rest = text.substr(at + header.size());
    if (!rest.empty() && rest.find_first_of("'\"{<\n") != 0) return true;
  }
  return false;
}

// The text that the template itself puts into a system turn.
std::string chat_ml_default(std::string_view text, const std::string& place) {
  constexpr std::string_view kOpening = "<|im_start|>system\n";
  std::set<std::string> found;
  for (size_t at = text.find(kOpening); at != std::string_view::npos; at = text.find(kOpening, at + 1)) {
    const size_t begin = at + kOpening.size();
    const char quote = at > 0 && (text[at - 1] == '\'' || text[at - 1] == '"') ? text[at - 1] : '{';
    const size_t stop = std::min(text.find(quote, begin), text.size());
    const size_t end = text.find("<|im_end|>", begin);
    if (end < stop && end > begin) found.insert(with_quotes(text.substr(begin, end - begin)));
  }
  std::string value;
  for (const char* name : {" system_message", "default_system_message"}) {
    if (literal_set_to(text, name, &value) && !value.empty()) found.insert(value);
  }
  if (found.size() > 1) fail(place, "chat_template: it has {} default system messages. {}", found.size(), kAccepted);
  return found.empty() ? "" : *found.begin();
}

ChatTemplate chat_ml(std::string_view text, const std::string& place) {
  ChatTemplate chat;
  chat.form = ChatForm::kChatMl;
  if (!holds(text, "<|im_end|>")) fail(place, "chat_template: <|im_start|> without <|im_end|>. {}", kAccepted);
  chat.default_system = chat_ml_default(text, place);
  const bool thoughts = holds(text, "<think>") || holds(text, "</think>");
  chat.thinks = thoughts && holds(text, "enable_thinking") && holds(text, "reasoning_content");
  if (thoughts && (!chat.thinks || !chat.default_system.empty())) {
    fail(place, "chat_template: its <think> blocks are not those of Qwen3. {}", kAccepted);
  }
  if (holds(text, "strftime_now")) fail(place, "chat_template: it writes the date. {}", kAccepted);
  for (const char* header : {"<|im_start|>user\n", "<|im_start|>assistant\n"}) {
    if (adds_text_after(text, header)) fail(place, "chat_template: it adds text to messages. {}", kAccepted);
  }
  return chat;
}

ChatTemplate llama3(std::string_view text, const std::string& place) {
  ChatTemplate chat;
  chat.form = ChatForm::kLlama3;
  if (!holds(text, "<|end_header_id|>") || !holds(text, "<|eot_id|>")) {
    fail(place, "chat_template: <|start_header_id|> without <|end_header_id|> and <|eot_id|>. {}", kAccepted);
  }
  if (holds(text, "think")) fail(place, "chat_template: it speaks of thinking. {}", kAccepted);
  std::string set;
  for (const char* role : {"system", "user", "assistant"}) {
    if (!adds_text_after(text, std::string(role) + "<|end_header_id|>\n\n")) continue;
    fail(place, "chat_template: it adds text to messages. {}", kAccepted);
  }
  if (literal_set_to(text, "system_message", &set) && !set.empty()) {
    fail(place, "chat_template: it has a default system message. {}", kAccepted);
  }
  constexpr std::string_view kKnowledge = "Cutting Knowledge Date: ";
  const size_t at = text.find(kKnowledge);
  if (at == std::string_view::npos) {
    if (holds(text, "strftime_now")) fail(place, "chat_template: it writes the date. {}", kAccepted);
    return chat;
  }
  // The date of the day where the template asks for it would make records depend on when they are read: its
  // own fallback is taken, as Llama 3.1 does always.
  std::string date;
  if (!holds(text, "Today Date: ") || !literal_set_to(text, "date_string", &date)) {
    fail(place, "chat_template: it has a knowledge date, but no \"Today Date: \" with a fixed date_string. {}",
         kAccepted);
  }
  const std::string_view line = text.substr(at, text.find('\n', at) - at);
  if (line.find_first_of("'\"{") != std::string_view::npos) {
    fail(place, "chat_template: its knowledge date is no line of its own. {}", kAccepted);
  }
  chat.date_lines = fmt::format("{}\nToday Date: {}\n\n", line, date);
  return chat;
}

}  // namespace

ChatTemplate recognise_chat_template(std::string_view text, const std::string& place) {
  const std::string plain = plain_form(text);
  const std::set<std::string> markers = markers_of(plain);
  const bool is_chat_ml = markers.count("<|im_start|>") > 0;
  const bool is_llama3 = markers.count("<|start_header_id|>") > 0;
  if (is_chat_ml == is_llama3) fail(place, "chat_template: its form is not known. {}", kAccepted);
  for (const std::string& marker : markers) {
    if ((is_chat_ml ? kChatMlMarkers : kLlama3Markers).count(marker) > 0) continue;
    fail(place, "chat_template: it holds the marker {}, which no accepted form has. {}", marker, kAccepted);
  }
  for (const char* other : {"[INST]", "<<SYS>>", "<start_of_turn>"}) {
    if (holds(plain, other))
      fail(place, "chat_template: it holds {}, which no accepted form has. {}", other, kAccepted);
  }
  ChatTemplate chat = is_chat_ml ? chat_ml(plain, place) : llama3(plain, place);
  chat.place = place;
  std::string squeezed = plain;
  squeezed.erase(std::remove(squeezed.begin(), squeezed.end(), ' '), squeezed.end());
  chat.trims = holds(squeezed, "|trim");
  if (chat.trims && chat.thinks) fail(place, "chat_template: its <think> blocks are not those of Qwen3. {}", kAccepted);
  chat.begin_token = holds(plain, "bos_token") || markers.count("<|begin_of_text|>") > 0;
  return chat;
}

ChatTemplate load_chat_template(const std::string& folder) {
  if (const auto gguf = gguf_of(folder)) {
    const MappedFile bytes(*gguf);
    const GgufHeader header = GgufHeader::parse(bytes.text(), *gguf);
    constexpr const char* kKey = "tokenizer.chat_template";
    if (!header.has(kKey)) fail(*gguf, "{}: is missing; messages need one. Use prompt and completion.", kKey);
    return recognise_chat_template(header.text(kKey), *gguf);
  }
=======
// The text of a folder's template and where it stands.
std::pair<std::string, std::string> find_template(const std::string& folder) {
>>>>>>> chat
  const std::string file = folder + "/chat_template.jinja";
  if (file_exists(file)) return {read_file(file), file};
  const std::string config = folder + "/tokenizer_config.json";
  const Json json = file_exists(config) ? read_json(config, NonFinite::kKeep) : Json::object();
  if (!json.is_object()) fail(config, "found a {}, expected an object.", json.type_name());
  const auto found = json.find("chat_template");
  if (found == json.end() || found->is_null()) {
    fail(config,
         "chat_template: is missing, and there is no chat_template.jinja; messages need one. Use prompt and "
         "completion.");
  }
  const std::string place = config + ":chat_template";
  if (found->is_string()) return {found->get<std::string>(), place};
  if (!found->is_array()) fail(config, "chat_template: found a {}, expected a string or a list.", found->type_name());
  for (const Json& entry : *found) {
    if (!entry.is_object()) fail(config, "chat_template: found a {} in the list, expected objects.", entry.type_name());
    if (require_string(entry, "name", config) == "default") return {require_string(entry, "template", config), place};
  }
  fail(config, "chat_template: the list has no entry named 'default'.");
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view text, std::string place, std::map<std::string, std::string> tokens)
    : place_(std::move(place)),
      program_(std::make_shared<const jinja::Template>(text, place_)),
      tokens_(std::move(tokens)) {}

jinja::Rendered ChatTemplate::render(const std::vector<ChatMessage>& messages, GenerationPrompt prompt, ChatTime now,
                                     std::optional<bool> enable_thinking) const {
  return program_->render([&](jinja::Runtime& runtime) {
    jinja::Named given;
    for (const auto& [name, content] : tokens_) given.emplace_back(name, runtime.text(content));
    given.emplace_back("messages", message_values(runtime, messages));
    given.emplace_back("tools", jinja::None{});
    given.emplace_back("documents", jinja::None{});
    given.emplace_back("add_generation_prompt", prompt == GenerationPrompt::kYes);
    if (enable_thinking) given.emplace_back("enable_thinking", *enable_thinking);
    given.emplace_back("strftime_now", now ? jinja::make_strftime_now(*now)
                                           : runtime.undefined("strftime_now is not given to records, which must not "
                                                               "depend on when they are read: write a date into a copy "
                                                               "of the template"));
    return given;
  });
}

ChatTemplate load_chat_template(const std::string& folder, const Tokenizer& tokenizer) {
  const auto [text, place] = find_template(folder);
  ChatTemplate chat(text, place);
  for (const NamedToken& named : read_tokenizer_config(folder).named) {
    // Lists of further tokens are not given to templates.
    if (named.key.find("special_tokens") == std::string::npos) chat.add_token(named.key, named.token.content);
  }
  if (const auto bos = tokenizer.bos_id()) chat.add_token("bos_token", tokenizer.written_as(*bos));
  if (const auto eos = tokenizer.eos_id()) chat.add_token("eos_token", tokenizer.written_as(*eos));
  return chat;
}

}  // namespace circuit
