// Starts the page: what a reader sees first is drawn first. body[data-state] says "ready" when all is drawn, for the browser test.
"use strict";

(async () => {
  const paused = () => new Promise((done) => setTimeout(done));
  palette.read();
  for (const table of document.querySelectorAll("table.sortable")) adoptTable(table);
  await paused();
  const data = JSON.parse(document.getElementById("report-data").textContent);
  for (const { id, title, spec } of data.charts) {
    const head = document.getElementById(id).closest("figure").querySelector(".head");
    dataButton(head, title, () => ({ columns: plainColumns(spec.data.values), rows: spec.data.values }));
  }
  const runs = data.circuits.map((circuit) => new RunSeries(circuit)), views = [];
  if (runs.length) {
    const explorer = new Explorer(document.getElementById("explore"), runs);
    views.push(() => explorer.draw());
    document.body.explorer = explorer;
    await paused();
    if (runs.length > 1 || runs[0].length > 1) {
      const comparison = new Comparison(document.getElementById("compare"), runs);
      views.push(() => comparison.draw());
    }
    document.body.dataset.explorer = "ready";
  }
  if (data.updates.length) {
    const map = new UpdateMap(document.getElementById("updates"), data.updates);
    views.push(() => map.heat.draw());
  }
  await paused();
  const dark = matchMedia("(prefers-color-scheme: dark)"), mark = () => document.documentElement.classList.toggle("dark", dark.matches);
  mark();
  for (const chart of data.charts) {
    await drawCharts([chart]);
    await paused();
  }
  dark.addEventListener("change", () => {
    mark();
    palette.read();
    for (const draw of views) draw();
    drawCharts(data.charts);
  });
  document.body.dataset.state = "ready";
})();
