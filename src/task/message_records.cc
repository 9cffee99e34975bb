#include "task/message_records.h"

#include <map>

#include "core/error.h"

namespace circuit {
namespace {

ChatMessage read_message(const Json& item, const std::string& place) {
  static const std::map<std::string, Role> roles{
      {"system", Role::kSystem}, {"user", Role::kUser}, {"assistant", Role::kAssistant}};
  if (!item.is_object()) fail(place, "messages: found a {} in the list, expected objects.", item.type_name());
  for (const auto& [key, value] : item.items()) {
    if (key != "role" && key != "content") fail(place, "messages: unknown key '{}'. Known: content, role.", key);
  }
  const std::string role = require_string(item, "role", place);
  const auto known = roles.find(role);
  if (known == roles.end()) fail(place, "messages: role '{}' is not known. Known: system, user, assistant.", role);
  return {known->second, require_string(item, "content", place)};
}

}  // namespace

std::vector<ChatMessage> read_messages(const Json& list, const std::string& place) {
  if (!list.is_array()) fail(place, "messages: found a {}, expected a list.", list.type_name());
  std::vector<ChatMessage> messages;
  for (const Json& item : list) messages.push_back(read_message(item, place));
  return messages;
}

EncodedChat encode_messages(const Json& record, const LazyTokenizer& tokenizer, const std::string& place) {
  const std::vector<ChatMessage> messages = read_messages(require(record, "messages", place), place);
  return encode_chat(tokenizer.get(), tokenizer.chat(), messages, place);
}

}  // namespace circuit
