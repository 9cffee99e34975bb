// Records of messages: conversations as the model's chat template writes them.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "task/records.h"

namespace circuit {

// A list of {"role", "content"}. Throws Error naming `place` for anything else in it.
std::vector<ChatMessage> read_messages(const Json& list, const std::string& place);

// Ids of record["messages"], a list of {"role", "content"}; ids before first_target are the prompt. The
// template says whether a begin token stands first. Throws Error "file:line" for anything else in the list
// and for turns out of order; Error naming the template's file when it cannot be run (text/chat_template.h).
EncodedChat encode_messages(const Json& record, const LazyTokenizer& tokenizer, const std::string& place);

}  // namespace circuit
