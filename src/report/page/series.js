// A run's circuits over time as typed arrays: series_data.h packs them. Positions t count the page's discoveries.
"use strict";

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The value of every half, by its bits.
const HALF = (() => {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 32768; ++bits) {
    const exponent = bits >> 10, fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    values[bits] = size;
    values[bits | 32768] = -size;
  }
  return values;
})();

// Rows of halves, [rows, width].
class Halves {
  constructor({ scale, halves }, width) {
    this.scale = scale;
    this.width = width;
    this.bits = new Uint16Array(bytesOf(halves).buffer);
  }
  at(row, i) { return HALF[this.bits[row * this.width + i]] * this.scale; }
}

function turnsOf(base64, edges) {
  const bytes = bytesOf(base64);
  let at = 0, total = 0;
  const varint = () => {
    let value = 0, shift = 0;
    for (;;) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
      shift += 7;
    }
  };
  const start = new Uint32Array(edges + 1), turns = new Uint16Array(bytes.length);
  for (let e = 0; e < edges; ++e) {
    let t = 0;
    for (let n = varint(); n > 0; --n) turns[total++] = t += varint();
    start[e + 1] = total;
  }
  return { start, turns: turns.slice(0, total) };
}

const KNOWN_CIRCUITS = 8;
const baseName = (name) => name.replace(/<[qkv]>$/, "");

class RunSeries {
  constructor(data) {
    const { name, method, parallel, upstream, downstream, steps, discoveries, scored } = data;
    Object.assign(this, { name, method, parallel, upstream, downstream, steps, discoveries, scored });
    this.graphEdges = data.graph_edges;
    this.leftOut = data.left_out;
    this.withScores = data.with_scores;
    this.edgesAt = data.n_edges;
    this.nodesAt = data.n_nodes;
    this.shareAt = data.share;
    this.length = steps.length;
    this.writes = new Halves(data.upstream_strength, upstream.length);
    this.reads = new Halves(data.downstream_strength, downstream.length);
    this.scores = new Halves(data.scores, scored);
    const ends = bytesOf(data.ends);
    this.ends = data.index_bytes === 2 ? new Uint16Array(ends.buffer) : new Uint32Array(ends.buffer);
    this.edges = this.ends.length / 2;
    Object.assign(this, turnsOf(data.turns, this.edges));
    this.known = new Map();
    this.readers = new Map();  // by node, the positions of its readers in `downstream`
    downstream.forEach((reader, i) => {
      const node = baseName(reader);
      if (!this.readers.has(node)) this.readers.set(node, []);
      this.readers.get(node).push(i);
    });
    this.writers = new Map(upstream.map((writer, i) => [writer, i]));
    this.readerAt = new Map(downstream.map((reader, i) => [reader, i]));
  }
  from(edge) { return this.upstream[this.ends[2 * edge]]; }
  to(edge) { return this.downstream[this.ends[2 * edge + 1]]; }
  edgeName(edge) { return `${this.from(edge)} → ${this.to(edge)}`; }
  // NaN where the page or the run does not have it.
  score(t, edge) { return edge < this.scored ? this.scores.at(t, edge) : NaN; }
  inCircuit(t, edge) { return this.members(t)[edge] === 1; }
  // 1 for every edge of the circuit at t; those asked for last are kept.
  members(t) {
    let found = this.known.get(t);
    if (found) return found;
    if (this.known.size >= KNOWN_CIRCUITS) this.known.delete(this.known.keys().next().value);
    found = new Uint8Array(this.edges);
    for (let edge = 0; edge < this.edges; ++edge) found[edge] = this.turned(t, edge);
    this.known.set(t, found);
    return found;
  }
  // 1 where so many turns lie at or before t that the edge is in.
  turned(t, edge) {
    let low = this.start[edge], high = this.start[edge + 1];
    const first = low;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.turns[middle] <= t) low = middle + 1; else high = middle;
    }
    return (low - first) & 1;
  }
  // Σ|score| over the node's edges of the circuit, on the stronger of its sides.
  strength(t, name) {
    return Math.max(this.writesOf(t, name) ?? 0, this.read(t, name));
  }
  // What one box of a drawing shows: null where it has no such side.
  writesOf(t, name) {
    const writer = this.writers.get(name);
    return writer === undefined ? null : this.writes.at(t, writer);
  }
  readsOf(t, name) {
    const reader = this.readerAt.get(name);
    return reader === undefined ? null : this.reads.at(t, reader);
  }
  read(t, name) {
    let sum = 0;
    for (const reader of this.readers.get(name) ?? []) sum += this.reads.at(t, reader);
    return sum;
  }
  // {entered, left, stayed} from position `before` to t, of the edges that are here.
  turnover(t, before) {
    const counts = { entered: 0, left: 0, stayed: 0 }, here = this.members(t), there = this.members(before);
    for (let e = 0; e < this.edges; ++e) {
      const now = here[e], then = there[e];
      if (now && then) ++counts.stayed; else if (now) ++counts.entered; else if (then) ++counts.left;
    }
    return counts;
  }
  // Edge → its position; built when first asked for.
  edgeByName(name) {
    if (!this.byName) {
      this.byName = new Map();
      for (let e = 0; e < this.edges; ++e) this.byName.set(this.edgeName(e), e);
    }
    return this.byName.get(name);
  }
}

// The curves of a node: what it writes, what each of its readers reads.
const READS_AS = { q: "reads as query", k: "reads as key", v: "reads as value" };
function nodeCurves(series, name) {
  const curves = [], writer = series.writers.get(name);
  if (writer !== undefined) curves.push({ label: "writes", at: (t) => series.writes.at(t, writer) });
  for (const reader of series.readers.get(name) ?? []) {
    const kind = /<([qkv])>$/.exec(series.downstream[reader])?.[1];
    curves.push({ label: READS_AS[kind] ?? "reads", at: (t) => series.reads.at(t, reader) });
  }
  return curves;
}
