// The page of one circuit's evaluation: the curve with a switch of its axis, a table that sorts, its CSV.
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

function sortTable(table, column, descending) {
  const rows = [...table.tBodies[0].rows];
  const value = (row) => {
    const text = row.cells[column].dataset.value;
    return Number.isNaN(Number(text)) ? text : Number(text);
  };
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0));
  table.tBodies[0].append(...rows);
  [...table.tHead.rows[0].cells].forEach((cell, i) => {
    if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
}

function csvOf(points) {
  const columns = Object.keys(points[0]);
  const quoted = (value) => (typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value));
  return [columns.join(","), ...points.map((point) => columns.map((c) => quoted(point[c])).join(","))].join("\r\n") + "\r\n";
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

(async () => {
  const data = JSON.parse(document.getElementById("evaluation-data").textContent);
  if (data.spec) {
    const scale = () => document.querySelector("input[name=scale]:checked").value;
    const draw = () => drawCharts([{ id: "faithfulness", spec: onScale(data.spec, scale()) }]);
    for (const input of document.querySelectorAll("input[name=scale]")) input.addEventListener("change", draw);
    const table = document.getElementById("points");
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      cell.querySelector("button").addEventListener("click", () => sortTable(table, column, cell.getAttribute("aria-sort") === "ascending"));
    });
    document.getElementById("csv").addEventListener("click", () => download("faithfulness.csv", csvOf(data.points)));
    await draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }
  document.body.dataset.state = "ready";
})();
