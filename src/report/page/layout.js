// Where the nodes of a transformer stand: a column a head and one for the MLP, a row a layer, input at the
// bottom and logits at the top. Edges always run upwards.
"use strict";

const READER = /^(a\d+)\.(h|kv)(\d+)<([qkv])>$/;
const HEAD = /^a(\d+)\.h(\d+)$/;
const MLP = /^m(\d+)(?:\.b(\d+))?$/;

// drawing: the data of one run. width: pixels at hand. Returns {width, height, layers, heads, boxes, outlets, inlets,
// brackets}: boxes by node name; outlets[upstream] and inlets[downstream] say where edges start and end.
function layOut(drawing, width) {
  let layers = 0, heads = 0, blocks = 1, kvHeads = 0;
  for (const name of [...drawing.upstream, ...drawing.downstream]) {
    let m;
    if ((m = HEAD.exec(name))) { layers = Math.max(layers, +m[1] + 1); heads = Math.max(heads, +m[2] + 1); }
    else if ((m = MLP.exec(name))) { layers = Math.max(layers, +m[1] + 1); blocks = Math.max(blocks, +(m[2] ?? 0) + 1); }
    else if ((m = READER.exec(name)) && m[2] === "kv") kvHeads = Math.max(kvHeads, +m[3] + 1);
  }
  const left = 34, right = 12;
  const cell = Math.max(40, Math.min(104, (width - left - right) / (heads + 1.35)));
  const mlpWidth = Math.max(cell * 1.1, blocks * 9);
  const total = left + heads * cell + cell * 0.25 + mlpWidth + right;
  const row = Math.max(92, Math.min(132, 640 / Math.max(1, layers)));
  const bodyWidth = Math.min(cell - 5, 60), bodyHeight = 24, portHeight = 14, bar = 26, gap = 46;
  const height = 2 * (bar + gap) + layers * row + 14;
  const bottom = height - bar - gap - 10;                    // lowest y of layer 0's readers
  const headX = (h) => left + (h + 0.5) * cell;
  const mlpX = left + heads * cell + cell * 0.25 + mlpWidth / 2;
  const headTop = (l) => bottom - l * row - portHeight * (kvHeads ? 2.3 : 1) - bodyHeight;
  // Sequential blocks: the layer's heads feed its MLP, so it stands higher; parallel ones: side by side.
  const mlpTop = (l) => headTop(l) - (drawing.parallel ? 0 : row * 0.47);

  const boxes = {}, outlets = {}, inlets = {}, brackets = [];
  const barBox = (y) => ({ x: left, y, width: total - left - right, height: bar, wide: true });
  for (const name of drawing.upstream) {
    let m;
    if (name === "input") boxes[name] = { ...barBox(height - bar - 8), label: "input" };
    else if ((m = HEAD.exec(name))) {
      boxes[name] = { x: headX(+m[2]) - bodyWidth / 2, y: headTop(+m[1]), width: bodyWidth, height: bodyHeight, label: cell > 46 ? `h${m[2]}` : m[2] };
    } else if ((m = MLP.exec(name))) {
      const w = mlpWidth / blocks, j = +(m[2] ?? 0);
      boxes[name] = { x: mlpX - mlpWidth / 2 + j * w + 0.5, y: mlpTop(+m[1]), width: w - 1, height: bodyHeight, label: blocks === 1 ? "MLP" : "" };
    }
    if (boxes[name]) outlets[name] = { x: boxes[name].x + boxes[name].width / 2, y: boxes[name].y, wide: boxes[name].wide };
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
    const box = boxes[name];
    if (box) inlets[name] = { x: box.x + box.width / 2, y: box.y + box.height, wide: box.wide };
  }
  const rows = Array.from({ length: layers }, (_, l) => ({ label: String(l), y: headTop(l) + bodyHeight / 2 }));
  return { width: total, height, left, rows, boxes, outlets, inlets, brackets };
}

// An upward curve; at the wide bars it starts or ends straight below the other end, which keeps edges apart.
function edgePath(from, to) {
  const x0 = from.wide ? to.x : from.x, x1 = to.wide ? from.x : to.x;
  if (from.wide && to.wide) return `M${from.x} ${from.y}L${to.x} ${to.y}`;
  const bend = (from.y - to.y) * 0.5;
  return `M${x0} ${from.y}C${x0} ${from.y - bend} ${x1} ${to.y + bend} ${x1} ${to.y}`;
}
