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
    closed = [...document.querySelectorAll("details.glance:not([open])")];
    for (const fold of closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });
  apply();

  function unfoldTarget() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && (target.querySelector(":scope > details.whole") || target.closest("details"));
    if (fold) { fold.open = true; target.scrollIntoView(); }
  }
  window.addEventListener("hashchange", unfoldTarget);
  unfoldTarget();

  // The first figure, drawn anew from the rows of the comparison for what is picked above it.
  const explore = document.querySelector(".explore");
  if (!explore || !table) return;
  const rows = [...table.tBodies[0].rows].filter((row) => row.dataset.drawn === "1");
  const picked = Object.fromEntries([...explore.querySelectorAll("select")].map((select) => [select.name, select]));
  const list = explore.querySelector("ol"), axis = explore.querySelector(".axis"), told = explore.querySelector(".told");
  const margins = JSON.parse(explore.dataset.margins);
  for (const cost of new Set(rows.map((row) => row.dataset.cost).filter(Boolean))) picked.cost.add(new Option(cost));
  const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith("difference"));

  function numbersOf(row) {
    const cell = row.cells[column];
    const ends = (cell.querySelector("small") || cell).textContent.replaceAll("\u2212", "-").split(" to ").map(parseFloat);
    const mean = Number(cell.dataset.value);
    const [low, high] = ends.length === 2 && !ends.some(Number.isNaN) ? ends : [mean, mean];
    return { row, mean, low, high, text: cell.firstChild.textContent.trim() };
  }

  function part(kind, style) {
    const element = document.createElement("span");
    element.className = kind;
    Object.assign(element.style, style);
    return element;
  }

  function draw() {
    const wanted = (row, key) => !picked[key] || !row.dataset[key] || row.dataset[key] === picked[key].value;
    const shown = rows.filter((row) => row.dataset.question === picked.question.value && row.cells[column].dataset.value
      && ["dataset", "reference", "account", "cost"].every((key) => wanted(row, key)));
    const found = shown.map(numbersOf).sort((one, other) => other.mean - one.mean);
    const margin = margins[picked.dataset ? picked.dataset.value : Object.keys(margins)[0]];
    for (const key of ["account", "cost"]) picked[key].disabled = picked.question.value !== "pays";
    const low = Math.min(-1.5 * margin, ...found.map((item) => item.low));
    const high = Math.max(0.6 * margin, ...found.map((item) => item.high));
    const at = (value) => 3 + 94 * (value - low) / (high - low);
    list.replaceChildren(...found.map((item) => {
      const { row, mean } = item, swatch = row.cells[0].querySelector(".swatch").cloneNode();
      swatch.style.left = at(mean) + "%";
      if (row.dataset.declared !== "1") swatch.classList.add("hollow");
      const track = part("track", {}), colour = swatch.style.background;
      track.append(part("within", { left: at(-margin) + "%", width: at(0) - at(-margin) + "%" }),
        part("zero", { left: at(0) + "%" }),
        part("span", { left: at(item.low) + "%", width: at(item.high) - at(item.low) + "%", background: colour }), swatch);
      const who = part("who", {}), by = part("by", {}), button = document.createElement("button");
      who.textContent = row.cells[0].textContent.trim();
      by.textContent = item.text;
      const ends = item.low < item.high ? ", interval " + row.cells[column].querySelector("small").textContent : "";
      const verdict = row.querySelector(".verdict");
      const words = who.textContent + ": " + item.text + " points" + ends + ", " + verdict.textContent
        + (row.dataset.declared === "1" ? ", declared" : ", exploratory");
      button.type = "button";
      button.setAttribute("aria-label", words);
      button.append(who, track, by);
      for (const event of ["mouseenter", "focus"]) button.addEventListener(event, () => { told.textContent = words; });
      const line = document.createElement("li");
      line.append(button);
      return line;
    }));
    axis.replaceChildren(...[low.toFixed(1), "difference in points", high.toFixed(1)].map((text) => {
      const end = part("", {});
      end.textContent = text.replace("-", "\u2212");
      return end;
    }));
    told.textContent = found.length ? "Point at a row, or step through them with Tab or the arrow keys: its numbers stand here."
      : "No pair of runs to compare.";
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const next = step && event.target.closest("li")[step];
    if (next) { next.firstChild.focus(); event.preventDefault(); }
  });
  for (const select of Object.values(picked)) select.addEventListener("change", draw);
  explore.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  const start = explore.dataset.start;
  if (start) picked.question.value = start;
  explore.hidden = false;
  explore.parentElement.classList.add("live");
  draw();
})();
