// A run's rows as other tools read them while it goes on: a logger turns a row of run.db into bytes of its
// own file. One file a logger; the list is in logger.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace circuit {

struct LogRow {
  std::string kind;  // step, discovery, evaluation: of which table
  int64_t step = 0;
  // Seconds since 1970: when the run was made, and the seconds of its steps since. So a row has the same time
  // when a resumed run writes it again.
  double time = 0;
  std::vector<std::pair<std::string, std::optional<double>>>
      values;  // by column, or an evaluation's name; nullopt: NULL
};

struct Logger {
  std::string name;
  std::string (*file)(int64_t begun);    // its file below the run's folder; begun: seconds since 1970
  std::string (*header)(int64_t begun);  // the file's first bytes
  std::string (*encode)(const LogRow& row);
};

const std::vector<Logger>& loggers();

// A logger is one file and one line here. It is declared, and listed in this order.
#define CIRCUIT_LOGGERS(METHOD) \
  METHOD(tensorboard_logger)    \
  METHOD(jsonl_logger)
#define CIRCUIT_DECLARE(name) Logger name();
CIRCUIT_LOGGERS(CIRCUIT_DECLARE)
#undef CIRCUIT_DECLARE

}  // namespace circuit
