#include "model/live_tensors.h"

#include <memory>
#include <vector>

#include "core/error.h"

namespace circuit {
namespace {

class LiveTensors : public TensorSource {
 public:
  LiveTensors(std::string place, const std::map<std::string, at::Tensor>& weights) : place_(std::move(place)) {
    size_t begin = 0;
    for (const auto& [name, tensor] : weights) {
      if (!tensor.is_contiguous())
        fail(place_, "tensor '{}': its rows do not stand one behind the other. Make it contiguous.", name);
      header_.tensors.push_back({name, dtype_name(tensor.scalar_type()), tensor.sizes().vec(), begin, tensor.nbytes()});
      begin += tensor.nbytes();
      tensors_.push_back(tensor);
    }
  }

  const std::string& path() const override { return place_; }
  const SafetensorsHeader& header() const override { return header_; }
  at::Tensor tensor(size_t index) const override { return tensors_[index]; }

 private:
  std::string place_;
  SafetensorsHeader header_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace

Checkpoint live_checkpoint(const std::string& directory, const std::map<std::string, at::Tensor>& weights) {
  return Checkpoint::of(directory, std::make_shared<LiveTensors>("model", weights));
}

}  // namespace circuit
