// Tables whose columns can be sorted: <table data-sortable>. A cell is compared by its data-value, or by its text; numbers
// as numbers, and the largest first. Without this script the rows are in the order in which they were written.

function valueOf(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return b - a;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
    head.replaceChildren(button);
    let turn = -1;
    button.addEventListener("click", () => {
      turn = head.hasAttribute("aria-sort") ? -turn : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      const rows = [...table.tBodies[0].rows];
      const numbers = typeof valueOf(rows[0], column) === "number";
      head.setAttribute("aria-sort", (turn === 1) === numbers ? "descending" : "ascending");
      rows.sort((a, b) => turn * compare(valueOf(a, column), valueOf(b, column)));
      table.tBodies[0].append(...rows);
    });
  });
}

document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
