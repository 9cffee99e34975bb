#include "model/generate.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/validators.h"
#include "core/error.h"
#include "task/open_model.h"

namespace circuit {
namespace {

struct GenerateArguments {
  CommonOptions common;
  std::string model;
  std::string prompt;
  std::string bos = "auto";
  bool ids = false;
  bool ignore_eos = false;
  GenerateSpec spec;
};

int run(const GenerateArguments& o) {
  apply_common(o.common);
  const OpenModel open(o.model, o.common);
  const Tokenizer& tokenizer = open.tokenizer.get();
  const std::vector<int64_t> prompt = encode_text(tokenizer, o.prompt, parse_begin_token(o.bos)).ids;
  if (prompt.empty()) fail("--prompt", "is empty and the model has no begin token. Give some text.");
  GenerateSpec spec = o.spec;
  spec.stop_at_eos = !o.ignore_eos;
  const Rng rng = Rng(o.common.seed).split("generate");
  const std::vector<int64_t> continuation = generate(open.model, {prompt}, spec, rng)[0].ids;
  std::vector<int64_t> all = prompt;
  all.insert(all.end(), continuation.begin(), continuation.end());
  const std::string text = tokenizer.decode(all, SpecialTokens::kNone, UnknownIds::kNothing);
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
  CLI::App* command = program.add_subcommand("generate", "continue a text, greedily or by sampling");
  command->footer("Example:\n  circuit generate examples/books-4l --prompt \"Once upon a time\" --max-tokens 40");
  command->add_option("MODEL", o->model, "Hugging Face model directory, or GGUF file")->required();
  command->add_option("--prompt", o->prompt, "text to continue")->required();
  command->add_option("--max-tokens", o->spec.max_tokens, "new tokens")->check(at_least(0));
  command->add_option("--temperature", o->spec.temperature, "0: greedy")->check(at_least(0));
  command->add_option("--top-k", o->spec.top_k, "sample among the k likeliest; 0: all")->check(at_least(0));
  command->add_option("--bos", o->bos, "begin token")->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_flag("--ignore-eos", o->ignore_eos, "go on after an end token");
  command->add_flag("--ids", o->ids, "print all token ids as one JSON list");
  add_common(*command, &o->common);
  command->callback([o, chosen] { *chosen = [o] { return run(*o); }; });
}

}  // namespace circuit
