#include "store/logger.h"

namespace circuit {

#define CIRCUIT_MADE(name) name(),
const std::vector<Logger>& loggers() {
  static const std::vector<Logger> all{CIRCUIT_LOGGERS(CIRCUIT_MADE)};
  return all;
}
#undef CIRCUIT_MADE

}  // namespace circuit
