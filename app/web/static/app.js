/* Copy buttons, sorting of small tables, local time, and "select all": additions to pages that work without them.
   Nothing is fetched, and text is only ever set as text, so what a report contains cannot become markup. */
"use strict";
(() => {
  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  // Copy buttons: after each element with data-copy; an empty value copies the element's text.
  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const field = make("textarea", "", "unseen");  // plain HTTP has no clipboard interface
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("the browser did not copy");
  };
  for (const source of document.querySelectorAll("[data-copy]")) {
    const button = make("button", "Copy", "copy");
    button.type = "button";
    button.setAttribute("aria-label", `Copy ${source.dataset.copyName || "text"}`);
    button.addEventListener("click", async () => {
      try {
        await copy(source.dataset.copy || source.href || source.textContent.trim());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it by hand";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    source.after(button);
  }

  // Sorting: tables whose rows are all on the page. Lists with further pages are sorted by the server.
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const number = (text) => Number(text.replace(/[,\s%]/g, ""));
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table[data-sort]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", head.textContent, "plain sorter");
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column)) * (down ? -1 : 1));
        body.append(...rows);
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
      });
    });
  }

  // Local time: next to UTC, on request; the choice is kept in the browser.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const times = [...document.querySelectorAll("time[datetime]")];
  const write = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const remembered = () => { try { return localStorage.getItem("hpkp-local-time") === "yes"; } catch { return false; } };
  const show = (on) => {
    for (const time of times) {
      time.querySelector(".local")?.remove();
      const local = write.format(new Date(time.dateTime));
      time.title = `${local} (${zone})`;
      if (on) time.append(make("span", ` (${local} ${zone})`, "local"));
    }
  };
  const place = document.querySelector("#local-time");
  if (place && zone && zone !== "UTC") {
    const choice = make("button", "", "plain");
    choice.type = "button";
    place.append(choice);
    const name = () => { choice.textContent = remembered() ? "Show UTC only" : `Show times in ${zone} too`; };
    choice.addEventListener("click", () => {
      try { localStorage.setItem("hpkp-local-time", remembered() ? "no" : "yes"); } catch { /* private windows */ }
      show(remembered());
      name();
    });
    name();
    show(remembered());
  }

  // One box that selects every row of this page.
  for (const head of document.querySelectorAll("[data-select-all]")) {
    const boxes = [...document.querySelectorAll(`input[name="${head.dataset.selectAll}"]`)];
    const all = make("input");
    all.type = "checkbox";
    all.setAttribute("aria-label", "Select every row of this page");
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    if (boxes.length) head.replaceChildren(all);
  }
})();
