// Files of what is finer than edges: scores by pairs of spans, and scores of MLP channels.
#pragma once

#include <string>

#include "scoring/channels.h"
#include "scoring/scorer.h"

namespace circuit {

// span_scores [edges, spans, spans] float32 (where, for whom), edge and span names in the metadata. Written by
// atomic rename.
void write_span_scores(const std::string& path, const Graph& graph, const SpanScores& scores);

// channel_scores [layers, channels of the widest layer] float32, zero where a layer has fewer.
void write_channel_scores(const std::string& path, const ChannelScores& scores);
// Throws Error naming the file: no such tensor, of another dtype or rank, or a score that is not finite.
ChannelScores read_channel_scores(const std::string& path);

// Such a file: its edges by name, in the order of the scores.
struct SpanFile {
  std::vector<std::string> edges;
  SpanScores scores;
};
// Throws Error naming the file: a tensor or metadata that are missing or do not fit each other, a score that is not
// finite.
SpanFile read_span_scores(const std::string& path);

}  // namespace circuit
