// A device that is not there: PrivateUse1 tensors whose memory no host code may touch outside an operator, and whose
// operators refuse tensors of another device as CUDA's would. It finds device mix-ups and reads of device memory
// without a GPU, and counts what a GPU would be asked for. Operators compute on the CPU, with its kernels.
// libtorch 1.13 only.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace circuit {

struct FakeDeviceCounts {
  int64_t launches = 0;  // kernels; of a foreach operator one where CUDA's is fused, else one a tensor
  int64_t items = 0;     // .item(): the host waits for one number
  int64_t to_host = 0;   // copies: the host waits, too
  int64_t to_device = 0;
  std::map<std::string, int64_t> by_operator;
};

at::Device fake_device();
// Since the last reset.
FakeDeviceCounts fake_device_counts();
void reset_fake_device_counts();

}  // namespace circuit
