#include "store/logger.h"

namespace circuit {

const std::vector<Logger>& loggers() {
  static const std::vector<Logger> all{tensorboard_logger(), jsonl_logger()};
  return all;
}

}  // namespace circuit
