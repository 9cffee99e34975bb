// One slider over the discoveries; heat map, drawing, course and table follow it.
"use strict";

const PLAY_MILLISECONDS = 120;
const PLAY_FRAMES = 300;  // longer runs skip discoveries, so that playing takes half a minute
const LATEST_MILLISECONDS = 100;
const REST_MILLISECONDS = 150;  // more than a frame while playing
const TABLE_ROWS = 20;

class Explorer {
  constructor(section, runs) {
    this.runs = runs;
    this.t = 0;
    this.selected = null;
    this.fixed = true;
    this.most = new Map();
    element(section, "h2", {}, "The circuit, discovery by discovery");
    this.thinned = element(section, "p", { class: "note" });
    this.buildTime(section);
    this.buildHeat(section);
    this.buildCourse(section);
    this.drawing = new CircuitDrawing(section, this);
    this.buildTable(section);
    section.addEventListener("keydown", (event) => {
      const own = event.target.closest("button, select, a, input[type=checkbox]");
      if (event.key !== " " || own) return;
      event.preventDefault();
      this.toggle();
    });
    this.choose(0);
  }

  buildTime(section) {
    const bar = element(section, "div", { class: "time-bar" }), time = element(bar, "div", { class: "controls time" });
    if (this.runs.length > 1) {
      this.run = element(time, "select", { id: "run", "aria-label": "run" });
      choices(this.run, this.runs.map((run, i) => [i, run.name]), 0);
      this.run.addEventListener("change", () => this.choose(+this.run.value));
    }
    this.play = element(time, "button", { type: "button", id: "play", title: "space" }, "▶ Play");
    this.slider = element(time, "input", { type: "range", min: 0, value: 0, step: 1, id: "discovery", "aria-label": "discovery" });
    this.play.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => { this.stop(); this.show(+this.slider.value); });
    this.state = element(bar, "p", { class: "state", id: "state" });
  }

  buildHeat(section) {
    const figure = element(section, "figure", { class: "card wide", id: "heat" }), caption = element(figure, "figcaption"), head = element(caption, "div", { class: "head" });
    element(head, "h3", {}, "Strength of every node");
    dataButton(head, "strength of every node", () => this.heatData());
    element(caption, "p", {}, "Σ|score| over the node’s edges in the circuit. Rows are layers; the colour goes with the square root. Click a cell for its course over the run, below.");
    const controls = element(figure, "div", { class: "controls" });
    this.measure = labelled(controls, "strength of what it", "select", { id: "measure" });
    this.measure.addEventListener("change", () => this.setMeasure());
    const fixed = element(controls, "label");
    this.fixedBox = element(fixed, "input", { type: "checkbox", id: "fixed-scale", checked: "" });
    fixed.append("one scale for all discoveries");
    this.fixedBox.addEventListener("change", () => { this.fixed = this.fixedBox.checked; this.draw(); });
    this.heat = new HeatMap(figure, {
      label: () => `Strength of every node at step ${count(this.series.steps[this.t])}`,
      value: (cell) => this.cellValue(this.t, cell),
      most: () => this.heatMost(),
      text: (cell) => this.cellText(cell),
      selected: () => this.selected?.node,
      select: (node) => this.select({ node }),
    });
    this.legend = element(figure, "div", { class: "legend" });
    element(this.legend, "span", { class: "ramp" });
    this.ends = ["0", "", ""].map((text) => element(this.legend, "span", {}, text));
  }

  buildCourse(section) {
    const figure = element(section, "figure", { class: "card wide", id: "course" }), caption = element(figure, "figcaption"), head = element(caption, "div", { class: "head" });
    this.courseTitle = element(head, "h3", {}, "");
    dataButton(head, "course over the run", () => this.courseData());
    this.courseNote = element(caption, "p", { "aria-live": "polite" });
    this.plot = new SeriesPlot(figure, (t) => { this.stop(); this.show(t); });
    this.courseQuery = element(figure, "p", { class: "note" });
  }

  buildTable(section) {
    element(section, "h3", { class: "apart" }, "Strongest edges at this step");
    const of = (row) => this.series.score(this.t, row);
    this.table = new DataTable(section, {
      id: "strongest", label: "strongest edges", shown: TABLE_ROWS,
      columns: [
        { title: "edge", value: (e) => this.series.edgeName(e), kind: "edge" },
        { title: "score", value: of, text: (e) => signed(of(e)), kind: "number" },
        { title: "|score|", value: (e) => Math.abs(of(e)), text: (e) => number(Math.abs(of(e))), kind: "number" },
        { title: "since step", value: (e) => this.since(e), text: (e) => count(this.since(e)), kind: "number" },
      ],
    });
    this.table.order = { column: 2, falling: true };
  }
  // Step of the discovery at which the edge entered for the last time.
  since(edge) {
    const { series, t } = this;
    let found = 0;
    for (let i = series.start[edge]; i < series.start[edge + 1] && series.turns[i] <= t; i += 2) found = series.turns[i];
    return series.steps[found];
  }

  choose(run) {
    this.stop();
    this.series = this.runs[run];
    const { series } = this, grouped = series.downstream.some((name) => READER.exec(name)?.[2] === "kv");
    this.most.clear();
    this.drawing.setSeries(series);
    const measures = [["writes", "writes"], ["reads", grouped ? "reads (heads: queries; groups: keys and values)" : "reads (queries, keys and values)"], ["q", "reads as query"], ["k", "reads as key"], ["v", "reads as value"]];
    choices(this.measure, measures, "writes");
    this.slider.max = series.length - 1;
    this.play.disabled = this.slider.disabled = series.length === 1;
    this.t = series.length - 1;
    const kept = series.withScores === series.length ? "" : `The run kept the scores of all edges at ${count(series.withScores)} of these ${count(series.length)} discoveries; at the others the page has those of the circuit’s edges. `;
    this.thinned.textContent = kept + (series.length < series.discoveries ? `The slider has ${count(series.length)} of ${count(series.discoveries)} discoveries, evenly spread. ` : "") +
      (series.scored < series.graphEdges ? `The page holds the scores of the ${count(series.scored)} edges of largest |score| over the run, of ${count(series.graphEdges)}; when the others were in the circuit is here too` +
        (series.leftOut ? `, but for ${count(series.leftOut)} weak ones that found no room` : "") + ". Any edge: " : "");
    if (series.scored < series.graphEdges) element(this.thinned, "code", {}, `circuit query RUN "SELECT step, score FROM edge_series WHERE upstream = '${series.from(0)}' AND downstream = '${series.to(0)}'"`);
    let strongest = series.upstream[0];
    for (const name of series.upstream) if (series.strength(this.t, name) > series.strength(this.t, strongest)) strongest = name;
    this.selected = { node: strongest };
    this.focused = false;
    this.setMeasure();
  }
  setMeasure() {
    const { series } = this, measure = this.measure.value, grid = new HeatGrid();
    if (measure === "writes") series.upstream.forEach((name, i) => grid.add(name, i));
    else series.downstream.forEach((name, i) => { if (measure === "reads" || name.endsWith(`<${measure}>`)) grid.add(baseName(name), i); });
    this.values = measure === "writes" ? series.writes : series.reads;
    this.heat.grid = grid;
    this.draw();
  }
  cellValue(t, cell) {
    let sum = 0;
    for (const item of cell.items) sum += this.values.at(t, item);
    return sum;
  }
  largest(key, from, to, value) {
    if (this.most.has(key)) return this.most.get(key);
    let most = 0;
    for (let t = from; t <= to; ++t) most = Math.max(most, value(t));
    if (from !== to) this.most.set(key, most);
    return most;
  }
  heatMost() {
    const over = (t) => {
      let most = 0;
      for (const cell of this.heat.grid.cells.values()) most = Math.max(most, this.cellValue(t, cell));
      return most;
    };
    return this.fixed ? this.largest(this.measure.value, 0, this.series.length - 1, over) : over(this.t);
  }
  strongestNode() { return this.largest("node", 0, this.series.length - 1, (t) => this.drawing.strongestNow(t)); }
  strongestEdge() {
    const { series } = this;
    return this.largest("edge", 0, series.length - 1, (t) => {
      let most = 0;
      for (let e = 0; e < series.scored; ++e) most = Math.max(most, Math.abs(series.score(t, e)) || 0);
      return most;
    });
  }
  cellText(cell) {
    const value = this.cellValue(this.t, cell);
    const lines = [cell.name, value > 0 ? `Σ|score| ${number(value)}` : "not in the circuit this way"];
    const readers = this.measure.value === "reads" && cell.items.length > 1 ? cell.items : [];
    for (const item of readers) lines.push(`${READER.exec(this.series.downstream[item])[4]}: ${number(this.values.at(this.t, item))}`);
    return lines.join("\n");
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.series.length === 1) return;
    if (this.t === this.series.length - 1) this.show(0);
    this.play.textContent = "❚❚ Pause";
    const stride = Math.ceil(this.series.length / PLAY_FRAMES);
    this.timer = setInterval(() => {
      if (this.t + 1 >= this.series.length) return this.stop();
      this.show(Math.min(this.series.length - 1, this.t + stride));
    }, PLAY_MILLISECONDS);
  }
  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }
  // Moves there; at most one drawing a frame of the screen.
  show(t) {
    this.t = t;
    tip.hide();  // it says what was
    if (this.pending) { this.stale = true; return; }
    this.pending = true;
    this.draw(false);
    let done = false;
    const next = () => {
      if (done) return;
      done = true;
      this.pending = false;
      if (!this.stale) return;
      this.stale = false;
      this.draw(false);
    };
    requestAnimationFrame(next);
    setTimeout(next, LATEST_MILLISECONDS);  // a page that nobody sees has no frames
  }
  // Choosing the same again lets go of it: its course stays, the other edges come back.
  select(selected) {
    this.focused = !(this.focused && this.selected.node === selected.node && this.selected.edge === selected.edge);
    this.selected = selected;
    this.draw();
  }

  // Where the reader is, and back there in a page of the run with more discoveries: who was at the end follows it.
  place() {
    const { selected } = this, end = this.t === this.series.length - 1;
    return { run: this.runs.indexOf(this.series), step: end ? null : this.series.steps[this.t], measure: this.measure.value, focused: this.focused,
      node: selected.node, edge: selected.edge === undefined ? undefined : this.series.edgeName(selected.edge) };
  }
  restore({ run, step, measure, focused, node, edge }) {
    if (!(run in this.runs)) return;
    if (this.run) this.run.value = run;
    this.choose(run);
    this.measure.value = measure;
    const found = edge === undefined ? undefined : this.series.edgeByName(edge);
    if (found !== undefined) this.selected = { edge: found }; else if (node !== undefined) this.selected = { node };
    this.focused = focused;
    // Of a long run the page has other discoveries each time: the next one then.
    const at = step === null ? -1 : this.series.steps.findIndex((s) => s >= step);
    this.t = at < 0 ? this.series.length - 1 : at;
    this.setMeasure();
  }

  // Parts out of sight wait until the slider rests, unless all are asked for.
  draw(all = true) {
    const { series, t } = this, since = t > 0 ? series.turnover(t, t - 1) : null, exact = series.leftOut === 0;
    clearTimeout(this.rest);
    this.slider.value = t;
    this.slider.setAttribute("aria-valuetext", `step ${series.steps[t]}`);
    this.state.textContent = `Step ${count(series.steps[t])}: ${plural(series.edgesAt[t], "edge")} between ${plural(series.nodesAt[t], "node")}, ${percent(series.shareAt[t])} of the parameters trainable` +
      (since && exact ? `; ${count(since.entered)} entered, ${count(since.left)} left${series.length < series.discoveries ? " since the discovery shown before" : ""}.` : ".");
    const parts = [
      [this.heat.stage, () => this.drawHeat()],
      [this.plot.stage, () => this.drawCourse()],
      [this.drawing.canvas.stage, () => this.drawing.update()],
      [this.table.table, () => this.drawTable()],
    ];
    const hidden = [];
    for (const [part, draw] of parts) if (all || isInView(part)) draw(); else hidden.push(draw);
    if (hidden.length) this.rest = setTimeout(() => hidden.forEach((draw) => draw()), REST_MILLISECONDS);
  }
  drawHeat() {
    this.heat.draw();
    const most = this.heatMost();
    this.ends[1].textContent = number(most / 4);
    this.ends[2].textContent = number(most);
  }
  drawTable() {
    const { series, t } = this, inside = [];
    let unscored = 0;
    for (let e = 0; e < series.edges; ++e) {
      if (!series.inCircuit(t, e)) continue;
      if (Number.isNaN(series.score(t, e))) ++unscored; else inside.push(e);
    }
    this.table.show(inside, unscored ? ` Of ${plural(unscored, "more edge")} of the circuit the page has no score at this step.` : "");
  }
  curves() {
    const { series, selected } = this;
    if (selected.edge !== undefined) return [{ label: "score", at: (t) => series.score(t, selected.edge) }];
    return nodeCurves(series, selected.node);
  }
  isInside(t) {
    const { series, selected } = this;
    return selected.edge !== undefined ? series.turned(t, selected.edge) === 1 : series.strength(t, selected.node) > 0;
  }
  drawCourse() {
    const { series, selected, t } = this, isEdge = selected.edge !== undefined, name = isEdge ? series.edgeName(selected.edge) : selected.node;
    let inside = 0;
    for (let i = 0; i < series.length; ++i) inside += this.isInside(i);
    this.courseTitle.textContent = `${name} over the run`;
    this.courseNote.textContent = `${isEdge ? "Score of the edge" : "Σ|score| over the node’s edges in the circuit"}; in the circuit at ${count(inside)} of ${plural(series.length, "discovery").replace("discoverys", "discoveries")}. Click the curve to go there.`;
    const curves = this.curves();
    this.plot.show({ label: `Course of ${name}: ${curves.map((c) => `${c.label} ${number(c.at(t))}`).join(", ")} at step ${series.steps[t]}`, steps: series.steps, curves, inside: (i) => this.isInside(i), t });
    this.courseQuery.textContent = "";
    if (isEdge && Number.isNaN(series.score(t, selected.edge))) this.courseQuery.textContent = "The score at this step is not on the page.";
  }
  courseData() {
    const curves = this.curves(), { steps } = this.series, inside = steps.map((_, t) => this.isInside(t));
    return {
      columns: [{ title: "step", value: (t) => steps[t], kind: "number" },
        ...curves.map((c) => ({ title: c.label, value: c.at, text: (t) => number(c.at(t)), kind: "number" })),
        { title: "in circuit", value: (t) => (inside[t] ? "yes" : "no") }],
      rows: steps.map((_, t) => t),
    };
  }
  heatData() {
    const { t, series, values } = this;  // of now: the slider may move on behind the table
    const at = (cell) => cell.items.reduce((sum, item) => sum + values.at(t, item), 0);
    return {
      columns: [{ title: "node", value: (c) => c.name, kind: "edge" }, { title: `strength (${this.measure.value}) at step ${series.steps[t]}`, value: at, text: (c) => number(at(c)), kind: "number" }],
      rows: [...this.heat.grid.cells.values()],
    };
  }
}
