#include "task/data_settings.h"

namespace circuit {

void DataSettings::declare(Settings* s) {
  s->section("data");
  s->add("train", &train, "Training records, JSON Lines; or plain text, which is cut into windows.").a_path();
  s->add("dev", &dev, "Records that choose the best step; empty: the last step is kept.").a_path();
  s->add("test", &test, "Records evaluated before and after only; may be empty.").a_path();
  s->add("untouched", &untouched, "Plain text whose perplexity shows the cost; may be empty.").a_path();
  s->add("bos", &bos, begin_token_names(), "Begin token before every text.");
  s->add("max_length", &max_length, "Tokens kept of a text; 0: all.").at_least(0).in("tokens");
  s->add("window", &window, "Tokens of a window of text to train on; 0: the model's positions.")
      .at_least(0)
      .in("tokens");
  s->add("replay", &replay, "Plain text trained on beside the task, against forgetting; may be empty.").a_path();
  s->add("replay_share", &replay_share, "Its tokens per update, as a share of the task's target tokens.").range(0, 100);
}

}  // namespace circuit
