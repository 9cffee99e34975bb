#include "text/chat_template.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "io/json.h"

namespace circuit {
namespace {

constexpr const char* kAccepted =
    "Accepted: ChatML as Qwen 1.5 to 3 publish it (<|im_start|>), Llama 3 to 3.3 (<|start_header_id|>). Or "
    "write prompt "
    "and completion instead of messages.";

// Markers that a template of each form may hold; those of images and tools are in branches that are not
// taken.
const std::set<std::string> kChatMlMarkers{"<|im_start|>",   "<|im_end|>",    "<|endoftext|>", "<|vision_start|>",
                                           "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"};
const std::set<std::string> kLlama3Markers{"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                                           "<|end_header_id|>", "<|eot_id|>",      "<|eom_id|>",
                                           "<|python_tag|>",    "<|image|>"};

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Every "<|name|>" of the text.
std::set<std::string> markers_of(std::string_view text) {
  std::set<std::string> markers;
  for (size_t at = text.find("<|"); at != std::string_view::npos; at = text.find("<|", at + 2)) {
    const size_t end = text.find("|>", at + 2);
    if (end == std::string_view::npos) break;
    const std::string_view name = text.substr(at, end + 2 - at);
    if (name.find_first_of(" \n'\"<", 1) == std::string_view::npos) markers.emplace(name);
  }
  return markers;
}

// Escaped quotes while literals are cut out of the text; no template holds these control characters.
constexpr char kSingleQuote = '\x01';
constexpr char kDoubleQuote = '\x02';

// Without comments and with the escapes of string literals resolved, so that both ways to write a line end
// look alike.
std::string plain_form(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "{#") {
      const size_t end = text.find("#}", i + 2);
      if (end == std::string_view::npos) break;
      i = end + 1;
      continue;
    }
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == 't') {
      plain += next == 'n' ? '\n' : '\t';
    } else if (next == '\'' || next == '"') {
      plain += next == '"' ? kDoubleQuote : kSingleQuote;
    } else if (next == '\\') {
      plain += next;
    } else {
      plain += text[i];
      continue;
    }
    ++i;
  }
  return plain;
}

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
  const std::string file = folder + "/chat_template.jinja";
  if (file_exists(file)) {
    const std::string text = read_file(file);
    if (!is_valid_utf8(text)) fail(file, "the text is not valid UTF-8.");
    return recognise_chat_template(text, file);
  }
  const std::string config = folder + "/tokenizer_config.json";
  const Json json = file_exists(config) ? read_json(config, NonFinite::kKeep) : Json::object();
  if (!json.is_object()) fail(config, "found a {}, expected an object.", json.type_name());
  const auto found = json.find("chat_template");
  if (found == json.end() || found->is_null()) {
    fail(config,
         "chat_template: is missing, and there is no chat_template.jinja; messages need one. Use prompt and "
         "completion.");
  }
  if (found->is_string()) return recognise_chat_template(found->get<std::string>(), config);
  if (!found->is_array()) fail(config, "chat_template: found a {}, expected a string or a list.", found->type_name());
  for (const Json& entry : *found) {
    if (!entry.is_object()) fail(config, "chat_template: found a {} in the list, expected objects.", entry.type_name());
    if (require_string(entry, "name", config) == "default") {
      return recognise_chat_template(require_string(entry, "template", config), config);
    }
  }
  fail(config, "chat_template: the list has no entry named 'default'.");
}

}  // namespace circuit
