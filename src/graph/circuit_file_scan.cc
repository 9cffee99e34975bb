#include "graph/circuit_file_scan.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace circuit {
namespace {

// Deep enough for any circuit file (neurons of nodes are 4 deep), far from the end of the stack.
constexpr size_t kMaxDepth = 128;

// Depths at which the next key or value belongs to the file's object, to `edges`, to one edge.
constexpr size_t kFile = 1;
constexpr size_t kEdges = 2;
constexpr size_t kEdge = 3;

class Events final : public nlohmann::json_sax<Json> {
 public:
  Events(std::string_view text, const std::string& place) : text_(text), place_(place) {}
  ScannedCircuit take() { return std::move(scanned_); }

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(number_integer_t v) override { return value(v); }
  bool number_unsigned(number_unsigned_t v) override { return value(v); }
  bool number_float(number_float_t v, const string_t&) override { return value(v); }
  bool string(string_t& v) override { return value(std::move(v)); }
  bool binary(binary_t&) override { return true; }  // JSON text has none
  bool start_object(size_t) override { return start(Json::object()); }
  bool start_array(size_t) override { return start(Json::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool key(string_t& name) override;
  bool parse_error(size_t byte, const std::string&, const nlohmann::detail::exception&) override;

 private:
  bool value(Json v);
  bool start(Json container);
  bool end();
  // Puts a value of anything but the edges where it belongs and returns its place there.
  Json* put(Json v);
  // A value inside `edges`.
  void edge_value(const Json& v);
  void finish_edge();
  std::string edge_place() const { return place_ + ", edge '" + edge_.name + "'"; }

  std::string_view text_;
  const std::string& place_;
  ScannedCircuit scanned_;
  size_t depth_ = 0;
  std::vector<Json*> open_;  // containers of root that are not closed yet
  std::string key_;          // the last one, of the innermost object
  bool in_edges_ = false;
  ScannedEdge edge_;
  bool has_score_ = false;
  bool has_in_graph_ = false;
};

bool Events::key(string_t& name) {
  if (depth_ == kFile) in_edges_ = name == "edges";
  bool twice = false;
  if (!in_edges_) {
    twice = open_.back()->contains(name);
  } else if (depth_ == kFile) {
    twice = std::exchange(scanned_.has_edges, true);
  } else if (depth_ == kEdge) {
    twice = (name == "score" && has_score_) || (name == "in_graph" && has_in_graph_) ||
            (name == "stability" && edge_.stability.has_value());
  }
  if (twice) fail(place_, "key '{}' appears twice in one object.", name);
  key_ = std::move(name);
  return true;
}

bool Events::value(Json v) {
  if (in_edges_) {
    edge_value(v);
  } else {
    put(std::move(v));
  }
  return true;
}

Json* Events::put(Json v) {
  if (open_.empty()) {
    fail(place_, "found a JSON {}, expected an object with cfg, nodes and edges.", v.type_name());
  }
  Json& parent = *open_.back();
  if (parent.is_array()) return &parent.emplace_back(std::move(v));
  return &(parent[key_] = std::move(v));
}

void Events::edge_value(const Json& v) {
  if (depth_ == kFile) fail(place_, "edges: found a {}, expected an object.", v.type_name());
  if (depth_ == kEdges) {
    fail(place_ + ", edge '" + key_ + "'", "found a {}, expected an object with score and in_graph.", v.type_name());
  }
  if (depth_ != kEdge) return;
  if (key_ == "score") {
    if (!v.is_number()) fail(edge_place(), "score: found a {}, expected a number.", v.type_name());
    edge_.score = v.get<double>();
    has_score_ = true;
  } else if (key_ == "in_graph") {
    if (!v.is_boolean()) fail(edge_place(), "in_graph: found a {}, expected true or false.", v.type_name());
    edge_.in_graph = v.get<bool>();
    has_in_graph_ = true;
  } else if (key_ == "stability") {
    if (!v.is_number()) fail(edge_place(), "stability: found a {}, expected a number.", v.type_name());
    edge_.stability = v.get<double>();
  }
}

bool Events::start(Json container) {
  if (depth_ == kMaxDepth) fail(place_, "JSON nested deeper than {} levels.", kMaxDepth);
  if (depth_ == 0) {
    if (!container.is_object()) put(std::move(container));  // refuses it
    scanned_.root = Json::object();
    open_.push_back(&scanned_.root);
  } else if (!in_edges_) {
    open_.push_back(put(std::move(container)));
  } else if (depth_ == kEdges && container.is_object()) {
    edge_ = {key_, 0, false, std::nullopt};
    has_score_ = has_in_graph_ = false;
  } else if (depth_ != kFile || !container.is_object()) {
    edge_value(container);
  }
  ++depth_;
  return true;
}

bool Events::end() {
  --depth_;
  if (depth_ < kFile) return true;
  if (!in_edges_) {
    open_.pop_back();
  } else if (depth_ == kEdges) {
    finish_edge();
  }
  return true;
}

void Events::finish_edge() {
  if (!has_score_) fail(edge_place(), "key 'score' is missing.");
  if (!has_in_graph_) fail(edge_place(), "key 'in_graph' is missing.");
  scanned_.edges.push_back(std::move(edge_));
}

bool Events::parse_error(size_t byte, const std::string&, const nlohmann::detail::exception&) {
  // Python's json writes these words, which JSON does not have.
  if (const auto number = non_finite_at(text_, byte > 0 ? byte - 1 : 0)) {
    const std::string edge = in_edges_ && depth_ == kEdge ? "edge '" + edge_.name + "': " : "";
    fail(place_, "{}found {} {}, expected a number.", edge, key_, non_finite_name(*number));
  }
  const std::string_view before = text_.substr(0, byte > 0 ? byte - 1 : 0);
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  fail(place_, "not valid JSON at line {}, column {}.", line, column);
}

}  // namespace

ScannedCircuit scan_circuit_json(std::string_view text, const std::string& place) {
  Events events(text, place);
  Json::sax_parse(text.begin(), text.end(), &events);
  return events.take();
}

}  // namespace circuit
