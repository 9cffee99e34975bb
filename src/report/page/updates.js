// How far every node's parameters travelled: a map and a table.
"use strict";

class UpdateMap {
  constructor(section, runs) {
    element(section, "h2", {}, "Where the weights moved");
    this.note = element(section, "p", { class: "note" });
    const figure = element(section, "figure", { class: "card wide", id: "update-map" }), caption = element(figure, "figcaption"), head = element(caption, "div", { class: "head" });
    element(head, "h3", {}, "Path of every node’s parameters");
    dataButton(head, "path of every node’s parameters", () => ({ columns: this.columns(), rows: this.run.nodes }));
    const controls = element(figure, "div", { class: "controls" });
    if (runs.length > 1) {
      this.chooser = labelled(controls, "run", "select", { "aria-label": "run of the weight map" });
      choices(this.chooser, runs.map((run, i) => [i, run.name]), 0);
      this.chooser.addEventListener("change", () => this.choose(runs[+this.chooser.value]));
    }
    this.part = labelled(controls, "weights", "select", { id: "part" });
    this.part.addEventListener("change", () => this.setPart());
    this.heat = new HeatMap(figure, {
      label: () => "Path of every node’s parameters",
      value: (cell) => cell.items[0].path,
      most: () => Math.max(0, ...[...this.heat.grid.cells.values()].map((cell) => cell.items[0].path)),
      text: (cell) => `${cell.items[0].node}\npath ${number(cell.items[0].path)}\n${count(cell.items[0].steps)} updates, ${count(cell.items[0].parameters)} parameters`,
      selected: () => null,
    });
    const legend = element(figure, "div", { class: "legend" });
    element(legend, "span", { class: "ramp" });
    this.ends = ["0", "", ""].map((text) => element(legend, "span", {}, text));
    this.choose(runs[0]);
  }
  columns() {
    const plain = (key, title = key) => ({ title, value: (n) => n[key], text: (n) => (key === "path" ? number(n[key]) : count(n[key])), kind: "number" });
    return [{ title: "node", value: (n) => n.node, kind: "edge" }, plain("path"), plain("steps", "updates recorded"), plain("parameters")];
  }
  choose(run) {
    this.run = run;
    this.note.textContent = `Σ over the ${plural(run.steps, "step")} with a discovery of ‖w after − w before‖ of the node’s parameters: the length of their path, an upper bound of how far they got` +
      (run.steps < run.all_steps ? `; the other ${count(run.all_steps - run.steps)} steps of the run recorded no norms` : "") + ". The run’s store holds no weights, so ‖ΔW‖/‖W‖ is not here; it is what this says of the model and its export: ";
    element(this.note, "code", {}, "circuit diff MODEL EXPORT");
    const parts = [["", "what a head or MLP writes with"], ["q", "query"], ["k", "key"], ["v", "value"]].filter(([part]) => run.nodes.some((n) => (/<([qkv])>$/.exec(n.node)?.[1] ?? "") === part));
    choices(this.part, parts, parts[0][0]);
    this.setPart();
  }
  setPart() {
    const grid = new HeatGrid();
    for (const node of this.run.nodes) if ((/<([qkv])>$/.exec(node.node)?.[1] ?? "") === this.part.value) grid.add(baseName(node.node), node);
    this.heat.setGrid(grid);
    const most = this.heat.source.most();
    this.ends[1].textContent = number(most / 4);
    this.ends[2].textContent = number(most);
  }
}
