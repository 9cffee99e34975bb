#include "python/requests.h"

#include "core/names.h"
#include "io/settings_json.h"
#include "run/run_config.h"

namespace circuit::python {
namespace {

void declare_records(RecordOptions* records, Settings* s) {
  s->add("bos", &records->bos, "Begin token before a text.").one_of({"auto", "always", "never"});
  s->add("max_length", &records->max_length, "Tokens kept of a text; 0: all.").at_least(0).in("tokens");
}

void declare_work(int64_t* batch, Settings* s) {
  s->add("batch", batch, "Records in one forward, or fewer where the memory is short; changes no result.").at_least(1);
}

}  // namespace

Settings settings_of(DiscoverRequest* r) {
  r->score.ablation = find_ablation("counterfactual");
  Settings s;
  s.section("discover");
  r->score.declare(&s);
  r->graph.declare(&s);
  s.add("selection", &r->selection.kind, "How edges become a circuit.").one_of(choices_of(selectors()));
  s.add("n", &r->selection.n, "Edges of the circuit; nodes of selection top-nodes.").at_least(1);
  declare_parameters(selectors(), &s, &r->selection.own);
  s.add("signed", &r->selection.signed_scores, "Rank by the score itself and take positive ones only.");
  if (!r->target.faithfulness) r->target.faithfulness = 0;
  s.add("target_faithfulness", &*r->target.faithfulness,
        "The smallest circuit that reaches this faithfulness on held-out records, instead of n; 0: n edges.")
      .range(0, 1);
  s.add("resamples", &r->resamples, "Resamples of the examples, for the share of them that selects an edge; 0: none.")
      .at_least(0);
  s.add("stable", &r->stable, "Keep edges selected in at least this share of the resamples.").range(0, 1);
  s.add("prune", &r->prune, "Drop edges on no path from input to logits.");
  s.add("verify", &r->verify, "Edges ablated one by one to check the scores, sampled and strongest each; 0: none.")
      .at_least(0);
  s.add("channels", &r->channels, "Score every MLP channel too.");
  declare_records(&r->records, &s);
  declare_work(&r->batch, &s);
  return s;
}

DiscoverRequest request_of(const std::string& settings) {
  DiscoverRequest r;
  parse_config(settings, kPlace, settings_of(&r));
  if (*r.target.faithfulness == 0) r.target.faithfulness.reset();
  return r;
}

Settings settings_of(EvaluateRequest* r) {
  Settings s;
  s.section("evaluate");
  std::vector<std::pair<const char*, const Ablation*>> known;
  for (const Ablation& a : ablations()) known.emplace_back(a.name.c_str(), &a);
  s.add("metric", &r->metric, "What is measured.").one_of(choices_of(metrics()));
  s.add("ablation", &r->ablation, known, "What replaces an ablated output.");
  s.add("prune", &r->what.pruning, {{"yes", Pruning::kPrune}, {"no", Pruning::kKeep}},
        "Drop edges on no path from input to logits.");
  s.add("curve", &r->what.curve, "Circuits of other sizes from the same scores too: CPR and CMD.");
  r->what.declare(&s);
  s.add("negate", &r->negate, "The scores have the other sign: of tools where negative means support.");
  declare_records(&r->records, &s);
  declare_work(&r->batch, &s);
  return s;
}

Settings settings_of(AnalyseRequest* r) {
  Settings s;
  s.section("analyse");
  r->states.declare(&s);
  s.add("seed", &r->seed, "Of bootstrap intervals.").at_least(0);
  return s;
}

std::string declared_settings(const std::string& call) {
  DiscoverRequest discover;
  EvaluateRequest evaluate;
  AnalyseRequest analyse;
  RunConfig run;
  if (call == "discover") return settings_json(settings_of(&discover)).dump();
  if (call == "evaluate") return settings_json(settings_of(&evaluate)).dump();
  if (call == "tune") return settings_json(run.settings()).dump();
  if (call == "analyse") return settings_json(settings_of(&analyse)).dump();
  throw UsageError(fmt::format("[settings] '{}' is not known. Known: discover, evaluate, tune, analyse.", call));
}

}  // namespace circuit::python
