// The page of a sweep: its charts, and tables that sort. body[data-state] says "ready" when all is drawn.
"use strict";

(async () => {
  const { charts } = JSON.parse(document.getElementById("sweep-data").textContent);
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
  const draw = () => drawCharts(charts);
  await draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.body.dataset.state = "ready";
})();
