#include "model/generate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "core/log.h"
#include "io/files.h"
#include "model/generation_config.h"
#include "task/message_records.h"
#include "task/open_model.h"

namespace circuit {
namespace {

struct GenerateArguments {
  CommonOptions common;
  std::string model;
  std::string bos = "auto";
  std::optional<std::string> prompt, chat, system, messages;
  bool no_thinking = false;
  bool ids = false;
  bool ignore_eos = false;
  GenerateWishes wishes;
};

std::string read_all(const std::string& path) {
  if (path != "-") return read_file(path);
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::vector<ChatMessage> conversation(const GenerateArguments& o) {
  std::vector<ChatMessage> messages;
  if (o.messages) {
    const std::string place = *o.messages == "-" ? "stdin" : *o.messages;
    messages = read_messages(parse_json(read_all(*o.messages), place), place);
  } else {
    messages.push_back({Role::kUser, *o.chat});
  }
  if (!o.system) return messages;
  if (!messages.empty() && messages.front().role == Role::kSystem) {
    throw UsageError("[--system] the messages have a system message already.");
  }
  messages.insert(messages.begin(), {Role::kSystem, *o.system});
  return messages;
}

ChatPrompt prompt_of(const GenerateArguments& o, const LazyTokenizer& tokenizer) {
  if (o.prompt) {
    ChatPrompt prompt;
    prompt.ids = encode_text(tokenizer.get(), *o.prompt, parse_begin_token(o.bos)).ids;
    if (prompt.ids.empty()) fail("--prompt", "is empty and the model has no begin token. Give some text.");
    return prompt;
  }
  for (const std::optional<std::string>* text : {&o.chat, &o.system}) {
    if (*text && !is_valid_utf8(**text)) fail(text == &o.chat ? "--chat" : "--system", "the text is not valid UTF-8.");
  }
  ChatPromptSpec spec;
  spec.now = std::time(nullptr);
  if (o.no_thinking) spec.enable_thinking = false;
  const std::string place = o.chat ? "--chat" : *o.messages == "-" ? "stdin" : *o.messages;
  return encode_chat_prompt(tokenizer.get(), tokenizer.chat(), conversation(o), spec, place);
}

void say(const GenerateChoice& choice, const std::string& model) {
  const std::string place = model + "/generation_config.json";
  if (!choice.from_file.empty()) log_info("{}: {}.", place, fmt::join(choice.from_file, ", "));
  if (!choice.unused.empty()) log_warning("{}: not known and left out: {}.", place, fmt::join(choice.unused, ", "));
}

int run(const GenerateArguments& o) {
  if (static_cast<int>(o.prompt.has_value()) + o.chat.has_value() + o.messages.has_value() != 1) {
    throw UsageError("[generate] give one of --prompt, --chat and --messages.");
  }
  if (o.prompt && (o.system || o.no_thinking))
    throw UsageError("[generate] --system and --no-thinking are for --chat.");
  apply_common(o.common);
  const OpenModel open(o.model, o.common);
  const Tokenizer& tokenizer = open.tokenizer.get();
  const ChatPrompt prompt = prompt_of(o, open.tokenizer);
  GenerateChoice choice = choose_generation(o.model, o.wishes, static_cast<int64_t>(prompt.ids.size()));
  say(choice, o.model);
  choice.spec.stop_at_eos = !o.ignore_eos;
  const std::vector<int64_t>& ends = open.model.architecture().stop_ids();
  if (prompt.end_of_turn && std::find(ends.begin(), ends.end(), *prompt.end_of_turn) == ends.end()) {
    log_info("the answer also ends at {}, which ends a turn in the chat template.",
             tokenizer.written_as(*prompt.end_of_turn));
    choice.spec.end_ids.push_back(*prompt.end_of_turn);
  }
  const Rng rng = Rng(o.common.seed).split("generate");
  const std::vector<int64_t> continuation = generate(open.model, {prompt.ids}, choice.spec, rng)[0].ids;
  std::vector<int64_t> all = prompt.ids;
  all.insert(all.end(), continuation.begin(), continuation.end());
  // Of a conversation the answer alone.
  const std::string text = tokenizer.decode(o.prompt ? all : continuation, SpecialTokens::kNone, UnknownIds::kNothing);
  if (o.ids) {
    fmt::print("{}\n", Json(all).dump());
  } else if (o.common.json) {
    fmt::print("{}\n", Json({{"text", text}, {"ids", all}}).dump());
  } else {
    fmt::print("{}\n", text);
  }
  return 0;
}

}  // namespace

void add_generate(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<GenerateArguments>();
  CLI::App* command = program.add_subcommand("generate", "continue a text or a conversation, greedily or by sampling");
  command->footer(
      "Flags go before the model's generation_config.json, and that before the defaults in brackets.\n"
      "Examples:\n  circuit generate examples/books-4l --prompt \"Once upon a time\" --max-tokens 40\n"
      "  circuit generate my-instruct-model --chat \"What is a circuit?\" --system \"Be brief.\"");
  command->add_option("MODEL", o->model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("--prompt", o->prompt, "text to continue");
  command->add_option("--chat", o->chat, "a user's message to answer, through the model's chat template");
  command->add_option("--system", o->system, "the system message before it");
  command->add_option("--messages", o->messages,
                      "JSON list of {\"role\", \"content\"} to answer: a file, or - for stdin");
  command->add_flag("--no-thinking", o->no_thinking, "give the template enable_thinking = false");
  command->add_option("--max-tokens", o->wishes.max_tokens, "new tokens (50)")->check(at_least(0));
  command->add_option("--min-tokens", o->wishes.min_tokens, "new tokens before one may end it (0)")->check(at_least(0));
  command->add_option("--temperature", o->wishes.temperature, "0: greedy (0)")->check(at_least(0));
  command->add_option("--top-k", o->wishes.top_k, "sample among the k likeliest; 0: all (0)")->check(at_least(0));
  command->add_option("--top-p", o->wishes.top_p, "sample among the likeliest that reach this probability (1)")
      ->check(between(0, 1));
  command->add_option("--min-p", o->wishes.min_p, "sample among those of this share of the likeliest (0)")
      ->check(between(0, 1));
  command->add_option("--repetition-penalty", o->wishes.repetition_penalty, "above 1: against repeating tokens (1)")
      ->check(at_least(1e-6));
  command->add_option("--bos", o->bos, "begin token of --prompt")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--ignore-eos", o->ignore_eos, "go on after an end token");
  command->add_flag("--ids", o->ids, "print all token ids as one JSON list");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
