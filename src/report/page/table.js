// Tables that sort by the column whose heading is pressed, and files to save.
"use strict";

function sortTable(table, column, descending) {
  const rows = [...table.tBodies[0].rows];
  const value = (row) => {
    const text = row.cells[column].dataset.value ?? "";
    return text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  };
  const sign = descending ? -1 : 1;
  // What is missing comes last both ways, words after numbers.
  const rank = (v) => (v === null ? 2 : typeof v === "string" ? 1 : 0);
  rows.sort((a, b) => {
    const x = value(a), y = value(b);
    if (rank(x) === 2 || rank(y) === 2) return rank(x) - rank(y);
    if (rank(x) !== rank(y)) return sign * (rank(x) - rank(y));
    return x < y ? -sign : x > y ? sign : 0;
  });
  table.tBodies[0].append(...rows);
  [...table.tHead.rows[0].cells].forEach((cell, i) => {
    if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    cell.querySelector("button").addEventListener("click", () => sortTable(table, column, cell.getAttribute("aria-sort") === "ascending"));
  });
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
