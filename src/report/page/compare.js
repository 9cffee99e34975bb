// Two circuits, of one run or of two: what is in both, only in the first, only in the second.
"use strict";

const DRAWN_OF_EACH = 150;
const STATES = { removed: "only in A", added: "only in B", shared: "in both" };

class Comparison {
  constructor(section, runs) {
    this.runs = runs;
    element(section, "h2", {}, runs.length > 1 ? "Two circuits side by side" : "Two steps compared");
    this.sides = ["A", "B"].map((name, i) => this.side(section, name, i));
    this.summary = element(section, "p", { class: "overview", id: "compared", "aria-live": "polite" });
    const figure = element(section, "figure", { class: "card wide" }), caption = element(figure, "figcaption"), head = element(caption, "div", { class: "head" });
    element(head, "h3", {}, "What moved");
    const keys = element(caption, "div", { class: "controls keys" });
    for (const [state, colour] of [["removed", "negative"], ["added", "positive"], ["shared", "muted"]]) {
      const key = element(keys, "label", { class: "key" }), box = element(key, "input", { type: "checkbox", checked: "", "data-state": state });
      element(key, "i", { style: `background:var(--${colour})` });
      key.append(STATES[state]);
      box.addEventListener("change", () => this.draw());
    }
    this.boxes = [...keys.querySelectorAll("input")];
    this.note = element(figure, "p", { class: "note" });
    this.canvas = new CircuitCanvas(figure, null);
    this.table = new DataTable(section, {
      id: "changes", label: "edges compared", shown: 20,
      columns: [
        { title: "edge", value: (r) => r.name, kind: "edge" },
        { title: "where", value: (r) => STATES[r.state] },
        { title: "score in A", value: (r) => r.a, text: (r) => (Number.isNaN(r.a) ? "–" : signed(r.a)), kind: "number" },
        { title: "score in B", value: (r) => r.b, text: (r) => (Number.isNaN(r.b) ? "–" : signed(r.b)), kind: "number" },
        { title: "|change|", value: (r) => Math.abs(r.b - r.a), text: (r) => number(Math.abs(r.b - r.a)), kind: "number" },
      ],
    });
    this.update();
  }
  side(section, name, i) {
    const controls = element(section, "div", { class: "controls time" }), side = { name };
    element(controls, "strong", {}, name);
    if (this.runs.length > 1) {
      side.run = element(controls, "select", { "aria-label": `run of ${name}`, id: `run-${name}` });
      choices(side.run, this.runs.map((run, k) => [k, run.name]), Math.min(i, this.runs.length - 1));
    }
    side.slider = element(controls, "input", { type: "range", min: 0, step: 1, id: `step-${name}`, "aria-label": `discovery of ${name}` });
    side.text = element(controls, "output", { class: "at" });
    const reset = () => {
      side.series = this.runs[side.run ? +side.run.value : 0];
      side.slider.max = side.series.length - 1;
      // Of one run its ends, of several the last circuits.
      side.slider.value = this.runs.length > 1 || i === 1 ? side.series.length - 1 : 0;
    };
    reset();
    side.run?.addEventListener("change", () => { reset(); this.update(); });
    side.slider.addEventListener("input", () => this.update());
    return side;
  }
  rows() {
    const [A, B] = this.sides, rows = [], ta = +A.slider.value, tb = +B.slider.value, same = A.series === B.series;
    const seen = new Set();
    for (let e = 0; e < A.series.edges; ++e) {
      const inA = A.series.inCircuit(ta, e), other = same ? e : inA ? B.series.edgeByName(A.series.edgeName(e)) : undefined;
      const inB = other !== undefined && B.series.inCircuit(tb, other);
      if (!inA && !inB) continue;
      if (inB) seen.add(other);
      rows.push({ name: A.series.edgeName(e), from: A.series.from(e), to: A.series.to(e), state: inA ? (inB ? "shared" : "removed") : "added",
        a: A.series.score(ta, e), b: other === undefined ? NaN : B.series.score(tb, other) });
    }
    if (!same) {
      for (let e = 0; e < B.series.edges; ++e) {
        if (!B.series.inCircuit(tb, e) || seen.has(e)) continue;
        const other = A.series.edgeByName(B.series.edgeName(e));
        rows.push({ name: B.series.edgeName(e), from: B.series.from(e), to: B.series.to(e), state: "added", a: other === undefined ? NaN : A.series.score(ta, other), b: B.series.score(tb, e) });
      }
    }
    const size = (r) => Math.max(Math.abs(r.a) || 0, Math.abs(r.b) || 0);
    return rows.sort((x, y) => size(y) - size(x));
  }
  nodes() {
    const [A, B] = this.sides, counts = { shared: 0, removed: 0, added: 0 };
    const inside = (side, name, kind) => {
      const t = +side.slider.value;
      return (kind === "up" ? side.series.writesOf(t, name) : side.series.readsOf(t, name)) > 0;
    };
    for (const [kind, list] of [["up", "upstream"], ["down", "downstream"]]) {
      for (const name of new Set([...A.series[list], ...B.series[list]])) {
        const a = inside(A, name, kind), b = inside(B, name, kind);
        if (a && b) ++counts.shared; else if (a) ++counts.removed; else if (b) ++counts.added;
      }
    }
    return counts;
  }
  update() {
    for (const side of this.sides) side.text.textContent = `step ${count(side.series.steps[+side.slider.value])}`;
    const [A, B] = this.sides, rows = (this.compared = this.rows()), edges = { shared: 0, removed: 0, added: 0 }, nodes = this.nodes();
    for (const row of rows) ++edges[row.state];
    const all = rows.length, at = (side) => `${this.runs.length > 1 ? `${side.series.name}, ` : ""}step ${count(side.series.steps[+side.slider.value])}`;
    const short = this.sides.some((side) => side.series.leftOut > 0) ? " Weak edges that found no room on the page are not counted." : "";
    this.summary.textContent = `A (${at(A)}) and B (${at(B)}) share ${plural(edges.shared, "edge")}; ${count(edges.removed)} are only in A and ${count(edges.added)} only in B` +
      ` (Jaccard index ${all ? number(edges.shared / all) : "–"}). Of the nodes, ${count(nodes.shared)} are in both, ${count(nodes.removed)} only in A, ${count(nodes.added)} only in B.${short}`;
    this.draw();
  }
  // The table and the drawing have the edges of the states ticked.
  draw() {
    const states = new Set(this.boxes.filter((box) => box.checked).map((box) => box.dataset.state));
    this.table.show(this.compared.filter((row) => states.has(row.state)));
    const [A, B] = this.sides, same = A.series === B.series || (A.series.upstream.join() === B.series.upstream.join() && A.series.downstream.join() === B.series.downstream.join());
    this.canvas.stage.hidden = !same;
    if (!same) { this.note.textContent = "The two graphs have different nodes: the table has the edges by name, a common drawing there is none."; return; }
    const drawn = [], of = { shared: 0, removed: 0, added: 0 };
    let missing = 0;
    for (const row of this.compared) {
      if (!states.has(row.state)) continue;
      if (Number.isNaN(row.a) && Number.isNaN(row.b)) { ++missing; continue; }
      if (of[row.state]++ < DRAWN_OF_EACH) drawn.push(row);
    }
    const size = (r) => Math.max(Math.abs(r.a) || 0, Math.abs(r.b) || 0), most = drawn.length ? size(drawn[0]) : 1;
    const over = states.size === 0 ? "Nothing is ticked." : Math.max(...Object.values(of)) > DRAWN_OF_EACH ? `Drawn are the ${DRAWN_OF_EACH} strongest of each.` : "All are drawn.";
    this.note.textContent = over + (missing ? ` ${plural(missing, "edge")} without scores on the page are in the table only.` : "");
    const ta = +A.slider.value, tb = +B.slider.value, colour = { shared: palette.muted, removed: palette.negative, added: palette.positive };
    const rank = { shared: 0, removed: 1, added: 1 };
    this.canvas.draw({
      series: A.series, label: "What moved between the two circuits",
      lines: drawn.sort((x, y) => rank[x.state] - rank[y.state] || size(x) - size(y)).map((r) => ({ edge: r.name, from: r.from, to: r.to, size: r.state === "shared" ? 0.5 * (size(r) / most) : 0.12 + 0.88 * Math.sqrt(size(r) / most), colour: colour[r.state],
        text: `${r.name}\n${STATES[r.state]}\nA ${signed(r.a)}, B ${signed(r.b)}` })),
      node: (name) => this.node(name, ta, tb),
      selected: null, focus: null,
    });
  }
  node(name, ta, tb) {
    const [A, B] = this.sides, of = ({ series }, t) => Math.max(series.writesOf(t, name) ?? 0, series.readsOf(t, name) ?? 0);
    const a = of(A, ta), b = of(B, tb);
    return { shade: 0.12, inside: a > 0 || b > 0, text: `${name}\nΣ|score| A ${number(a)}, B ${number(b)}` };
  }
}
