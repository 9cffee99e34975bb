// A circuit drawn on a canvas: nodes where layout.js puts them, edges between them; hovering, clicking, arrow keys.
"use strict";

const MANY_BOXES = 600;  // from here on they are drawn more plainly, to keep up with the slider

// actions: {node(name), edge(edge)}: something was chosen; null: nothing can be.
class CircuitCanvas {
  constructor(parent, actions) {
    this.actions = actions;
    this.stage = element(parent, "div", { class: "stage" });
    this.canvas = element(this.stage, "canvas", { tabindex: "0", role: "application" });
    this.live = element(parent, "p", { class: "unseen", "aria-live": "polite" });
    this.hovered = null;
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("blur", () => { this.cursor = null; this.leave(); });
    if (actions) this.canvas.addEventListener("click", (event) => {
      const found = this.find(positionIn(this.canvas, event));
      if (found?.node) actions.node(baseName(found.node)); else if (found?.line) actions.edge(found.line.edge);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    onWidth(this.stage, () => this.redraw());
  }
  // picture: {series, label, lines: [{edge, from, to, size: 0 … 1, colour, dash, text}], the weakest first,
  // node(name): {shade: 0 … 1, inside, text}, selected: {node} or {edge};
  // focus: the same, where all but its edges are to fade}.
  draw(picture) {
    this.picture = picture;
    this.redraw();
  }
  redraw() {
    if (!this.picture || this.stage.clientWidth === 0) return;
    const { picture } = this, { series } = picture, width = this.stage.clientWidth;
    if (this.planned?.series !== series || this.planned.width !== width) this.planned = { series, width, plan: layOut(series, width), paths: new Map() };
    const { plan, paths } = this.planned;
    this.plan = plan;
    this.canvas.setAttribute("aria-label", `${picture.label}. Arrow keys move from node to node${this.actions ? ", Enter chooses one" : ""}.`);
    const c = prepare(this.canvas, plan.width, plan.height);
    this.lines = [];
    for (const line of picture.lines) {
      const from = plan.outlets[line.from], to = plan.inlets[line.to];
      if (!from || !to) continue;
      const key = `${line.from} ${line.to}`;
      if (!paths.has(key)) paths.set(key, new Path2D(edgePath(from, to, plan)));
      this.lines.push({ ...line, path: paths.get(key), low: Math.max(from.y, to.y), high: Math.min(from.y, to.y) });
    }
    c.textBaseline = "middle";
    c.font = `11px ${palette.font}`;
    c.fillStyle = palette.muted;
    c.textAlign = "center";
    for (const { label, y } of plan.rows) c.fillText(`L${label}`, 15, y);
    this.drawLines(c);
    c.strokeStyle = palette.line;
    c.lineWidth = 1;
    for (const { x0, x1, y } of plan.brackets) c.stroke(new Path2D(`M${x0} ${y - 3}v3H${x1}v-3`));
    this.drawNodes(c);
  }
  // Whether a line is to stand out: of the node or the edge under the pointer, else of what is selected.
  focusOf() {
    const focus = this.hovered ?? (this.cursor ? { node: this.cursor } : null) ?? this.picture.focus;
    if (!focus) return null;
    if (focus.line) return (line) => line.edge === focus.line.edge;
    if (focus.edge !== undefined) return (line) => line.edge === focus.edge;
    // A reader's own edges where the reader was meant, else those of the whole node.
    const of = (name) => name === focus.node || baseName(name) === focus.node;
    const found = this.lines.some((line) => of(line.from) || of(line.to));
    return found ? (line) => of(line.from) || of(line.to) : null;
  }
  drawLines(c) {
    const focus = this.focusOf();
    for (const line of this.lines) {
      const dimmed = focus && !focus(line);
      c.globalAlpha = dimmed ? 0.06 : focus ? 0.45 + 0.55 * line.size : 0.12 + 0.78 * Math.sqrt(line.size);
      c.strokeStyle = line.colour;
      c.lineWidth = 0.6 + 4.2 * line.size;
      c.setLineDash(line.dash ? [5, 4] : []);
      c.stroke(line.path);
    }
    c.setLineDash([]);
    c.globalAlpha = 1;
  }
  drawNodes(c) {
    const { picture, plan } = this, chosen = picture.selected?.node, all = Object.entries(plan.boxes), many = all.length > MANY_BOXES;
    for (const [name, box] of all) {
      const { shade, inside } = picture.node(name);
      c.beginPath();
      if (many) c.rect(Math.round(box.x) + 0.5, Math.round(box.y) + 0.5, Math.round(box.width) - 1, Math.round(box.height) - 1);
      else c.roundRect(box.x, box.y, box.width, box.height, Math.min(box.port ? 2 : 5, box.width / 4));
      c.fillStyle = inside ? palette.shade(0.07 + 0.85 * shade) : palette.card;  // opaque: edges pass below nodes
      c.fill();
      const focused = this.cursor === name, selected = chosen !== undefined && baseName(name) === chosen;
      c.lineWidth = focused || selected ? 2.5 : 1;
      c.strokeStyle = focused ? palette.accent : selected ? palette.ink : inside ? `rgba(${palette.strength},0.75)` : palette.line;
      c.stroke();
      if (many && box.port && !inside) continue;
      c.globalAlpha = inside ? 1 : 0.55;
      c.fillStyle = !inside ? palette.muted : shade > 0.62 ? palette.card : palette.ink;
      c.font = `${shade > 0.62 ? "600 " : ""}${box.port ? 10 : 12}px ${palette.font}`;
      c.fillText(box.label, box.x + box.width / 2, box.y + box.height / 2 + 0.5);
      c.globalAlpha = 1;
    }
  }
  find({ x, y }) {
    for (const [name, b] of Object.entries(this.plan?.boxes ?? {})) {
      if (x >= b.x && x <= b.x + b.width && y >= b.y && y <= b.y + b.height) return { node: name };
    }
    const c = this.canvas.getContext("2d"), scale = c.getTransform();
    c.lineWidth = 8;
    // The strongest lie on top.
    for (let i = (this.lines?.length ?? 0) - 1; i >= 0; --i) {
      const line = this.lines[i];
      if (y < line.high - 5 || y > line.low + 5) continue;
      if (c.isPointInStroke(line.path, x * scale.a, y * scale.d)) return { line };
    }
    return null;
  }
  hover(event) {
    const found = this.find(positionIn(this.canvas, event));
    this.canvas.style.cursor = found && this.actions ? "pointer" : "default";
    const same = found?.node === this.hovered?.node && found?.line?.edge === this.hovered?.line?.edge;
    this.hovered = found;
    if (!same) this.redraw();
    if (found) tip.show(found.node ? this.picture.node(found.node).text : found.line.text, event); else tip.hide();
  }
  leave() {
    this.hovered = null;
    tip.hide();
    this.redraw();
  }
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Enter" && this.cursor) return this.actions?.node(baseName(this.cursor));
    if (event.key === "Escape") return this.leave();
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const inside = Object.entries(this.plan.boxes).filter(([name]) => this.picture.node(name).inside).map(([name, box]) => ({ name, ...box }));
    const here = inside.find((b) => b.name === this.cursor);
    const next = here ? nearest(here, inside, move) : inside[0];
    if (!next) return;
    this.cursor = next.name;
    if (next.x < this.stage.scrollLeft || next.x + next.width > this.stage.scrollLeft + this.stage.clientWidth) this.stage.scrollLeft = next.x - this.stage.clientWidth / 2;
    this.redraw();
    const { text } = this.picture.node(next.name);
    this.live.textContent = text.replaceAll("\n", ", ");
    tip.show(text, onScreen(this.canvas, next.x + next.width, next.y));
  }
}
