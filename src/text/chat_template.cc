#include "text/chat_template.h"

#include "core/error.h"
#include "io/files.h"
#include "io/gguf.h"
#include "io/json.h"
#include "text/gguf_tokenizer.h"
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

// The text of a folder's or GGUF file's template and where it stands.
std::pair<std::string, std::string> find_template(const std::string& folder) {
  if (const auto gguf = gguf_of(folder)) {
    const MappedFile bytes(*gguf);
    const GgufHeader header = GgufHeader::parse(bytes.text(), *gguf);
    constexpr const char* kKey = "tokenizer.chat_template";
    if (!header.has(kKey)) fail(*gguf, "{}: is missing; messages need one. Use prompt and completion.", kKey);
    return {std::string(header.text(kKey)), *gguf};
  }
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
  if (const auto gguf = gguf_of(folder)) {
    const MappedFile bytes(*gguf);
    const Json config = gguf_tokenizer_config(GgufHeader::parse(bytes.text(), *gguf));
    for (const auto& [key, token] : config.items()) {
      if (token.is_string() && key.size() > 6 && key.compare(key.size() - 6, 6, "_token") == 0) {
        chat.add_token(key, token.get<std::string>());
      }
    }
  } else {
    for (const NamedToken& named : read_tokenizer_config(folder).named) {
      // Lists of further tokens are not given to templates.
      if (named.key.find("special_tokens") == std::string::npos) chat.add_token(named.key, named.token.content);
    }
  }
  if (const auto bos = tokenizer.bos_id()) chat.add_token("bos_token", tokenizer.written_as(*bos));
  if (const auto eos = tokenizer.eos_id()) chat.add_token("eos_token", tokenizer.written_as(*eos));
  return chat;
}

}  // namespace circuit
