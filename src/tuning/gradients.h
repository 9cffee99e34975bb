// Weight gradients of chosen slices only: never a dense gradient that is then masked.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "graph/slices.h"
#include "tuning/weight_gradients.h"

namespace circuit {

// Accumulates over backward passes (micro-batches). A slice's gradient has the shape of its view.
class SliceGradients : public WeightSink {
 public:
  SliceGradients(const Model& model, const std::vector<Slice>& slices);

  bool wants(const std::string& tensor) const override { return parts_of(tensor) != nullptr; }
  void linear(const TensorRef& ref, Units units, int64_t first, const at::Tensor& input,
              const at::Tensor& d_out) override;
  void vector(const std::string& tensor, int64_t first, const at::Tensor& rows) override;
  void lookup(const std::string& tensor, const at::Tensor& index, const at::Tensor& d) override;
  void whole(const std::string& tensor, const at::Tensor& gradient) override;
  void block(const std::string& tensor, int64_t dim, int64_t first, const at::Tensor& gradient) override;

  // In the order of the slices given; undefined where no backward reached the slice's tensor.
  const std::vector<at::Tensor>& gradients() const { return gradients_; }
  std::vector<at::Tensor> take() { return std::move(gradients_); }
  // ‖g‖₂ of each, in that order; 0 where undefined.
  std::vector<double> norms() const;

 private:
  struct Part {
    size_t slice;
    int64_t start, length;  // along the tensor's unit dimension
    bool whole;             // it is all of the tensor
  };
  const std::vector<Part>* parts_of(const std::string& tensor) const;
  void give(size_t slice, const at::Tensor& gradient);

  const Model& model_;
  std::vector<at::Tensor> gradients_;
  std::map<std::string, std::vector<Part>> parts_;
};

}  // namespace circuit
