// Tables of rows at hand: sorted by the heading pressed, saved as CSV; and the dialog that shows a figure's data.
"use strict";

const ROWS_SHOWN = 200;

function csvText(columns, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.map((c) => cell(c.title)).join(","), ...rows.map((row) => columns.map((c) => cell(c.value(row))).join(","))].join("\r\n") + "\r\n";
}
const fileName = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}.]+/gu, "-").replace(/^-|-$/g, "");

// columns: {title, value(row), text(row)?, kind: "number" | "edge" | ""}. Shows the first rows of the order chosen and says so.
class DataTable {
  constructor(parent, { id, label, columns, shown = ROWS_SHOWN }) {
    Object.assign(this, { label, columns, shown, rows: [], order: null });
    const scroll = element(parent, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label });
    this.table = element(scroll, "table", { class: "numbers sortable data", ...(id ? { id } : {}) });
    const head = element(element(this.table, "thead"), "tr");
    this.heads = columns.map((column, i) => {
      const cell = element(head, "th", { scope: "col", class: column.kind });
      element(cell, "button", { type: "button" }, column.title).addEventListener("click", () => this.sort(i));
      return cell;
    });
    this.body = element(this.table, "tbody");
    const foot = element(parent, "div", { class: "controls" });
    element(foot, "button", { type: "button", class: "csv" }, "Save CSV").addEventListener("click", () => this.save());
    this.note = element(foot, "span", { class: "note" });
  }
  sort(column) {
    // Numbers are mostly looked at from the largest.
    const first = this.columns[column].kind === "number";
    this.order = this.order?.column === column ? { column, falling: !this.order.falling } : { column, falling: first };
    this.show(this.rows, this.more);
  }
  sorted() {
    if (!this.order) return this.rows;
    const { column, falling } = this.order, { value } = this.columns[column], sign = falling ? -1 : 1;
    const missing = (v) => v === null || v === undefined || Number.isNaN(v);
    return [...this.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return x < y ? -sign : x > y ? sign : 0;
    });
  }
  // more: what else the note below the table is to say.
  show(rows, more = "") {
    this.rows = rows;
    this.more = more;
    this.heads.forEach((cell, i) => {
      if (this.order?.column === i) cell.setAttribute("aria-sort", this.order.falling ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const body = document.createDocumentFragment(), order = this.sorted();
    for (const row of order.slice(0, this.shown)) {
      const line = element(body, "tr");
      for (const column of this.columns) element(line, "td", { class: column.kind ?? "" }, String(column.text ? column.text(row) : column.value(row) ?? ""));
    }
    this.body.replaceChildren(body);
    this.note.textContent = rows.length > this.shown ? `${count(this.shown)} of ${count(rows.length)} rows; the file has all.` : plural(rows.length, "row");
    if (more) this.note.textContent = this.note.textContent.replace(/\.?$/, ".") + more;
  }
  save() { download(`${fileName(this.label)}.csv`, csvText(this.columns, this.sorted())); }
}

// A button that opens `data()`, {columns, rows}, as a table.
function dataButton(parent, title, data) {
  const button = element(parent, "button", { type: "button", class: "data-button", "aria-label": `data of ${title}` }, "data");
  button.addEventListener("click", () => {
    const dialog = element(document.body, "dialog", { class: "data-dialog", "aria-label": title });
    const close = () => { dialog.remove(); button.focus(); };
    const head = element(dialog, "div", { class: "head" });
    element(head, "h3", {}, title);
    element(head, "button", { type: "button", class: "close" }, "Close").addEventListener("click", close);
    const { columns, rows } = data();
    new DataTable(dialog, { label: title, columns }).show(rows);
    dialog.addEventListener("close", close);  // by the escape key
    // Pressed on the ground beside it, not on its own edge nor where a selection of its text ends.
    dialog.addEventListener("pointerdown", (event) => {
      const { left, right, top, bottom } = dialog.getBoundingClientRect();
      if (event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom) close();
    });
    dialog.showModal();
  });
  return button;
}

// Columns for rows that are plain objects; not every row has every key.
function plainColumns(rows) {
  const order = ["run", "series", "kind", "step", "value", "mean"], place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  const first = new Map();
  for (const row of rows) for (const [key, value] of Object.entries(row)) if (!first.has(key) && value !== null) first.set(key, value);
  return [...first.keys()].sort((a, b) => place(a) - place(b)).map((key) => ({ title: key, value: (row) => row[key], kind: typeof first.get(key) === "number" ? "number" : "" }));
}

// The tables that the page was written with: cells have data-value.
function adoptTable(table) {
  makeSortable(table);
  const rows = [...table.tBodies[0].rows];
  const columns = [...table.tHead.rows[0].cells].map((head, i) => ({ title: head.textContent.trim(), value: (row) => row.cells[i].dataset.value }));
  const foot = document.createElement("div");
  foot.className = "controls";
  element(foot, "button", { type: "button", class: "csv" }, "Save CSV").addEventListener("click", () => download(`${fileName(table.dataset.name)}.csv`, csvText(columns, rows)));
  table.closest(".scroll").after(foot);
}
