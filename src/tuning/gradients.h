// Weight gradients of chosen slices only: never a dense gradient that is then masked.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "model/backward.h"
#include "model/head.h"

namespace circuit {

// Accumulates over backward passes (micro-batches). A slice's gradient has the shape of its view.
class SliceGradients {
 public:
  SliceGradients(const Model& model, const std::vector<Slice>& slices);

  // One backward from a loss over `batch`, whose forward is `run`. scale multiplies the loss.
  // The run's activations are freed on the way.
  void add(const TokenBatch& batch, ForwardCache& run, const Loss& loss, double scale);
  bool wants_unembedding() const;

  // In the order of the slices given; undefined where no backward reached the slice's tensor.
  const std::vector<at::Tensor>& gradients() const { return gradients_; }
  // √Σ‖g‖² over all slices, float64.
  double norm() const;
  void scale_by(double factor);

 private:
  class Visitor;
  struct Part {
    size_t slice;
    int64_t start, length;  // along the tensor's unit dimension
  };
  const std::vector<Part>* parts_of(const std::string& tensor) const;
  void give(size_t slice, const at::Tensor& gradient);
  void outputs(const TensorRef& ref, const TensorRef& bias, const at::Tensor& y, const at::Tensor& d_out,
               int64_t first_column);
  void inputs(const TensorRef& ref, const at::Tensor& h, const at::Tensor& d_out);
  void vector(const std::string& tensor, const at::Tensor& gradient);
  void norm_weights(const std::string& weight, const std::string& bias, const at::Tensor& x, const NormStats& stats,
                    const at::Tensor& d_y);

  const Model& model_;
  std::vector<at::Tensor> gradients_;
  std::map<std::string, std::vector<Part>> parts_;
};

}  // namespace circuit
