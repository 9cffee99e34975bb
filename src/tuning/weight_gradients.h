// Where weight gradients come from: every linear map of a backward, shown as its input and its output's gradient.
// Who takes them (slices, adapters) says which tensors it wants; nothing is computed for the others.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/backward.h"
#include "model/head.h"

namespace circuit {

class WeightSink {
 public:
  virtual ~WeightSink() = default;
  virtual bool wants(const std::string& tensor) const = 0;
  // y = input · W with W read [in, out]: its gradient is inputᵀ d_out. Called once per wanted weight and backward.
  // ref: one of the weight's parts, for what all of them share (tensor, orientation, unit dimension). `units` says
  // which side the tensor's slices divide; columns of that side stand from index `first` of it on.
  enum class Units { kInputs, kOutputs };
  virtual void linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
                      const at::Tensor& d_out) = 0;
  // A bias or norm weight, divided in units or not: its gradient is the sum over rows [n, size], which stand from
  // index `first` of the tensor on.
  virtual void vector(const std::string& tensor, int64_t first, const at::Tensor& rows) = 0;
  // Embeddings: rows `index` [n] of the tensor each receive a row of d [n, d_model].
  virtual void lookup(const std::string& tensor, const at::Tensor& index, const at::Tensor& d) = 0;
  // Of experts and their router: the gradient at indices first … of a dimension, as the file has it. Of one index there
  // may be several, which add up.
  virtual void block(const std::string& tensor, int64_t dim, int64_t first, const at::Tensor& gradient) = 0;
  // The unembedding, [vocab, d_model], as the loss made it.
  virtual void whole(const std::string& tensor, const at::Tensor& gradient) = 0;
};

// Shows a sink what a backward of `run` passes. All must outlive it.
class WeightVisitor : public BackwardVisitor {
 public:
  WeightVisitor(const Model& model, const TokenBatch& batch, const ForwardCache& run, WeightSink& sink)
      : model_(model), batch_(batch), run_(run), sink_(sink) {}
  void on_mlp(const MlpBackward& gradients) override;
  void on_attention(const AttentionBackward& gradients) override;
  void on_embedding(const at::Tensor& d_stream) override;

 private:
  bool wants(const TensorRef& ref) const { return ref.present() && sink_.wants(ref.tensor); }
  void outputs(const TensorRef& weight, const TensorRef& bias, const at::Tensor& y, const at::Tensor& d_out,
               int64_t first);
  void inputs(const TensorRef& weight, const at::Tensor& h, const at::Tensor& d_out);
  void bias(const std::string& tensor, const at::Tensor& d_out);
  void head_norms(const std::string& weight, const std::string& bias, const std::vector<std::string>& each,
                  const at::Tensor& x, const NormStats& stats, const at::Tensor& d);
  void latents(const AttentionBackward& gradients);
  void experts(const MlpBackward& gradients);
  void expert_weights(const MlpBackward& gradients, const at::Tensor& y, const at::Tensor& h, int64_t expert);
  void show_expert(const ExpertRef& ref, const at::Tensor& gradient);

  const Model& model_;
  const TokenBatch& batch_;
  const ForwardCache& run_;
  WeightSink& sink_;
};

// Gradients of a norm's weight and bias, from that at its output.
void norm_weight_gradients(const std::string& weight, const std::string& bias, const at::Tensor& x,
                           const NormStats& stats, const at::Tensor& d_y, WeightSink& sink);

// Gradients of the loss, times `scale`: one backward, of which the run's activations are freed on the way.
void weight_gradients(const Model& model, const TokenBatch& batch, ForwardCache& run, const Loss& loss, double scale,
                      WeightSink& sink);

// A backward's layers, to be shown to a sink later: for weights that are chosen only once the backward is over.
// Holds what the sink reads and the run does not: a run with the same activations must be kept until then.
class RecordedBackward : public BackwardVisitor {
 public:
  void on_mlp(const MlpBackward& gradients) override;
  void on_attention(const AttentionBackward& gradients) override;
  void on_embedding(const at::Tensor& d_stream) override { d_embedding_ = d_stream; }
  // factor: of every gradient.
  void show(const Model& model, const TokenBatch& batch, const ForwardCache& run, double factor,
            WeightSink& sink) const;

 private:
  std::vector<MlpBackward> mlps_;
  std::vector<AttentionBackward> attentions_;
  at::Tensor d_embedding_;
};

}  // namespace circuit
