"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const toggle = document.getElementById("theme");
  const remembered = () => { try { return localStorage.getItem("evalkit-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("evalkit-theme", theme); } catch { return; } };
  const current = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const label = () => {
    const next = current() === "dark" ? "light" : "dark";
    toggle.textContent = next === "dark" ? "◐ Dark" : "◑ Light";
    toggle.setAttribute("aria-label", `Switch to ${next} colours`);
  };
  const known = remembered();
  if (known === "dark" || known === "light") root.dataset.theme = known;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    remember(root.dataset.theme);
    label();
  });
  dark.addEventListener("change", label);
  label();

  const key = (row, place) => {
    const cell = row.cells[place];
    const text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    const number = text === "" ? NaN : Number(text.replaceAll(",", ""));
    return { text, number };
  };
  const order = (a, b, sign) => {
    if (a.text === "" || b.text === "") return (a.text === "") - (b.text === "");
    const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    return sign * (both ? a.number - b.number : a.text.localeCompare(b.text));
  };
  for (const table of document.querySelectorAll("table[data-sort]")) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => order(key(a, place), key(b, place), sign));
        table.tBodies[0].append(...rows);
      });
    });
  }

  const form = document.querySelector("form.filter");
  if (form) {
    const fails = [...document.querySelectorAll("details.fail")];
    const count = form.querySelector("output");
    form.hidden = fails.length < 2;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.elements.words.addEventListener("input", () => {
      const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const fail of fails) {
        const text = fail.textContent.toLowerCase();
        fail.hidden = !words.every((word) => text.includes(word));
        shown += fail.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown} of ${fails.length}` : "";
    });
  }
})();
