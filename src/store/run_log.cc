#include "store/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "core/error.h"
#include "core/names.h"
#include "io/files.h"

namespace circuit {
namespace {

// Numbers alone; seconds stand last, where time_ finds them.
constexpr const char* kSteps =
    "SELECT step, loss, metric, learning_rate, gradient_norm, target_tokens, trainable_parameters, seconds "
    "FROM steps "
    "WHERE step = ?";
constexpr const char* kDiscoveries =
    "SELECT step, n_edges, n_nodes, trainable_parameters, trainable_share, metric, examples, "
    "jaccard_edges_previous, "
    "jaccard_edges_first, jaccard_nodes_previous, jaccard_nodes_first, rank_correlation_previous, entered, "
    "left, "
    "sum_rule_error, seconds FROM discoveries WHERE step = ?";

// meta's time of creation, "2026-01-02T03:04:05Z".
int64_t begun(Database& db) {
  Statement row = db.prepare("SELECT value FROM meta WHERE key = 'created'");
  std::tm utc{};
  const std::string text = row.step() ? row.text(0) : "";
  if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc) == nullptr) {
    fail(db.path(), "meta created: found '{}', expected a time such as 2026-01-02T03:04:05Z.", text);
  }
  return timegm(&utc);
}

int open_to_append(const std::string& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot open it: {}.", std::strerror(errno));
  return descriptor;
}

void append(int descriptor, const std::string& path, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail(path, "cannot write: {}.", std::strerror(errno));
    done += static_cast<size_t>(wrote);
  }
}

}  // namespace

RunLog::RunLog(Database& db, const std::string& run, const std::vector<std::string>& names) : db_(db) {
  if (names.empty()) return;
  const int64_t start = begun(db);
  time_ = static_cast<double>(start);
  const std::vector<LogRow> rows = all_rows();
  for (const std::string& name : names) {
    const Logger& logger = find_named(loggers(), "run.loggers", name);
    const std::string path = run + "/" + logger.file(start);
    std::string content = logger.header(start);
    for (const LogRow& row : rows) content += logger.encode(row);
    make_directories(std::filesystem::path(path).parent_path().string());
    write_file(path, content);
    files_.push_back({logger, path, open_to_append(path)});
  }
}

RunLog::~RunLog() {
  for (const File& file : files_) close(file.descriptor);
}

LogRow RunLog::row_of(const Statement& statement, const std::string& kind) const {
  LogRow row{kind, 0, time_, {}};
  for (int c = 0; c < statement.columns(); ++c) {
    const std::string name = statement.column_name(c);
    if (name == "step") {
      row.step = statement.integer(c);
    } else if (statement.is_null(c)) {
      row.values.emplace_back(name, std::nullopt);
    } else {
      row.values.emplace_back(name, statement.real(c));
    }
  }
  return row;
}

LogRow RunLog::evaluation_row(int64_t step) {
  LogRow row{"evaluation", step, time_, {}};
  Statement values = db_.prepare("SELECT name, value FROM evaluations WHERE step = ? ORDER BY name");
  values.bind(1, step);
  while (values.step()) {
    if (evaluated_.insert({step, values.text(0)}).second) row.values.emplace_back(values.text(0), values.real(1));
  }
  return row;
}

std::vector<LogRow> RunLog::all_rows() {
  // At each step in the order in which a run comes by them: an evaluation is of the state before the update.
  Statement parts = db_.prepare(
      "SELECT step, 0 AS part FROM evaluations UNION SELECT step, 1 FROM discoveries UNION SELECT step, 2 "
      "FROM steps "
      "ORDER BY step, part");
  Statement discoveries = db_.prepare(kDiscoveries);
  Statement steps = db_.prepare(kSteps);
  std::vector<LogRow> rows;
  while (parts.step()) {
    const int64_t step = parts.integer(0);
    if (parts.integer(1) == 0) {
      rows.push_back(evaluation_row(step));
      continue;
    }
    const bool is_step = parts.integer(1) == 2;
    Statement& statement = is_step ? steps : discoveries;
    statement.bind(1, step);
    statement.step();
    if (is_step) time_ += statement.real(statement.columns() - 1);
    rows.push_back(row_of(statement, is_step ? "step" : "discovery"));
    statement.run();
  }
  return rows;
}

void RunLog::write(const LogRow& row) {
  for (const File& file : files_) append(file.descriptor, file.path, file.logger.encode(row));
}

void RunLog::discovery(int64_t step) {
  if (files_.empty()) return;
  Statement row = db_.prepare(kDiscoveries);
  row.bind(1, step);
  if (row.step()) write(row_of(row, "discovery"));
}

void RunLog::step(int64_t step) {
  if (files_.empty()) return;
  Statement row = db_.prepare(kSteps);
  row.bind(1, step);
  if (!row.step()) return;
  time_ += row.real(row.columns() - 1);
  write(row_of(row, "step"));
}

void RunLog::evaluation(int64_t step) {
  if (files_.empty()) return;
  const LogRow row = evaluation_row(step);
  if (!row.values.empty()) write(row);
}

}  // namespace circuit
