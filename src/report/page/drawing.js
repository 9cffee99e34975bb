// The circuit, layer by head, with a slider over the discoveries and a table of the strongest edges.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const TABLE_ROWS = 20;
const FRAME_MILLISECONDS = 140;

function element(parent, tag, attributes = {}, text = null) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}
function shape(parent, tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return new DataView(bytes.buffer);
}
function halfAt(view, i) {
  const bits = view.getUint16(2 * i, true), exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
function halvesOf(base64, scale) {
  const view = bytesOf(base64);
  return Array.from({ length: view.byteLength / 2 }, (_, i) => halfAt(view, i) * scale);
}
// A frame of the page's data as names and numbers.
function decodeFrame(drawing, index) {
  const frame = drawing.frames[index], ids = bytesOf(frame.ids), scores = halvesOf(frame.scores, frame.scale);
  const edges = scores.map((score, i) => {
    const id = drawing.id_bytes === 2 ? ids.getUint16(2 * i, true) : ids.getUint32(4 * i, true);
    return { from: drawing.upstream[drawing.edges[2 * id]], to: drawing.downstream[drawing.edges[2 * id + 1]], score };
  });
  const named = (names, values) => new Map(names.map((name, i) => [name, values[i]]));
  const outgoing = named(drawing.upstream, halvesOf(frame.upstream, frame.scale));
  const incoming = named(drawing.downstream, halvesOf(frame.downstream, frame.scale));
  return { ...frame, edges, outgoing, incoming };
}

const count = (n) => Math.round(n).toLocaleString("en");
function number(value) {
  const text = value === 0 ? "0" : Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toPrecision(3);
  return text.replace("-", "−");
}
const signed = (value) => (value > 0 ? "+" : "") + number(value);
const readerKind = (name) => READER.exec(name)?.[4] ?? (name === "logits" ? "logits" : "mlp");

class CircuitDrawing {
  constructor(section, drawings) {
    this.drawings = drawings;
    this.index = 0;
    this.kinds = new Set(["q", "k", "v", "mlp", "logits"]);
    this.build(section);
    this.choose(0);
    let width = this.stage.clientWidth;
    new ResizeObserver(() => {
      if (this.stage.clientWidth === width) return;
      width = this.stage.clientWidth;
      this.draw();
    }).observe(this.stage);
  }

  build(section) {
    element(section, "h2", {}, "The circuit");
    element(section, "p", { class: "note" }, "Columns are heads, with their readers q, k and v below, and the MLP; rows are layers. Blue edges " +
      "support the metric: cutting one would lower it. Orange edges work against it. Nodes are darker the larger the sum of |score| over " +
      "their edges in the circuit. Hover or focus a node to see its edges alone.");
    const options = element(section, "div", { class: "controls" });
    if (this.drawings.length > 1) {
      const label = element(options, "label", {}, "run ");
      this.runs = element(label, "select", { id: "run" });
      this.drawings.forEach((d, i) => element(this.runs, "option", { value: i }, d.name));
      this.runs.addEventListener("change", () => this.choose(+this.runs.value));
    }
    const limit = element(options, "label", {}, "strongest edges drawn ");
    this.limit = element(limit, "select", { id: "limit" });
    for (const n of [50, 100, 200, 400]) element(this.limit, "option", n === 200 ? { value: n, selected: "" } : { value: n }, n);
    this.limit.addEventListener("change", () => this.draw());
    const into = element(options, "fieldset", { "aria-label": "edges into" });
    element(into, "span", {}, "edges into");
    for (const kind of this.kinds) {
      const label = element(into, "label");
      const box = element(label, "input", { type: "checkbox", checked: "", "data-kind": kind });
      label.append(kind === "mlp" ? "MLP" : kind);
      box.addEventListener("change", () => {
        if (box.checked) this.kinds.add(kind); else this.kinds.delete(kind);
        this.draw();
      });
    }
    const keys = element(section, "div", { class: "controls" });
    for (const [style, text] of [["background:var(--positive)", "supports the metric"], ["background:var(--negative)", "works against it"]]) {
      const key = element(keys, "span", { class: "key" });
      element(key, "i", { style });
      key.append(text);
    }
    const ramp = element(keys, "span", { class: "key" });
    element(ramp, "i", { class: "ramp" });
    ramp.append("node strength");
    const fixed = element(keys, "label");
    this.fixed = element(fixed, "input", { type: "checkbox", id: "fixed-scale" });
    fixed.append("one scale for all discoveries");
    this.fixed.addEventListener("change", () => this.draw());

    const time = element(section, "div", { class: "controls time" });
    this.play = element(time, "button", { type: "button", id: "play" }, "▶ Play");
    this.slider = element(time, "input", { type: "range", min: 0, value: 0, step: 1, id: "discovery", "aria-label": "discovery" });
    this.play.addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => { this.stop(); this.show(+this.slider.value); });
    this.state = element(section, "p", { class: "state" });
    this.thinned = element(section, "p", { class: "note" });
    this.stage = element(section, "div", { class: "stage", id: "stage" });
    element(section, "h2", {}, "Strongest edges");
    this.tableNote = element(section, "p", { class: "note" });
    this.table = element(element(section, "div", { class: "scroll" }), "table", { class: "numbers strongest", id: "strongest" });
    this.tip = element(document.body, "div", { class: "tip", hidden: "" });
  }

  choose(run) {
    this.stop();
    this.drawing = this.drawings[run];
    // Strongest edge and node over all frames, for the common scale.
    this.most = { edge: 0, node: 0 };
    this.drawing.frames.forEach((_, i) => {
      const { edge, node } = this.largest(decodeFrame(this.drawing, i));
      this.most = { edge: Math.max(this.most.edge, edge), node: Math.max(this.most.node, node) };
    });
    this.slider.max = this.drawing.frames.length - 1;
    this.show(this.drawing.frames.length - 1);
  }

  largest(frame) {
    return {
      edge: frame.edges.reduce((most, e) => Math.max(most, Math.abs(e.score)), 0),
      node: [...frame.outgoing.values(), ...frame.incoming.values()].reduce((most, v) => Math.max(most, v), 0),
    };
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.index === this.drawing.frames.length - 1) this.show(0);
    this.play.textContent = "❚❚ Pause";
    this.timer = setInterval(() => {
      if (this.index + 1 >= this.drawing.frames.length) return this.stop();
      this.show(this.index + 1);
    }, FRAME_MILLISECONDS);
  }
  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }

  show(index) {
    this.index = index;
    this.slider.value = index;
    this.frame = decodeFrame(this.drawing, index);
    this.slider.setAttribute("aria-valuetext", `step ${this.frame.step}`);
    this.draw();
    this.drawTable();
  }

  draw() {
    const { drawing, frame } = this;
    const limit = +this.limit.value;
    const strongest = frame.edges.slice(0, limit);
    const edges = strongest.filter((e) => this.kinds.has(readerKind(e.to)));
    const total = [...frame.outgoing.values()].reduce((sum, v) => sum + v, 0);
    const held = edges.reduce((sum, e) => sum + Math.abs(e.score), 0);
    this.state.textContent = `Step ${count(frame.step)}: ${count(frame.n_edges)} edges between ${count(frame.n_nodes)} nodes, ` +
      `${(100 * frame.share).toFixed(1)} % of the parameters trainable.`;
    const drawn = edges.length === frame.n_edges ? "All edges are drawn." : `Drawn: ${count(edges.length)} of the ${count(frame.n_edges)} edges` +
      (edges.length < strongest.length ? `, those of the strongest ${count(strongest.length)} into the chosen readers` : ", the strongest") +
      (total > 0 ? ` (${(100 * Math.min(1, held / total)).toFixed(0)} % of the summed |score|).` : ".");
    const thin = drawing.frames.length < drawing.discoveries ? ` The slider has ${count(drawing.frames.length)} of ${count(drawing.discoveries)} discoveries, evenly spread.` : "";
    this.thinned.textContent = drawn + thin;

    const scale = this.fixed.checked ? this.most : this.largest(frame);
    const plan = layOut(drawing, this.stage.clientWidth);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", plan.width);
    svg.setAttribute("height", plan.height);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `Circuit at step ${frame.step}`);
    this.plan = plan;
    plan.rows.forEach(({ label, y }) => { shape(svg, "text", { x: 15, y, class: "axis" }).textContent = `L${label}`; });
    const lines = shape(svg, "g", {}), hits = shape(svg, "g", {});
    this.lines = [];
    // The weak ones first, so that the strong lie on top.
    for (const edge of [...edges].reverse()) {
      const from = plan.outlets[edge.from], to = plan.inlets[edge.to];
      if (!from || !to) continue;
      const t = scale.edge > 0 ? Math.abs(edge.score) / scale.edge : 0, d = edgePath(from, to, plan);
      const line = shape(lines, "path", { d, class: `edge-line ${edge.score < 0 ? "negative" : "positive"}`, "stroke-width": (0.6 + 4.2 * t).toFixed(2), opacity: (0.16 + 0.74 * t).toFixed(2) });
      const hit = shape(hits, "path", { d, class: "edge-hit" });
      this.lines.push({ edge, line });
      hit.addEventListener("pointerenter", (event) => { this.mark((e) => e === edge); this.showTip(`${edge.from} → ${edge.to}\nscore ${signed(edge.score)}`, event); });
      hit.addEventListener("pointermove", (event) => this.placeTip(event));
      hit.addEventListener("pointerleave", () => this.clear());
    }
    for (const { x0, x1, y } of plan.brackets) shape(svg, "path", { class: "bracket", d: `M${x0} ${y - 3}v3H${x1}v-3` });
    this.drawNodes(svg, scale);
    this.stage.replaceChildren(svg);
  }

  drawNodes(svg, scale) {
    const { plan, frame } = this;
    for (const [name, box] of Object.entries(plan.boxes)) {
      const out = frame.outgoing.get(name) ?? 0, into = frame.incoming.get(name) ?? 0;
      // MLPs are upstream and downstream under one name; they show the stronger side.
      const strength = Math.max(out, into), t = scale.node > 0 ? Math.sqrt(strength / scale.node) : 0;
      const group = shape(svg, "g", { class: `node ${strength > 0 ? "in" : "out-of-circuit"}` });
      const rectangle = { x: box.x, y: box.y, width: box.width, height: box.height, rx: Math.min(box.port ? 2 : 5, box.width / 4) };
      // Opaque ground first: edges pass below nodes.
      shape(group, "rect", { ...rectangle, class: "ground", style: "fill:var(--card)" });
      shape(group, "rect", { ...rectangle, class: box.port ? "port" : "body", style: `fill:rgba(var(--strength),${strength > 0 ? (0.07 + 0.85 * t).toFixed(3) : 0})` });
      const label = shape(group, "text", { x: box.x + box.width / 2, y: box.y + box.height / 2 + 0.5, style: `font-size:${box.port ? 10 : 12}px${t > 0.62 ? ";fill:var(--card);font-weight:600" : ""}` });
      label.textContent = box.label;
      const text = `${name}\n` + (strength === 0 ? "not in the circuit" :
        [frame.outgoing.has(name) ? `writes: Σ|score| ${number(out)}` : "", frame.incoming.has(name) ? `reads: Σ|score| ${number(into)}` : ""].filter(Boolean).join("\n"));
      if (strength > 0) {
        group.setAttribute("tabindex", "0");
        group.setAttribute("role", "img");
        group.setAttribute("aria-label", text.replaceAll("\n", ", "));
      }
      const of = (edge) => edge.from === name || edge.to === name;
      group.addEventListener("pointerenter", (event) => { if (strength > 0) this.mark(of); this.showTip(text, event); });
      group.addEventListener("pointermove", (event) => this.placeTip(event));
      group.addEventListener("pointerleave", () => this.clear());
      group.addEventListener("focus", () => {
        this.mark(of);
        const { right, top } = group.getBoundingClientRect();
        this.showTip(text, { clientX: right, clientY: top });
      });
      group.addEventListener("blur", () => this.clear());
    }
  }

  mark(chosen) { for (const { edge, line } of this.lines) line.classList.toggle("dimmed", !chosen(edge)); }
  clear() {
    this.mark(() => true);
    this.tip.hidden = true;
  }
  showTip(text, event) {
    this.tip.textContent = text;
    this.tip.hidden = false;
    this.placeTip(event);
  }
  placeTip({ clientX, clientY }) {
    const { offsetWidth, offsetHeight } = this.tip;
    this.tip.style.left = `${Math.max(4, Math.min(clientX + 14, innerWidth - offsetWidth - 8))}px`;
    this.tip.style.top = `${Math.max(4, Math.min(clientY + 14, innerHeight - offsetHeight - 8))}px`;
  }

  drawTable() {
    const { frame } = this, rows = frame.edges.slice(0, TABLE_ROWS);
    this.tableNote.textContent = `The ${count(rows.length)} edges of largest |score| at step ${count(frame.step)}, scores to three digits.`;
    this.table.replaceChildren();
    const head = element(element(this.table, "thead"), "tr");
    for (const [title, kind] of [["#", ""], ["edge", "edge"], ["score", ""], ["", "track"]]) element(head, "th", { scope: "col", class: kind }, title).style.textAlign = kind ? "left" : "";
    const body = element(this.table, "tbody");
    const most = Math.abs(rows[0]?.score ?? 1) || 1;
    rows.forEach((edge, i) => {
      const row = element(body, "tr");
      element(row, "th", { scope: "row" }, i + 1);
      element(row, "td", { class: "edge" }, `${edge.from} → ${edge.to}`);
      element(row, "td", {}, signed(edge.score));
      const track = element(row, "td", { class: "track" });
      element(track, "span", { class: "bar", style: `width:${(100 * Math.abs(edge.score) / most).toFixed(1)}%;background:var(--${edge.score < 0 ? "negative" : "positive"})` });
    });
  }
}
