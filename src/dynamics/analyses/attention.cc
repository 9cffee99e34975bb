// Where heads look from the readouts: into the records' marked spans, the first token and the token itself.
#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "model/forward.h"

namespace circuit {
namespace {

constexpr const char* kFirst = "first token";
constexpr const char* kSelf = "itself";

// Mean attention of every head from the positions that predict readouts to each span; a span counts in the records that
// have it, and there up to the query only.
struct Looks {
  std::map<std::string, std::vector<double>> sum;  // by span: [layers · heads]
  std::map<std::string, int64_t> readouts;         // by span: how many
};

void look(const Model& model, const std::vector<const Example*>& examples, Looks* looks) {
  const Architecture& a = model.architecture();
  const ExampleBatch batch = make_example_batch(examples, a, model.device());
  const ForwardCache cache = forward(model, batch.tokens, Keep::kBackward);
  const auto add = [&](const std::string& span, const at::Tensor& weights, int64_t begin, int64_t end, int64_t layer) {
    std::vector<double>& sum = looks->sum[span];
    sum.resize(static_cast<size_t>(a.n_layers * a.n_heads));
    const at::Tensor part = weights.narrow(1, begin, end - begin + 1).sum(1).to(at::kCPU, at::kDouble).contiguous();
    for (int64_t h = 0; h < a.n_heads; ++h)
      sum[static_cast<size_t>(layer * a.n_heads + h)] += part.data_ptr<double>()[h];
    if (layer == 0) ++looks->readouts[span];
  };
  for (size_t i = 0; i < examples.size(); ++i) {
    for (const Readout& readout : examples[i]->readouts) {
      const int64_t query = readout.position - 1;
      for (int64_t l = 0; l < a.n_layers; ++l) {
        const at::Tensor weights = attention_of_query(
            a, l, batch.tokens, cache.layers[static_cast<size_t>(l)].attention, static_cast<int64_t>(i), query);
        add(kFirst, weights, 0, 0, l);
        add(kSelf, weights, query, query, l);
        for (const Span& span : examples[i]->spans) {
          if (span.begin <= query) add(span.name, weights, span.begin, std::min(span.end, query), l);
        }
      }
    }
  }
}

Looks looks_of(const Model& model, const ModelStates& states) {
  Looks looks;
  const std::vector<const Example*>& all = states.examples();
  const auto batch = static_cast<size_t>(std::max<int64_t>(1, states.spec().batch));
  for (size_t first = 0; first < all.size(); first += batch) {
    look(model,
         {all.begin() + static_cast<int64_t>(first),
          all.begin() + static_cast<int64_t>(std::min(all.size(), first + batch))},
         &looks);
  }
  return looks;
}

AnalysisResult run_attention(const AnalysisInput& input) {
  ModelStates& states = *input.states;
  const Graph& graph = states.graph();
  std::vector<Looks> along;
  std::vector<std::string> columns{"head", "span"};
  for (const int64_t step : states.steps()) {
    along.push_back(looks_of(states.at(step), states));
    columns.push_back(fmt::format("step_{}", step));
  }
  columns.emplace_back("change");
  AnalysisTable table{"attention", "attention from readouts, mean share", columns, {}};
  int64_t marked = 0;
  for (const auto& [span, readouts] : along.front().readouts) {
    marked += span != kFirst && span != kSelf;
    const auto mean = [&, &name = span, n = static_cast<double>(readouts)](const Looks& looks, size_t head) {
      return looks.sum.at(name)[head] / n;
    };
    for (int64_t l = 0; l < graph.n_layers(); ++l) {
      for (int64_t h = 0; h < graph.n_heads(); ++h) {
        const auto head = static_cast<size_t>(l * graph.n_heads() + h);
        std::vector<Json> row{graph.upstream_name(graph.head(l, h)), span};
        for (const Looks& looks : along) row.push_back(mean(looks, head));
        row.push_back(mean(along.back(), head) - mean(along.front(), head));
        table.rows.push_back(std::move(row));
      }
    }
  }
  std::stable_sort(table.rows.begin(), table.rows.end(), [](const auto& x, const auto& y) {
    return std::fabs(x.back().template get<double>()) > std::fabs(y.back().template get<double>());
  });
  AnalysisResult result;
  if (marked == 0) {
    result.findings.push_back(
        "The records mark no spans (`spans`, docs/formats.md): only the first token and the token itself are told "
        "apart.");
  }
  if (!table.rows.empty()) {
    const std::vector<Json>& top = table.rows.front();
    result.findings.push_back(fmt::format("{} changed where it looks most: to '{}' {:.3f} before, {:.3f} after.",
                                          top[0].get<std::string>(), top[1].get<std::string>(), top[2].get<double>(),
                                          top[top.size() - 2].get<double>()));
  }
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis attention_analysis() {
  return {"attention", "attention of every head from the readouts to marked spans", true, run_attention};
}

}  // namespace circuit
