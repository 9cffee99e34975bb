// Draws the page's Vega-Lite specifications in the page's colours.
"use strict";

function cssValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function chartConfig() {
  const ink = cssValue("--ink"), muted = cssValue("--muted"), line = cssValue("--line"), faint = cssValue("--faint");
  const font = getComputedStyle(document.body).fontFamily;
  return {
    background: "transparent",
    font,
    view: { stroke: null },
    axis: {
      labelColor: muted, titleColor: muted, gridColor: faint, domainColor: line, tickColor: line,
      labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", labelOverlap: true, tickSize: 4,
    },
    axisX: { grid: false, tickCount: 6, format: ",~r" },
    axisY: { domain: false, ticks: false, tickCount: 5, titlePadding: 8 },
    legend: { labelColor: ink, labelFontSize: 12, titleColor: muted, symbolType: "stroke", symbolStrokeWidth: 3, symbolOpacity: 1, symbolBaseFillColor: muted, symbolBaseStrokeColor: muted, offset: 4, columnPadding: 14, labelLimit: 260, layout: { top: { direction: "vertical", margin: 2 } } },
    line: { strokeWidth: 2, strokeJoin: "round" },
    // Of text on a cell, by how strongly it is filled.
    style: { "on-faint": { color: ink }, "on-strong": { color: cssValue("--card") } },
    point: { size: 28, filled: true },
    range: { category: [0, 1, 2, 3, 4, 5].map((i) => cssValue(`--c${i}`)) },
  };
}

async function drawCharts(charts) {
  const options = {
    config: chartConfig(),
    renderer: "canvas",
    mode: "vega-lite",
    // The editor and the source view would leave the page.
    actions: { export: true, source: false, compiled: false, editor: false },
    tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" },
  };
  for (const { id, spec } of charts) {
    const element = document.getElementById(id);
    if (element.view) element.view.finalize();
    element.view = await vegaEmbed(element, spec, options);
  }
}
