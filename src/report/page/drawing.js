// The circuit at the step shown, with filters by score, by kind and by when an edge came.
"use strict";

const LIMITS = [50, 100, 200, 400, 1000];
const WRITERS = [["head", "attention"], ["mlp", "MLP"], ["input", "input"]];
const READERS = [["q", "q"], ["k", "k"], ["v", "v"], ["mlp", "MLP"], ["logits", "logits"]];
const CHANGES = [
  ["all", "all edges of the circuit"],
  ["entered-previous", "entered since the previous discovery"], ["left-previous", "left since the previous discovery"], ["stayed-previous", "stayed since the previous discovery"],
  ["entered-first", "entered since the first discovery"], ["left-first", "left since the first discovery"], ["stayed-first", "stayed since the first discovery"],
];
const writerKind = (name) => (name === "input" ? "input" : MLP.test(name) ? "mlp" : "head");
const readerKind = (name) => READER.exec(name)?.[4] ?? (name === "logits" ? "logits" : "mlp");

class CircuitDrawing {
  constructor(parent, explorer) {
    this.explorer = explorer;
    this.writers = new Set(WRITERS.map(([kind]) => kind));
    this.readers = new Set(READERS.map(([kind]) => kind));
    const figure = element(parent, "figure", { class: "card wide", id: "drawing" });
    const caption = element(figure, "figcaption"), head = element(caption, "div", { class: "head" });
    element(head, "h3", {}, "The circuit");
    dataButton(head, "circuit at the step shown", () => this.data());
    element(caption, "p", {}, "Columns are heads with their readers q, k and v below, and the MLP; rows are layers. Nodes are darker the larger the sum of |score| " +
      "over their edges in the circuit. Hover a node for its edges alone; click a node or an edge for its course.");
    this.buildFilters(figure);
    this.note = element(figure, "p", { class: "note", id: "drawn" });
    this.canvas = new CircuitCanvas(figure, { node: (node) => explorer.select({ node }), edge: (edge) => explorer.select({ edge }) });
  }
  buildFilters(figure) {
    const update = () => this.update(), first = element(figure, "div", { class: "controls" });
    this.change = labelled(first, "show", "select", { id: "change" });
    choices(this.change, CHANGES, "all");
    this.limit = labelled(first, "at most", "select", { id: "limit" });
    choices(this.limit, LIMITS.map((n) => [n, `${n} edges`]), 200);
    const least = element(first, "label", {}, "|score| at least ");
    this.least = element(least, "input", { type: "range", min: 0, max: 100, value: 0, id: "least", "aria-label": "least score" });
    this.leastText = element(least, "output", {}, "0");
    const second = element(figure, "div", { class: "controls" });
    this.kinds(second, "from", WRITERS, this.writers, "from");
    this.kinds(second, "into", READERS, this.readers, "into");
    const keys = element(figure, "div", { class: "controls keys" });
    for (const [style, text] of [["background:var(--positive)", "supports the metric: cutting it would lower it"], ["background:var(--negative)", "works against it"], ["border-top:2px dashed var(--muted);background:none;height:0", "has left the circuit"]]) {
      const key = element(keys, "span", { class: "key" });
      element(key, "i", { style });
      key.append(text);
    }
    for (const control of [this.change, this.limit, this.least]) control.addEventListener("input", update);
  }
  kinds(parent, title, all, chosen, name) {
    const set = element(parent, "fieldset", { "aria-label": `edges ${title}` });
    element(set, "span", {}, title);
    for (const [kind, text] of all) {
      const label = element(set, "label"), box = element(label, "input", { type: "checkbox", checked: "", [`data-${name}`]: kind });
      label.append(text);
      box.addEventListener("change", () => {
        if (box.checked) chosen.add(kind); else chosen.delete(kind);
        this.update();
      });
    }
  }
  setSeries(series) {
    this.series = series;
    this.kindOf = Array.from({ length: series.edges }, (_, e) => [writerKind(series.from(e)), readerKind(series.to(e))]);
  }
  // Says of an edge whether it is to be seen at t, by the change asked for.
  belonging(t) {
    const [change, since] = this.change.value.split("-"), now = this.series.members(t);
    if (change === "all") return (edge) => now[edge];
    const then = this.series.members(since === "first" ? 0 : Math.max(0, t - 1));
    return change === "entered" ? (edge) => now[edge] && !then[edge] : change === "left" ? (edge) => then[edge] && !now[edge] : (edge) => now[edge] && then[edge];
  }
  // The edges to draw, by falling |score|: {edge, score}; and how many there were before the filters.
  edgesAt(t) {
    const { series } = this, asked = [], belongs = this.belonging(t);
    let unscored = 0, most = 0;
    for (let edge = 0; edge < series.edges; ++edge) {
      if (!belongs(edge)) continue;
      const score = series.score(t, edge);
      if (Number.isNaN(score)) { ++unscored; continue; }
      asked.push({ edge, score });
      most = Math.max(most, Math.abs(score));
    }
    const least = most * (this.least.value / 100) ** 2;
    const shown = asked.filter(({ edge, score }) => Math.abs(score) >= least && this.writers.has(this.kindOf[edge][0]) && this.readers.has(this.kindOf[edge][1]));
    shown.sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
    return { shown, asked: asked.length + unscored, unscored, least, most };
  }
  update() {
    const { series, explorer } = this, { t } = explorer, { shown, asked, unscored, least, most } = this.edgesAt(t);
    const drawn = shown.slice(0, +this.limit.value);
    this.leastText.textContent = number(least);
    let sum = 0, total = 0;
    for (const { score } of drawn) sum += Math.abs(score);
    for (let i = 0; i < series.upstream.length; ++i) total += series.writes.at(t, i);
    const whole = this.change.value === "all" && total > 0 ? ` (${(100 * Math.min(1, sum / total)).toFixed(0)} % of the summed |score|)` : "";
    this.note.textContent = (drawn.length === asked ? (asked === 0 ? "There is no such edge at this step." : `All ${plural(asked, "edge")} drawn.`)
      : drawn.length === asked - unscored ? `Drawn: ${count(drawn.length)} of ${plural(asked, "edge")}.`
      : `Drawn: ${count(drawn.length)} of ${plural(asked, "edge")}, the strongest that pass the filters${whole}.`) +
      (unscored ? ` ${plural(unscored, "edge")} cannot be drawn: the page does not have ${unscored === 1 ? "its score" : "their scores"} at this step.` : "");
    const nodeMost = explorer.fixed ? explorer.strongestNode() : this.strongestNow(t);
    const scale = explorer.fixed ? explorer.strongestEdge() : most;
    this.canvas.draw({
      series,
      label: `Circuit at step ${count(series.steps[t])}, ${plural(drawn.length, "edge")} drawn`,
      lines: drawn.reverse().map(({ edge, score }) => ({
        edge, from: series.from(edge), to: series.to(edge), size: scale > 0 ? Math.min(1, Math.abs(score) / scale) : 0,
        colour: score < 0 ? palette.negative : palette.positive, dash: !series.inCircuit(t, edge),
        text: `${series.edgeName(edge)}\nscore ${signed(score)}${series.inCircuit(t, edge) ? "" : ", no longer in the circuit"}`,
      })),
      node: (name) => this.node(t, name, nodeMost),
      selected: explorer.selected,
      focus: explorer.focused ? explorer.selected : null,
    });
  }
  node(t, name, most) {
    const out = this.series.writesOf(t, name), into = this.series.readsOf(t, name);
    // MLPs are upstream and downstream under one name; they show the stronger side.
    const strength = Math.max(out ?? 0, into ?? 0), lines = [name];
    if (strength === 0) lines.push("not in the circuit");
    else {
      if (out !== null) lines.push(`writes: Σ|score| ${number(out)}`);
      if (into !== null) lines.push(`reads: Σ|score| ${number(into)}`);
    }
    return { shade: most > 0 ? Math.sqrt(Math.min(1, strength / most)) : 0, inside: strength > 0, text: lines.join("\n") };
  }
  strongestNow(t) {
    const { series } = this;
    let most = 0;
    for (let i = 0; i < series.upstream.length; ++i) most = Math.max(most, series.writes.at(t, i));
    for (let i = 0; i < series.downstream.length; ++i) most = Math.max(most, series.reads.at(t, i));
    return most;
  }
  data() {
    const { series } = this, { t } = this.explorer, rows = this.edgesAt(t).shown;  // of now: the slider may move on
    return {
      columns: [{ title: "edge", value: (r) => series.edgeName(r.edge), kind: "edge" }, { title: "score", value: (r) => r.score, text: (r) => signed(r.score), kind: "number" },
        { title: "in circuit", value: (r) => (series.inCircuit(t, r.edge) ? "yes" : "no") }],
      rows,
    };
  }
}
