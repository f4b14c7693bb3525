// The filters of all runs, kept in the address. The page reads well without it.
"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const selects = [...form.querySelectorAll("select")];
  const runs = [...document.querySelectorAll("#runs li")];

  // An address that names what no run has shows all of them.
  function readAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const select of selects) {
      const value = wanted.get(select.name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
  }

  function writeAddress() {
    const state = new URLSearchParams();
    for (const select of selects) if (select.value) state.set(select.name, select.value);
    history.replaceState(null, "", `#${state}`);
  }

  const has = (run, { name, value }) =>
    [...run.querySelectorAll(`[data-is=${name}]`)].some((word) => word.textContent === value);

  function apply() {
    for (const run of runs) run.hidden = selects.some((select) => select.value && !has(run, select));
    const shown = runs.filter((run) => !run.hidden).length;
    form.querySelector("[role=status]").textContent = shown < runs.length ? `${shown} of ${runs.length} runs` : "";
  }

  form.hidden = false;
  form.addEventListener("change", () => { writeAddress(); apply(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { writeAddress(); apply(); }));
  addEventListener("hashchange", () => { readAddress(); apply(); });
  readAddress();
  apply();
})();
