// The pages of evaluations: of one circuit the curve with a switch of its axis, of several heat maps; a table that sorts, its CSV.
// body[data-state] says "ready" when all is drawn, for the browser test.
"use strict";

// The same chart with the sizes on another scale: Vega-Lite has no signal for a scale's type.
function onScale(spec, type) {
  const copy = structuredClone(spec);
  for (const layer of copy.layer) {
    if (layer.encoding.x) layer.encoding.x.scale.type = type;
  }
  return copy;
}

function csvOf(points) {
  const columns = Object.keys(points[0]);
  const quoted = (value) => (typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value));
  return [columns.join(","), ...points.map((point) => columns.map((c) => quoted(point[c])).join(","))].join("\r\n") + "\r\n";
}

(async () => {
  const data = JSON.parse(document.getElementById("evaluation-data").textContent);
  if (data.points?.length) {
    const scale = () => document.querySelector("input[name=scale]:checked").value;
    const draw = () => drawCharts(data.charts ?? [{ id: "faithfulness", spec: onScale(data.spec, scale()) }]);
    for (const input of document.querySelectorAll("input[name=scale]")) input.addEventListener("change", draw);
    makeSortable(document.getElementById("points"));
    document.getElementById("csv").addEventListener("click", () => download("faithfulness.csv", csvOf(data.points)));
    await draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }
  document.body.dataset.state = "ready";
})();
