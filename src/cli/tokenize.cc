#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "core/error.h"
#include "core/log.h"
#include "task/message_records.h"

namespace circuit {
namespace {

struct TokenizeArguments {
  CommonOptions common;
  std::string path;
  bool decode = false;
  bool add_special = false;
  bool messages = false;
};

int run(const TokenizeArguments& o) {
  set_quiet(o.common.quiet);
  const LazyTokenizer lazy(o.path);
  const Tokenizer& tokenizer = lazy.get();
  const SpecialTokens special = o.add_special ? SpecialTokens::kAdd : SpecialTokens::kNone;
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    const std::string place = fmt::format("stdin:{}", number);
    if (line.empty()) continue;
    const Json value = parse_json(line, place);
    if (o.messages) {
      fmt::print("{}\n", Json(encode_messages({{"messages", value}}, lazy, place).ids).dump());
      continue;
    }
    if (!o.decode) {
      if (!value.is_string()) fail(place, "found a {}, expected a JSON string per line.", value.type_name());
      fmt::print("{}\n", Json(tokenizer.encode(value.get<std::string>(), special)).dump());
      continue;
    }
    if (!value.is_array()) fail(place, "found a {}, expected a JSON list of ids per line.", value.type_name());
    std::vector<int64_t> ids;
    for (const Json& id : value) {
      ids.push_back(int_of(id, "the list", place));
    }
    fmt::print("{}\n", Json(tokenizer.decode(ids, special)).dump());
  }
  return 0;
}

}  // namespace

void add_tokenize(CLI::App& program, Action* chosen) {
  auto o = std::make_shared<TokenizeArguments>();
  CLI::App* command = program.add_subcommand("tokenize", "JSON strings on stdin to token ids on stdout, or back");
  command->footer("Example:\n  echo '\"The keys are here.\"' | circuit tokenize examples/books-4l");
  command->add_option("PATH", o->path, "folder with tokenizer files, or a tokenizer.json")->required();
  auto* decode = command->add_flag("--decode", o->decode, "id lists on stdin to JSON strings");
  command
      ->add_flag("--messages", o->messages,
                 "lists of messages on stdin, as the folder's chat template writes them (docs/tasks.md)")
      ->excludes(decode);
  command->add_flag("--add-special", o->add_special, "add (decoding: keep) special tokens, e.g. the begin token");
  add_common(*command, &o->common, chosen, [o] { return run(*o); });
}

}  // namespace circuit
