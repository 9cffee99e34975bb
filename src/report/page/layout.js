// Where the nodes of a transformer stand: a column a head and one for the MLP, a row a layer, input at the
// bottom and logits at the top. Edges always run upwards.
"use strict";

const READER = /^(a\d+)\.(h|kv)(\d+)<([qkv])>$/;
const HEAD = /^a(\d+)\.h(\d+)$/;
const MLP = /^m(\d+)(?:\.([bes])(\d+))?$/;
// Blocks and experts by their number, those beside the routed ones after them.
const blockOf = (m, routed) => +(m[3] ?? 0) + (m[2] === "s" ? routed : 0);
const routedExperts = (names) => names.reduce((n, name) => {
  const m = MLP.exec(name);
  return m && m[2] === "e" ? Math.max(n, +m[3] + 1) : n;
}, 0);

// drawing: the data of one run. width: pixels at hand. Returns {width, height, cell, row, gutterEnd, rows, boxes,
// outlets, inlets, brackets}: boxes by node name; outlets[upstream] and inlets[downstream] say where edges start and end.
function layOut(drawing, width) {
  let layers = 0, heads = 0, blocks = 1, kvHeads = 0;
  const routed = routedExperts(drawing.upstream);
  for (const name of [...drawing.upstream, ...drawing.downstream]) {
    let m;
    if ((m = HEAD.exec(name))) { layers = Math.max(layers, +m[1] + 1); heads = Math.max(heads, +m[2] + 1); }
    else if ((m = MLP.exec(name))) { layers = Math.max(layers, +m[1] + 1); blocks = Math.max(blocks, blockOf(m, routed) + 1); }
    else if ((m = READER.exec(name)) && m[2] === "kv") kvHeads = Math.max(kvHeads, +m[3] + 1);
  }
  const left = 46, right = 14, overhang = 12;
  const block = Math.max(6, Math.min(14, (width * 0.3) / blocks));
  const space = width - left - right - 2;
  const cell = Math.max(36, Math.min(128, blocks > 1 ? (space - blocks * block) / (heads + 0.25) : space / (heads + 1.35)));
  const mlpWidth = blocks > 1 ? blocks * block : cell * 1.1;
  const total = left + heads * cell + cell * 0.25 + mlpWidth + right;
  const row = Math.max(84, Math.min(132, 640 / Math.max(1, layers)));
  const bodyWidth = Math.min(cell - 5, 66), bodyHeight = 24, portHeight = 14, bar = 26, gap = 46;
  const height = 2 * (bar + gap) + layers * row + 14;
  const bottom = height - bar - gap - 10;                    // lowest y of layer 0's readers
  const headX = (h) => left + (h + 0.5) * cell;
  const mlpX = left + heads * cell + cell * 0.25 + mlpWidth / 2;
  const headTop = (l) => bottom - l * row - portHeight * (kvHeads ? 2.3 : 1) - bodyHeight;
  // Sequential blocks: the layer's heads feed its MLP, so it stands higher; parallel ones: side by side.
  const mlpTop = (l) => headTop(l) - (drawing.parallel ? 0 : row * 0.47);

  const layerOf = (name) => +/^[am](\d+)/.exec(name)?.[1];
  const spread = Math.max(0.6, Math.min(4, (cell - bodyWidth - 6) / Math.max(1, layers)));
  const aside = (box, layer) => (box.wide ? 0 : -(box.width / 2 + Math.max(3, (cell - bodyWidth) / 2)) + ((layer || 0) - layers / 2) * spread);

  const boxes = {}, outlets = {}, inlets = {}, brackets = [];
  const barBox = (y) => ({ x: left - overhang, y, width: total - left - right + overhang, height: bar, wide: true });
  for (const name of drawing.upstream) {
    let m;
    if (name === "input") boxes[name] = { ...barBox(height - bar - 8), label: "input" };
    else if ((m = HEAD.exec(name))) {
      boxes[name] = { x: headX(+m[2]) - bodyWidth / 2, y: headTop(+m[1]), width: bodyWidth, height: bodyHeight, label: cell > 46 ? `h${m[2]}` : m[2] };
    } else if ((m = MLP.exec(name))) {
      const w = mlpWidth / blocks, j = blockOf(m, routed);
      boxes[name] = { x: mlpX - mlpWidth / 2 + j * w + 0.5, y: mlpTop(+m[1]), width: w - 1, height: bodyHeight, label: blocks === 1 ? "MLP" : "" };
    }
    const box = boxes[name];
    // Lines in one gutter stand a little apart, by the layer they come from or go to.
    if (box) outlets[name] = { x: box.x + box.width / 2, y: box.y, wide: box.wide, gutter: aside(box, layerOf(name)) };
  }
  for (const name of drawing.downstream) {
    let m;
    if (name === "logits") boxes[name] = { ...barBox(8), label: "logits" };
    else if ((m = READER.exec(name))) {
      const layer = +m[1].slice(1), top = headTop(layer) + bodyHeight;
      const w = bodyWidth / (kvHeads ? 1 : 3);
      if (m[2] === "h") {
        const slot = kvHeads ? 0 : "qkv".indexOf(m[4]);
        boxes[name] = { x: headX(+m[3]) - bodyWidth / 2 + slot * w, y: top, width: w, height: portHeight, label: m[4], port: true };
      } else {
        const group = heads / kvHeads, x0 = headX(m[3] * group), x1 = headX(m[3] * group + group - 1), middle = (x0 + x1) / 2;
        const width = Math.min(22, cell / 2 - 2);
        if (m[4] === "k") brackets.push({ x0: x0 - bodyWidth / 2, x1: x1 + bodyWidth / 2, y: top + portHeight + 3 });
        boxes[name] = { x: m[4] === "k" ? middle - width : middle, y: top + portHeight + 4, width, height: portHeight, label: m[4], port: true };
      }
    }
    // What chooses among experts reads the stream too: a bar below them.
    if (routed > 0 && (m = MLP.exec(name)) && !m[2]) {
      boxes[name] = { x: mlpX - mlpWidth / 2, y: mlpTop(+m[1]) + bodyHeight + 2, width: mlpWidth, height: portHeight, label: "router", port: true };
    }
    const box = boxes[name];
    if (!box) continue;
    const x = box.x + box.width / 2;
    // q and k turn in from the left gutter, v and the MLP's from the right and the left of their boxes.
    let gutter = aside(box, layerOf(name));
    if ((m = READER.exec(name)) && m[2] === "h") {
      const centre = headX(+m[3]), step = (layerOf(name) - layers / 2) * spread;
      gutter = (m[4] === "v" ? centre + cell / 2 : centre - cell / 2) + step + (m[4] === "k" ? spread / 2 : 0) - x;
    }
    inlets[name] = { x, y: box.y + box.height, wide: box.wide, gutter };
  }
  const rows = Array.from({ length: layers }, (_, l) => ({ label: String(l), y: headTop(l) + bodyHeight / 2 }));
  return { width: total, height, cell, row, gutterEnd: left + heads * cell + cell * 0.08, rows, boxes, outlets, inlets, brackets };
}

// An upward curve. Lines that would run behind the nodes of a column keep to the gutter beside it.
function edgePath(from, to, plan) {
  const { cell, row } = plan, height = from.y - to.y;
  if (from.wide && to.wide) return `M${plan.gutterEnd} ${from.y}V${to.y}`;
  if (from.wide) {
    if (height < row) return `M${to.x} ${from.y}V${to.y}`;
    const x = to.x + to.gutter, turn = Math.min(34, row * 0.35);
    return `M${x} ${from.y}V${to.y + turn}C${x} ${to.y + turn * 0.4} ${to.x} ${to.y + turn * 0.6} ${to.x} ${to.y}`;
  }
  if (to.wide) {
    if (height < row * 1.1) return `M${from.x} ${from.y}V${to.y}`;
    const x = from.x + from.gutter, turn = Math.min(34, row * 0.35);
    return `M${from.x} ${from.y}C${from.x} ${from.y - turn * 0.6} ${x} ${from.y - turn * 0.4} ${x} ${from.y - turn}V${to.y}`;
  }
  const bend = height * 0.5;
  const side = Math.abs(from.x - to.x) < cell * 0.4 && height > row * 0.9 ? (from.gutter || to.gutter) * 1.3 : 0;
  return `M${from.x} ${from.y}C${from.x + side} ${from.y - bend} ${to.x + side} ${to.y + bend} ${to.x} ${to.y}`;
}
