"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column], data = cell.querySelector("data");
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    return data ? Number(data.value) : cell.textContent.trim();
  };
  const isEmpty = (v) => v === "" || v === "–" || Number.isNaN(v);
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => (isEmpty(a) ? (isEmpty(b) ? 0 : 1) : isEmpty(b) ? -1 : up ? compare(a, b) : compare(b, a)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const tools of document.querySelectorAll(".tools")) {
  const table = document.getElementById(tools.dataset.table), shown = tools.querySelector("output");
  const rows = [...table.tBodies[0].rows], texts = rows.map((row) => row.textContent.toLowerCase());
  tools.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, i) => { row.hidden = !words.every((word) => texts[i].includes(word)); count += !row.hidden; });
    shown.textContent = words.length ? `${count} of ${rows.length} shown` : "";
  });
  tools.hidden = false;
}
