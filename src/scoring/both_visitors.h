// One backward seen by two.
#pragma once

#include "model/backward.h"

namespace circuit {

class BothVisitors : public BackwardVisitor {
 public:
  BothVisitors(BackwardVisitor& first, BackwardVisitor& second) : first_(first), second_(second) {}
  void on_mlp(const MlpBackward& g) override {
    first_.on_mlp(g);
    second_.on_mlp(g);
  }
  void on_attention(const AttentionBackward& g) override {
    first_.on_attention(g);
    second_.on_attention(g);
  }
  void on_embedding(const at::Tensor& d_stream) override {
    first_.on_embedding(d_stream);
    second_.on_embedding(d_stream);
  }
  void on_replaced(const Block& block, const at::Tensor& d_stream) override {
    first_.on_replaced(block, d_stream);
    second_.on_replaced(block, d_stream);
  }

 private:
  BackwardVisitor& first_;
  BackwardVisitor& second_;
};

}  // namespace circuit
