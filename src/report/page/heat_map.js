// Layers by heads, with columns for key/value groups and MLPs, and bars for input and logits; one colour a cell.
"use strict";

// Cells of nodes by name: {row, column, name, items}; items: what the caller puts in. Returns {layers, columns, cells}, columns
// with the gap before them.
class HeatGrid {
  constructor() {
    this.cells = new Map();
    this.layers = 0;
    this.heads = 0;
    this.groups = 0;
    // Of MLPs: blocks or experts, experts beside those, and whole ones or, where there are experts, routers.
    this.split = this.shared = this.whole = 0;
  }
  add(name, item) {
    const m = /^a(\d+)\.(h|kv)(\d+)$/.exec(name), mlp = MLP.exec(name);
    let place = null;
    if (m) {
      place = { layer: +m[1], kind: m[2], index: +m[3] };
      if (m[2] === "h") this.heads = Math.max(this.heads, place.index + 1); else this.groups = Math.max(this.groups, place.index + 1);
    } else if (mlp) {
      const part = { b: "split", e: "split", s: "shared" }[mlp[2]] ?? "whole";
      place = { layer: +mlp[1], kind: "mlp", part, index: +(mlp[3] ?? 0) };
      this[part] = Math.max(this[part], place.index + 1);
    } else if (name === "input" || name === "logits") place = { kind: name, index: 0 };
    if (!place) return false;
    if (place.layer !== undefined) this.layers = Math.max(this.layers, place.layer + 1);
    if (!this.cells.has(name)) this.cells.set(name, { name, ...place, items: [] });
    this.cells.get(name).items.push(item);
    return true;
  }
  // Column of a kind's index, counted over all kinds.
  column({ kind, index, part }) {
    if (kind !== "mlp") return index + (kind === "kv" ? this.heads : 0);
    const before = { split: 0, shared: this.split, whole: this.split + this.shared }[part];
    return this.heads + this.groups + before + index;
  }
  get blocks() { return this.split + this.shared + this.whole; }
  get columns() { return this.heads + this.groups + this.blocks; }
}

// source: {label(): aria text, value(cell), most(): top of the scale, text(cell): tooltip, selected(): name, select(name)}.
class HeatMap {
  constructor(parent, source) {
    this.source = source;
    this.stage = element(parent, "div", { class: "stage heat" });
    this.canvas = element(this.stage, "canvas", { tabindex: "0", role: "application" });
    this.live = element(parent, "p", { class: "unseen", "aria-live": "polite" });
    this.canvas.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(positionIn(this.canvas, event));
      this.canvas.style.cursor = cell && source.select ? "pointer" : "default";
      if (cell) tip.show(source.text(cell), event); else tip.hide();
    });
    this.canvas.addEventListener("pointerleave", () => tip.hide());
    this.canvas.addEventListener("blur", () => { this.cursor = null; tip.hide(); this.draw(); });
    this.canvas.addEventListener("click", (event) => {
      const cell = this.cellAt(positionIn(this.canvas, event));
      if (cell) source.select?.(cell.name);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    onWidth(this.stage, () => this.draw());
  }
  setGrid(grid) {
    this.grid = grid;
    this.cursor = null;
    this.draw();
  }
  plan() {
    const { grid } = this, left = 34, gaps = ((grid.groups > 0) + (grid.blocks > 0 && grid.heads > 0)) * 10;
    const space = this.stage.clientWidth - left - gaps - 14;
    const cell = Math.max(6, Math.min(104, space / Math.max(1, grid.columns)));
    const row = Math.max(14, Math.min(34, 420 / Math.max(1, grid.layers))), bar = 20;
    const top = 24 + (grid.cells.has("logits") ? bar + 8 : 0), foot = grid.cells.has("input") ? bar + 8 : 0;
    const x = (place) => left + grid.column(place) * cell + (place.kind === "kv" || (place.kind === "mlp" && grid.groups) ? 10 : 0) + (place.kind === "mlp" && grid.heads ? 10 : 0);
    const width = left + grid.columns * cell + gaps + 8, height = top + grid.layers * row + foot + 6;
    const boxes = [];
    for (const place of grid.cells.values()) {
      if (place.kind === "input") boxes.push({ place, x: left, y: height - bar - 6, width: width - left - 8, height: bar });
      else if (place.kind === "logits") boxes.push({ place, x: left, y: 24, width: width - left - 8, height: bar });
      else boxes.push({ place, x: x(place), y: top + (grid.layers - 1 - place.layer) * row, width: cell, height: row });
    }
    return { left, cell, row, bar, top, width, height, boxes, x };
  }
  draw() {
    if (!this.grid || this.stage.clientWidth === 0) return;
    const { grid, source } = this, plan = (this.drawn = this.plan()), c = prepare(this.canvas, plan.width, plan.height);
    this.canvas.setAttribute("aria-label", `${source.label()}. Arrow keys move from node to node${source.select ? ", Enter chooses one" : ""}.`);
    const most = source.most(), selected = source.selected();
    c.font = `11px ${palette.font}`;
    c.textBaseline = "middle";
    c.textAlign = "center";
    c.fillStyle = palette.muted;
    const heading = (kind, n, text, part) => {
      const every = Math.ceil(30 / plan.cell) > 1 ? Math.ceil(22 / plan.cell) : 1;
      for (let i = 0; i < n; i += every) c.fillText(text(i), plan.x({ kind, index: i, part }) + plan.cell / 2, 12);
    };
    heading("h", grid.heads, (i) => (plan.cell > 24 ? `h${i}` : i));
    if (grid.groups) heading("kv", grid.groups, (i) => (plan.cell > 30 ? `kv${i}` : i === 0 ? "kv" : ""));
    heading("mlp", grid.split, (i) => (plan.cell > 24 ? i : i === 0 ? "MLP" : ""), "split");
    heading("mlp", grid.shared, (i) => (plan.cell > 24 ? `s${i}` : ""), "shared");
    heading("mlp", grid.whole, () => (grid.split > 0 ? (plan.cell > 30 ? "router" : "r") : "MLP"), "whole");
    c.textAlign = "right";
    const every = Math.ceil(13 / plan.row);
    for (let l = 0; l < grid.layers; l += every) c.fillText(`L${l}`, plan.left - 7, plan.top + (grid.layers - 0.5 - l) * plan.row);
    c.textAlign = "center";
    const gap = plan.cell > 14 ? 1 : 0.5;
    for (const box of plan.boxes) {
      const value = source.value(box.place), t = most > 0 && value > 0 ? Math.sqrt(Math.min(1, value / most)) : 0;
      c.fillStyle = value > 0 ? `rgba(${palette.strength},${(0.06 + 0.94 * t).toFixed(3)})` : palette.faint;
      c.fillRect(box.x + gap, box.y + gap, box.width - 2 * gap, box.height - 2 * gap);
      const bar = !("layer" in box.place), shown = value > 0 && plan.cell >= 46 && plan.row >= 18 ? number(value) : "";
      if (!bar && !shown) continue;
      c.fillStyle = t > 0.55 ? palette.card : value > 0 ? palette.ink : palette.muted;
      c.fillText(bar ? `${box.place.name} ${shown}` : shown, box.x + box.width / 2, box.y + box.height / 2 + 0.5);
    }
    for (const box of plan.boxes) {
      const focused = this.cursor === box.place.name;
      if (box.place.name !== selected && !focused) continue;
      c.strokeStyle = focused ? palette.accent : palette.ink;
      c.lineWidth = 2;
      c.strokeRect(box.x + 1, box.y + 1, box.width - 2, box.height - 2);
    }
  }
  cellAt({ x, y }) {
    return this.drawn?.boxes.find((b) => x >= b.x && x < b.x + b.width && y >= b.y && y < b.y + b.height)?.place;
  }
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { boxes } = this.drawn, here = boxes.find((b) => b.place.name === this.cursor);
    if (event.key === "Enter" && here) return this.source.select?.(here.place.name);
    if (event.key === "Escape") return tip.hide();
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const next = here ? nearest(here, boxes, move) : boxes.find((b) => "layer" in b.place) ?? boxes[0];
    if (!next) return;
    this.cursor = next.place.name;
    this.draw();
    const text = this.source.text(next.place);
    this.live.textContent = text.replaceAll("\n", ", ");
    tip.show(text, onScreen(this.canvas, next.x + next.width, next.y));
  }
}

// The box next to `here` in a direction: near along it, and not far aside.
function nearest(here, boxes, [dx, dy]) {
  const middle = (b) => [b.x + b.width / 2, b.y + b.height / 2], [x, y] = middle(here);
  let best = null, least = Infinity;
  for (const box of boxes) {
    const [bx, by] = middle(box), along = (bx - x) * dx + (by - y) * dy;
    const aside = dx ? Math.abs(by - y) : Math.max(0, Math.abs(bx - x) - (here.width + box.width) / 2 + Math.min(here.width, box.width) / 2);
    if (box === here || along <= 1) continue;
    const distance = along + 3 * aside;
    if (distance < least) [best, least] = [box, distance];
  }
  return best;
}
