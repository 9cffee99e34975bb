// The tables of run.db (docs/formats.md explains every column). Readable by sqlite3, pandas and DuckDB. Nothing outside
// this folder knows a name of these. A change here is a step in migrations.cc.
#pragma once

namespace circuit {

// Steps count from 0. A discovery or step row belongs to the update of that number; an evaluation row
// `step` is measured on the state after `step` updates (so 0 = the base model).
constexpr const char* kSchemaSql = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Every edge of the graph in edge order; `id` is also its index in the score vectors.
CREATE TABLE edges(id INTEGER PRIMARY KEY, upstream TEXT NOT NULL, downstream TEXT NOT NULL);
-- Every trainable unit of a node: `length` indices from `start` of dimension `dim` of a tensor.
CREATE TABLE slices(id INTEGER PRIMARY KEY, node TEXT NOT NULL, tensor TEXT NOT NULL, dim INTEGER NOT NULL,
                    start INTEGER NOT NULL, length INTEGER NOT NULL, parameters INTEGER NOT NULL);
CREATE TABLE steps(step INTEGER PRIMARY KEY, loss REAL NOT NULL, metric REAL, learning_rate REAL NOT NULL,
                   gradient_norm REAL NOT NULL, target_tokens INTEGER NOT NULL, trainable_parameters INTEGER NOT NULL,
                   seconds REAL NOT NULL);
-- jaccard_*: |A∩B| / |A∪B| with the previous and the first discovery; NULL at the first.
-- rank_correlation: Spearman's rho of the score vectors with the previous discovery; NULL at the first.
-- scores: float32 little endian, one per edge in edge order; NULL where run.keep_scores does not keep them.
-- upstream_strength, downstream_strength: float32, sum over the circuit's edges of |score| per node, in node order
-- (meta: upstream_nodes, downstream_nodes).
CREATE TABLE discoveries(step INTEGER PRIMARY KEY, n_edges INTEGER NOT NULL, n_nodes INTEGER NOT NULL,
                         trainable_parameters INTEGER NOT NULL, trainable_share REAL NOT NULL, metric REAL NOT NULL,
                         examples INTEGER NOT NULL, jaccard_edges_previous REAL, jaccard_edges_first REAL,
                         jaccard_nodes_previous REAL, jaccard_nodes_first REAL, rank_correlation_previous REAL,
                         entered INTEGER NOT NULL, left INTEGER NOT NULL, sum_rule_error REAL, seconds REAL NOT NULL,
                         scores BLOB, upstream_strength BLOB NOT NULL, downstream_strength BLOB NOT NULL);
CREATE TABLE circuit_edges(step INTEGER NOT NULL, edge INTEGER NOT NULL, score REAL NOT NULL,
                           PRIMARY KEY(step, edge)) WITHOUT ROWID;
-- Norms of the current slices' gradient (after clipping) and update, at the step of each discovery.
CREATE TABLE slice_norms(step INTEGER NOT NULL, slice INTEGER NOT NULL, gradient_norm REAL NOT NULL,
                         update_norm REAL NOT NULL, PRIMARY KEY(step, slice)) WITHOUT ROWID;
CREATE TABLE evaluations(step INTEGER NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
                         PRIMARY KEY(step, name)) WITHOUT ROWID;
)sql";

constexpr const char* kTables[] = {"meta",        "edges",         "slices",      "steps",
                                   "discoveries", "circuit_edges", "slice_norms", "evaluations"};

// What a person would ask for, in terms of the tables. `circuit query` makes them for every run, and a run has them in
// its file for other readers.
struct View {
  const char* name;
  const char* select;
};
constexpr View kViews[] = {
    // The circuit of every discovery, by name.
    {"circuits", R"sql(SELECT c.step, c.edge, e.upstream, e.downstream, c.score
                       FROM circuit_edges c JOIN edges e ON e.id = c.edge)sql"},
    // The circuit that was trained at every step: that of the last discovery up to it.
    {"circuit_at", R"sql(SELECT s.step, c.edge, e.upstream, e.downstream, c.score
                         FROM steps s JOIN circuit_edges c
                           ON c.step = (SELECT max(d.step) FROM discoveries d WHERE d.step <= s.step)
                         JOIN edges e ON e.id = c.edge)sql"},
    // Edges that a discovery's circuit has and the one before had not, and the other way round.
    {"entries_exits",
     R"sql(WITH turns AS (SELECT step, lag(step) OVER (ORDER BY step) AS previous FROM discoveries)
           SELECT t.step, c.edge, e.upstream, e.downstream, 'entered' AS change
           FROM turns t JOIN circuit_edges c ON c.step = t.step JOIN edges e ON e.id = c.edge
           WHERE t.previous IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM circuit_edges p WHERE p.step = t.previous AND p.edge = c.edge)
           UNION ALL
           SELECT t.step, p.edge, e.upstream, e.downstream, 'left'
           FROM turns t JOIN circuit_edges p ON p.step = t.previous JOIN edges e ON e.id = p.edge
           WHERE NOT EXISTS (SELECT 1 FROM circuit_edges c WHERE c.step = t.step AND c.edge = p.edge))sql"},
};
// The score of every edge at every discovery whose scores were kept, in the circuit or not; float_at(blob, index) is
// `circuit query`'s own.
constexpr View kEdgeSeries = {"edge_series", R"sql(SELECT d.step, e.id AS edge, e.upstream, e.downstream,
                                                     float_at(d.scores, e.id) AS score
                                                   FROM discoveries d, edges e
                                                   WHERE d.scores IS NOT NULL)sql"};

}  // namespace circuit
