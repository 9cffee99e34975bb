// Which heads changed what they write, along how few directions, and whether those are the task's.
#include "dynamics/ov_drift.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "dynamics/analysis.h"
#include "dynamics/readout_directions.h"
#include "model/norm.h"

namespace circuit {
namespace {

constexpr double kPi = 3.14159265358979323846;

// W_V of a key/value head, [d_model, value_width]. Of latents the product of both matrices with their norm's γ between
// them, whose scale differs by token and is left out, as the layer norm's is.
at::Tensor value_matrix(const LayerWeights& w, int64_t g) {
  at::Tensor own = head_weight(w.w_v, g);
  if (!w.latent.defined()) return own;
  const at::Tensor down = w.latent.kv_down.narrow(1, 0, own.size(0));
  return at::mm(down * norm_scale(w.latent.kv_norm), own);
}

AnalysisResult run_ov_drift(const AnalysisInput& input) {
  ModelStates& states = *input.states;
  const int64_t last = states.steps().back();
  const Architecture& a = states.base().architecture();
  const ReadoutDirections directions = readout_directions(states.base(), states.examples());
  const Model& after = states.at(last);
  AnalysisTable table{"ov_drift",
                      fmt::format("change of W_V W_O between the base and step {}", last),
                      {"head", "relative_change", "change", "sigma_1", "sigma_2", "sigma_3", "share_of_sigma_1",
                       "cos_mean_difference", "cos_principal_difference"},
                      {}};
  for (int64_t l = 0; l < a.n_layers; ++l) {
    const LayerWeights& before = states.base().layers()[l];
    const LayerWeights& now = after.layers()[l];
    for (int64_t h = 0; h < a.n_heads; ++h) {
      const int64_t kv = h / a.heads_per_kv();
      const auto o = [&](const LayerWeights& w) { return w.w_o.narrow(0, h * a.value_width(), a.value_width()); };
      const OvDrift drift = ov_drift(value_matrix(before, kv), o(before), value_matrix(now, kv), o(now));
      if (drift.change() == 0) continue;
      const auto sigma = [&](size_t i) {
        return i < drift.singular_values.size() ? Json(drift.singular_values[i]) : Json(nullptr);
      };
      table.rows.push_back({states.graph().upstream_name(states.graph().head(l, h)),
                            number_or_null(drift.change() / drift.norm), drift.change(), sigma(0), sigma(1), sigma(2),
                            drift.share_of_top(), alignment(drift.output, directions.mean),
                            alignment(drift.output, directions.principal)});
    }
  }
  std::stable_sort(table.rows.begin(), table.rows.end(), [](const auto& x, const auto& y) {
    return x[2].template get<double>() > y[2].template get<double>();
  });
  AnalysisResult result;
  result.findings.push_back(
      fmt::format("{} of {} heads changed what they write.", table.rows.size(), a.n_layers * a.n_heads));
  if (!table.rows.empty()) {
    const std::vector<Json>& top = table.rows.front();
    result.findings.push_back(
        fmt::format("{} most: its largest direction is {:.0f} % of the change; |cos| with the unembedding differences "
                    "of {} readouts "
                    "{:.3f} (mean) and {:.3f} (principal); of random directions {:.3f}.",
                    top[0].get<std::string>(), 100 * top[6].get<double>(), directions.readouts, top[7].get<double>(),
                    top[8].get<double>(), std::sqrt(2 / (kPi * static_cast<double>(a.d_model)))));
  }
  result.tables.push_back(std::move(table));
  return result;
}

}  // namespace

Analysis ov_drift_analysis() {
  return {"ov-drift", "singular values of the change of W_V W_O per head, and its alignment with the readouts", true,
          run_ov_drift};
}

}  // namespace circuit
