"use strict";
(() => {
  const bar = document.querySelector(".bar");
  const chosen = { dataset: "", reference: "" };
  const accounts = bar ? [...bar.querySelectorAll("input[name=account]")] : [];
  const scoped = document.querySelectorAll("[data-dataset], [data-reference], [data-account]");

  function fits(element) {
    const account = element.dataset.account;
    return (!account || accounts.some((box) => box.checked && box.value === account))
      && Object.entries(chosen).every(([key, value]) => {
        const own = element.dataset[key];
        return !value || !own || own === value;
      });
  }

  const table = document.getElementById("comparison");
  const question = document.getElementById("question");
  const search = document.getElementById("search");
  const declared = document.getElementById("declared");
  const tally = document.getElementById("tally");

  function filterComparison() {
    if (!table) return;
    const text = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const visible = fits(row)
        && (!question.value || row.dataset.question === question.value)
        && (!declared.checked || row.dataset.declared === "1")
        && (!text || row.cells[0].textContent.toLowerCase().includes(text));
      row.hidden = !visible;
      shown += visible ? 1 : 0;
    }
    tally.textContent = shown + " of " + table.tBodies[0].rows.length + " rows shown";
  }

  function apply() {
    const last = accounts.filter((box) => box.checked).length === 1;
    for (const box of accounts) box.disabled = last && box.checked;
    for (const element of scoped) element.hidden = !fits(element);
    filterComparison();
  }

  const panels = [...document.querySelectorAll("details.panel")];
  function unfoldChosen() {
    if (!chosen.dataset && !chosen.reference) return;
    for (const panel of panels) panel.open = panel.open || !panel.hidden;
  }

  if (bar) {
    bar.hidden = false;
    for (const select of bar.querySelectorAll("select")) {
      chosen[select.name] = select.value;
      select.addEventListener("change", () => { chosen[select.name] = select.value; apply(); unfoldChosen(); });
    }
    for (const box of accounts) box.addEventListener("change", apply);
    const unfold = document.getElementById("unfold");
    if (unfold) unfold.addEventListener("click", () => {
      const open = panels.some((panel) => !panel.open);
      for (const panel of panels) panel.open = open;
      unfold.textContent = open ? "fold all" : "unfold all";
    });
    bar.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  }
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  for (const control of [question, search, declared]) {
    if (control) control.addEventListener("input", filterComparison);
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    return value === undefined ? cell.textContent.trim().toLowerCase() : value === "" ? null : Number(value);
  }

  function sort(button) {
    const header = button.closest("th");
    const body = header.closest("table").tBodies[0];
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentElement.children) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    }
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = Array.from(body.rows, (row) => [keyOf(row, header.cellIndex), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  }

  for (const header of document.querySelectorAll("table.sortable thead th[aria-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(button));
  }
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open]):not(.rest):not(.aside)")];
    for (const fold of closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });
  apply();
})();
