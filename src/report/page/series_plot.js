// Curves against the step on a canvas, with a band where something was in the circuit and a mark at the step shown.
"use strict";

const KEY_ROW = 16;
const POINTS_SHOWN = 40;  // of fewer discoveries each is seen

class SeriesPlot {
  // choose(t): a place was clicked.
  constructor(parent, choose) {
    this.stage = element(parent, "div", { class: "stage plot" });
    this.canvas = element(this.stage, "canvas", { role: "img" });
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => tip.hide());
    this.canvas.addEventListener("click", (event) => { if (this.axes) choose(this.positionAt(event)); });
    onWidth(this.stage, () => this.draw());
  }
  // picture: {label, steps, curves: [{label, at(t)}], inside(t), t}
  show(picture) {
    this.picture = picture;
    this.draw();
  }
  draw() {
    if (!this.picture || this.stage.clientWidth === 0) return;
    const { steps, curves, inside, t, label } = this.picture, n = steps.length;
    const width = this.stage.clientWidth, left = 58, right = 14, bottom = 44, keys = this.keys(curves, left, width - right);
    const rows = keys[keys.length - 1].row, top = 26 + KEY_ROW * rows, height = 230 + KEY_ROW * rows, c = prepare(this.canvas, width, height);
    this.canvas.setAttribute("aria-label", label);
    let low = 0, high = 0;
    for (const { at } of curves) {
      for (let i = 0; i < n; ++i) {
        const value = at(i);
        if (!Number.isFinite(value)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (low === high) high = low + 1;
    const first = steps[0], last = steps[n - 1] > first ? steps[n - 1] : first + 1;
    const x = (i) => left + ((steps[i] - first) / (last - first)) * (width - left - right);
    const y = (value) => top + ((high - value) / (high - low)) * (height - top - bottom);
    this.axes = { x, n };
    c.font = `11px ${palette.font}`;
    c.textBaseline = "middle";
    c.lineWidth = 1;
    for (const value of ticks(low, high, 5)) {
      c.strokeStyle = value === 0 ? palette.muted : palette.faint;
      line(c, left, y(value), width - right, y(value));
      c.fillStyle = palette.muted;
      c.textAlign = "right";
      c.fillText(String(+value.toPrecision(3)).replace("-", "−"), left - 7, y(value));
    }
    c.textAlign = "center";
    for (const step of ticks(first, last, width < 500 ? 4 : 8)) {
      if (step % 1) continue;
      const at = left + ((step - first) / (last - first)) * (width - left - right);
      c.fillText(count(step), Math.min(at, width - right - 8), height - 12);
    }
    // The band: in the circuit from this discovery to the next.
    c.fillStyle = palette.faint;
    c.fillRect(left, height - bottom + 9, width - left - right, 8);
    c.fillStyle = palette.c5;
    for (let i = 0, end; i < n; i = end) {
      for (end = i + 1; end < n && inside(i) && inside(end); ++end);
      if (inside(i)) c.fillRect(x(i), height - bottom + 9, Math.max(1.5, (end < n ? x(end) : width - right) - x(i)), 8);
    }
    c.lineJoin = "round";
    curves.forEach(({ at }, k) => {
      c.strokeStyle = palette[`c${k % 6}`];
      c.fillStyle = c.strokeStyle;
      c.lineWidth = 1.7;
      c.beginPath();
      const points = [];  // those that a line would not show
      let open = false;
      for (let i = 0; i < n; ++i) {
        const value = at(i);
        if (!Number.isFinite(value)) { open = false; continue; }
        if (open) c.lineTo(x(i), y(value)); else c.moveTo(x(i), y(value));
        if (n <= POINTS_SHOWN || (!open && !(i + 1 < n && Number.isFinite(at(i + 1))))) points.push(i);
        open = true;
      }
      c.stroke();
      for (const i of points) {
        c.beginPath();
        c.arc(x(i), y(at(i)), 2.4, 0, 7);
        c.fill();
      }
    });
    c.strokeStyle = palette.ink;
    c.lineWidth = 1.2;
    c.setLineDash([3, 3]);
    line(c, x(t), top - 6, x(t), height - bottom + 17);
    c.setLineDash([]);
    c.textAlign = "left";
    for (const { colour, text, thick, at, row } of keys) {
      c.fillStyle = colour;
      c.fillRect(at, 10 + KEY_ROW * row - thick / 2, 16, thick);
      c.fillStyle = palette.ink;
      c.fillText(text, at + 21, 10.5 + KEY_ROW * row);
    }
  }
  // The legend's entries and where they stand: in rows that end before `right`.
  keys(curves, left, right) {
    const c = this.canvas.getContext("2d");
    c.font = `11px ${palette.font}`;
    let at = left, row = 0;
    return [...curves.map((curve, k) => [palette[`c${k % 6}`], curve.label, 3]), [palette.c5, "in the circuit", 8]].map(([colour, text, thick]) => {
      const width = 21 + c.measureText(text).width;
      if (at > left && at + width > right) [at, row] = [left, row + 1];
      const key = { colour, text, thick, at, row };
      at += width + 16;
      return key;
    });
  }
  positionAt(event) {
    const { x } = positionIn(this.canvas, event);
    let best = 0;
    for (let i = 1; i < this.axes.n; ++i) if (Math.abs(this.axes.x(i) - x) < Math.abs(this.axes.x(best) - x)) best = i;
    return best;
  }
  hover(event) {
    if (!this.axes) return;
    const t = this.positionAt(event), { steps, curves, inside } = this.picture;
    tip.show([`step ${count(steps[t])}${inside(t) ? ", in the circuit" : ", not in the circuit"}`, ...curves.map((curve) => `${curve.label}: ${number(curve.at(t))}`)].join("\n"), event);
  }
}

function line(c, x0, y0, x1, y1) {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}

// Round values within [low, high], about n of them.
function ticks(low, high, n) {
  const raw = (high - low) / n, power = 10 ** Math.floor(Math.log10(raw)), lead = raw / power;
  const step = (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power, values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) values.push(i === 0 ? 0 : +(i * step).toPrecision(12));
  return values;
}
