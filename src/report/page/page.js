// Starts the page. body[data-state] says "ready" when all is drawn, for the browser test.
"use strict";

(async () => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const section = document.getElementById("drawing");
  if (section && data.drawings.length) new CircuitDrawing(section, data.drawings);
  await drawCharts(data.charts);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts(data.charts));
  document.body.dataset.state = "ready";
})();
